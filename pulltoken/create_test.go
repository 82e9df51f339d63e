package pulltoken

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"docker-credential-cgr/iam"
)

const issuer = "https://issuer.example"

// testKey is one key for all tests that do not look at how it is made, which takes a
// second and more.
var testKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

var request = Request{Name: "ci", Description: "Öl for <CI>", TTL: 720 * time.Hour, Repositories: []Repository{OCI}}

// prepareAndCreate creates a pull token for an organization.
func (s *service) prepareAndCreate(ctx context.Context, r Request, now func() time.Time, newKey func() (*rsa.PrivateKey, error)) (Credential, error) {
	return prepare(ctx, s.Client, r, newKey).Create(ctx, iam.Group{ID: org}, issuer, now)
}

func (s *service) create(ctx context.Context, r Request) (Credential, error) {
	return s.prepareAndCreate(ctx, r, func() time.Time { return today.Add(-time.Hour) }, testKey)
}

func TestCreate(t *testing.T) {
	s := newService(t, nil)
	r := request
	r.Repositories = []Repository{OCI, APK, Java}
	// The real key, and the clock of this machine an hour ahead.
	got, err := s.prepareAndCreate(t.Context(), r, func() time.Time { return today.Add(time.Hour) }, newKey)
	if err != nil {
		t.Fatal(err)
	}
	kept := s.identities[got.Identity.ID]
	wantRoles := []string{"registry.pull", "apk.pull", "libraries.java.pull"}
	var wantBound []string
	for _, role := range wantRoles {
		wantBound = append(wantBound, got.Identity.ID+" "+roleOf(role))
	}
	if !slices.Equal(slices.Sorted(slices.Values(s.bound)), slices.Sorted(slices.Values(wantBound))) {
		t.Errorf("got the roles %q, want %q", s.bound, wantBound)
	}
	if kept.Name != "ci" || kept.Description != r.Description || kept.Type() != "pull_token" || !strings.HasPrefix(got.Identity.ID, org+"/") {
		t.Errorf("got %+v, want the identity that was asked for", kept)
	}
	if want := today.Add(r.TTL); !got.Expires.Equal(want) || !kept.Static.Expiration.Equal(want) {
		t.Errorf("got the end %s, kept %s, want %s by the service's clock", got.Expires, kept.Static.Expiration, want)
	}
	// The first three steps: who calls and the roles, the identity, the bindings.
	var order []string
	for _, a := range s.asked {
		if step := a.method + " " + strings.Split(a.path, "/")[3]; len(order) == 0 || order[len(order)-1] != step {
			order = append(order, step)
		}
	}
	order = slices.DeleteFunc(order, func(step string) bool { return step == "GET ok" })
	if want := []string{"GET roles", "POST identities", "POST rolebindings"}; !slices.Equal(slices.Compact(order), want) {
		t.Errorf("got the steps %q, want %q", order, want)
	}
	for _, a := range s.asked {
		if strings.Contains(a.body, got.Token) || strings.Contains(a.body, strings.Split(got.Token, ".")[2]) {
			t.Errorf("S21 got the token in %s %s, want it to stay here", a.method, a.path)
		}
	}
	t.Run("T8 by the service's means", func(t *testing.T) { verifyByLibrary(t, got.Token, kept.Static) })
	t.Run("T8 by hand", func(t *testing.T) { verifyByHand(t, got.Token, kept.Static) })
}

// verifyByLibrary does what the service does with a pull token and the identity's keys.
func verifyByLibrary(t *testing.T, token string, static *iam.Static) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(static.IssuerKeys), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("got the keys %s, %v, want one", static.IssuerKeys, err)
	}
	signed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	header := signed.Signatures[0].Protected
	keys := set.Key(header.KeyID)
	if len(keys) != 1 || !keys[0].IsPublic() || keys[0].Use != "sig" || keys[0].Algorithm != "RS256" || header.ExtraHeaders[jose.HeaderType] != "JWT" {
		t.Fatalf("got %+v for %+v, want one public key to verify with", keys, header)
	}
	payload, err := signed.Verify(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if aud, _ := claims["aud"].([]any); len(claims) != 5 || len(aud) != 1 || aud[0] != issuer {
		t.Errorf("got %v, want five claims, of which aud the issuer's URL", claims)
	}
	if claims["iss"] != static.Issuer || claims["sub"] != static.Subject || static.Issuer != iam.PullTokenIssuer {
		t.Errorf("got iss %v, sub %v, want those of %+v", claims["iss"], claims["sub"], static)
	}
	if !regexp.MustCompile(`^pull-token-[0-9a-f]{40}$`).MatchString(static.Subject) {
		t.Errorf("got the subject %q, want pull-token- and 40 hex digits", static.Subject)
	}
	issued, expires := int64(claims["iat"].(float64)), int64(claims["exp"].(float64))
	if issued >= today.Unix() || issued < today.Add(-time.Minute).Unix() || expires != static.Expiration.Unix() {
		t.Errorf("got iat %d, exp %d, want a little before %d, and %d", issued, expires, today.Unix(), static.Expiration.Unix())
	}
	if err := signed.DetachedVerify(append(payload, ' '), keys[0]); err == nil {
		t.Error("S21 got another payload verified, want it refused")
	}
}

// verifyByHand does what RFC 7515, section 5.2, and RFC 7518, section 6.3.1, say.
func verifyByHand(t *testing.T, token string, static *iam.Static) {
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(static.IssuerKeys), &set); err != nil {
		t.Fatal(err)
	}
	key := set.Keys[0]
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
		if _, ok := key[name]; ok {
			t.Fatalf("S21 got %q in the public key, want nothing private", name)
		}
	}
	decode := base64.RawURLEncoding.DecodeString
	n, errN := decode(key["n"])
	e, errE := decode(key["e"])
	parts := strings.Split(token, ".")
	if errN != nil || errE != nil || len(parts) != 3 {
		t.Fatalf("got the key %v, %d parts, want n, e and three", key, len(parts))
	}
	signature, err := decode(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if got := public.N.BitLen(); got != 4096 {
		t.Errorf("got a key of %d bits, want 4096", got)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
		t.Errorf("S21 got %v, want the signature verified", err)
	}
	header, err := decode(parts[0])
	var fields map[string]string
	if err != nil || json.Unmarshal(header, &fields) != nil || fields["alg"] != "RS256" || fields["kid"] != key["kid"] {
		t.Errorf("got the header %s, want RS256 and the key's id %q", header, key["kid"])
	}
}

func TestCreateClock(t *testing.T) {
	for name, test := range map[string]struct {
		hasDate bool
		want    time.Time
	}{
		"of the service":          {true, today},
		"of here where it is not": {false, today.Add(-time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, nil)
			s.Transport = dateless{s.Transport, !test.hasDate}
			got, err := s.create(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if want := test.want.Add(request.TTL); !got.Expires.Equal(want) {
				t.Errorf("got the end %s, want %s", got.Expires, want)
			}
		})
	}
}

// dateless is a transport whose answers have lost their Date.
type dateless struct {
	http.RoundTripper
	cut bool
}

func (d dateless) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := d.RoundTripper.RoundTrip(r)
	if err == nil && d.cut {
		resp.Header.Del("Date")
	}
	return resp, err
}

// What cannot be right is refused before a token is asked for, a key made or a request
// sent.
func TestRequestRefused(t *testing.T) {
	for name, change := range map[string]func(*Request){
		"I73 no life":             func(r *Request) { r.TTL = 0 },
		"I73 negative":            func(r *Request) { r.TTL = -1 },
		"I73 59 s":                func(r *Request) { r.TTL = 59 * time.Second },
		"I73 8761h":               func(r *Request) { r.TTL = 8761 * time.Hour },
		"no repository":           func(r *Request) { r.Repositories = nil },
		"unknown repository":      func(r *Request) { r.Repositories = []Repository{OCI, "Cobol"} },
		"no name":                 func(r *Request) { r.Name = "" },
		"I75 name with $( )":      func(r *Request) { r.Name = "$(id)" },
		"I75 name with a newline": func(r *Request) { r.Name = "a\nb" },
		"I75 name with a quote":   func(r *Request) { r.Name = `a"b` },
		"another script":          func(r *Request) { r.Name = "имя" },
		"name of 10 KB":           func(r *Request) { r.Name = strings.Repeat("x", 10<<10) },
		"description of 10 KB":    func(r *Request) { r.Description = strings.Repeat("x", 10<<10) },
		"description with ESC":    func(r *Request) { r.Description = "a\x1b[2J" },
		"description, two lines":  func(r *Request) { r.Description = "a\nb" },
		"description, bidi":       func(r *Request) { r.Description = "a\u202eb" },
		"description, no UTF-8":   func(r *Request) { r.Description = "\xff" },
	} {
		t.Run(name, func(t *testing.T) {
			a := answering(t, nil)
			a.Tokens = nil // would panic
			r := request
			change(&r)
			_, err := Prepare(t.Context(), a.Client, r).Create(t.Context(), iam.Group{ID: org}, issuer, nil)
			oneLine(t, err)
			if len(err.Error()) > 400 || len(a.asked) > 0 {
				t.Errorf("got %d requests and an error of %d bytes, want none and a short one", len(a.asked), len(err.Error()))
			}
		})
	}
}
