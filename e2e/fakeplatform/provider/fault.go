package provider

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Faults change the responses of a healthy provider. Each function edits the real response, in which numbers are
// json.Number. For faults with another HTTP status or body (such as slow_down), use the faults of the platform.
type Faults struct {
	// Discovery edits the discovery document.
	Discovery func(document map[string]any)
	// Device edits the response to a device authorization request. The provider enforces the edited interval.
	Device func(answer map[string]any)
	// IDToken edits the claims of an ID token before it is signed.
	IDToken func(claims map[string]any)
	// Sign signs the claims of an ID token instead of the provider; see Unsigned and Forged.
	Sign func(claims map[string]any) string
	// Answer edits the query of the redirect to the client: code, state and iss, or error.
	Answer func(query url.Values)
	// Strays are requests to the client's redirect URL before the browser's, as from a hostile page. Each edits a copy
	// of the real query. Provider.Strays returns the client's responses.
	Strays []func(query url.Values)
}

// Unsigned returns an ID token with the algorithm none.
func Unsigned(claims map[string]any) string {
	segment := func(v any) string { return base64.RawURLEncoding.EncodeToString(mustJSON(v)) }
	return segment(map[string]string{"alg": "none", "typ": "JWT"}) + "." + segment(claims) + "."
}

// Forged returns an ID token that names the provider's key but is signed with another one.
func Forged(claims map[string]any) string {
	key, err := strangersKey()
	if err != nil {
		panic(err) // there is no reason why it should fail
	}
	return sign(signingKey{key}, claims)
}

func sign(key signingKey, claims map[string]any) string {
	jwk := jose.JSONWebKey{Key: key.Key(), KeyID: key.ID()}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: key.Algorithm(), Key: jwk}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		panic(fmt.Sprintf("provider: signer: %v", err)) // the key is ours
	}
	object, err := signer.Sign(mustJSON(claims))
	if err != nil {
		panic(fmt.Sprintf("provider: signing: %v", err))
	}
	token, err := object.CompactSerialize()
	if err != nil {
		panic(fmt.Sprintf("provider: serialising: %v", err))
	}
	return token
}

// mustJSON marshals a value that was read from JSON.
func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("provider: a fault made something that JSON has not: %v", err))
	}
	return text
}

// edit changes the JSON of a successful response.
func edit(next http.Handler, change func(map[string]any)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		body := answer.Body.Bytes()
		if answer.Code == http.StatusOK {
			object := mustObject(body)
			change(object)
			body = mustJSON(object)
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body) // a client that left needs no answer
	})
}

// mustObject parses JSON of the library or of this package.
func mustObject(text []byte) map[string]any {
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil {
		panic(fmt.Sprintf("provider: %q is no object: %v", text, err))
	}
	return object
}

func (p *Provider) editDiscovery(document map[string]any) {
	// The library offers more than is served here.
	for _, name := range []string{"introspection_endpoint", "revocation_endpoint", "end_session_endpoint"} {
		delete(document, name)
	}
	document["authorization_response_iss_parameter_supported"] = true // RFC 9207 section 3
	document["response_types_supported"] = []string{"code"}
	if change := p.config.Settings().Discovery; change != nil {
		change(document)
	}
}

func (p *Provider) editDevice(answer map[string]any) {
	if code, ok := answer["device_code"].(string); ok {
		p.config.OnIssue(code)
	}
	if change := p.config.Settings().Device; change != nil {
		change(answer)
	}
	p.storage.pace(mustObject(mustJSON(answer))) // the numbers may be the fault's
}

func (p *Provider) editTokens(answer map[string]any) {
	if raw, ok := answer["id_token"].(string); ok {
		answer["id_token"] = p.resign(raw)
	}
	for _, name := range []string{"access_token", "id_token"} {
		if token, ok := answer[name].(string); ok {
			p.config.OnIssue(token)
		}
	}
}

// resign applies the clock skew and the faults to an ID token of the library.
func (p *Provider) resign(raw string) string {
	s := p.config.Settings()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
	if err != nil {
		panic(fmt.Sprintf("provider: the library's ID token: %v", err))
	}
	claims := mustObject(payload)
	for _, name := range []string{"iat", "exp", "auth_time"} {
		if number, ok := claims[name].(json.Number); ok {
			at, _ := number.Int64() // the library writes whole seconds
			claims[name] = json.Number(strconv.FormatInt(at+int64(s.ClockSkew/time.Second), 10))
		}
	}
	if s.IDToken != nil {
		s.IDToken(claims)
	}
	if s.Sign != nil {
		return s.Sign(claims)
	}
	return sign(signingKey{p.storage.key}, claims)
}

// answer completes the redirect to a client: it adds iss (RFC 9207) and applies faults.
func (p *Provider) answer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.Header())
		back, err := url.Parse(answer.Header().Get("Location"))
		if err != nil || back.Host == "" || strings.HasPrefix(back.String(), p.Issuer+"/") {
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes()) // a browser that left needs no page
			return
		}
		query := back.Query()
		query.Set("iss", p.Issuer)
		if query.Has("code") {
			p.config.OnIssue(query.Get("code"))
		}
		s := p.config.Settings()
		for _, change := range s.Strays {
			p.stray(r.Context(), *back, query, change)
		}
		if s.Answer != nil {
			s.Answer(query)
		}
		back.RawQuery = query.Encode()
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Location", back.String())
		w.WriteHeader(http.StatusSeeOther) // without the library's page, which repeats the code
	})
}

// stray sends a wrong response to the client's redirect URL and records the status of the client's response.
func (p *Provider) stray(ctx context.Context, to url.URL, query url.Values, change func(url.Values)) {
	query = maps.Clone(query)
	change(query)
	to.RawQuery = query.Encode()
	status := 0
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if r, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil); err == nil {
		r.Close = true // the client counts connections, perhaps
		if resp, err := http.DefaultTransport.RoundTrip(r); err == nil {
			_ = resp.Body.Close()
			status = resp.StatusCode
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.strays = append(p.strays, status)
}

// Strays returns the HTTP statuses of the clients' responses to Faults.Strays, in order; zero means no response.
func (p *Provider) Strays() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.strays)
}
