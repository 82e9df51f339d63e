package iam

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const issuer = "https://issuer.example"

var request = PullTokenRequest{Parent: org, Name: "ci", Description: "Öl for <CI>", TTL: 720 * time.Hour, Repositories: []Repository{OCI}}

// testKey is one key for all tests that do not look at how it is made, which takes a
// second and more.
var testKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// today is what the clock of the service says, which is not what ours does.
var today = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

// service is a platform API that keeps identities and role bindings.
type service struct {
	*api
	identities map[string]Identity
	bound      []string // "identity role"
	refuse     map[string]int
	account    string // what it says of the caller; empty for nothing
	// before is called with each request; nil for nothing.
	before func(method, path string)
}

// newService starts a service. refuse has the status of the answer to what it does not
// do, by method and the beginning of a path.
func newService(t *testing.T, refuse map[string]int) *service {
	t.Helper()
	s := &service{identities: map[string]Identity{}, refuse: refuse}
	s.api = handledBy(t, s.serve)
	return s
}

func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	if s.before != nil {
		s.before(r.Method, r.URL.Path)
	}
	w.Header().Set("Date", today.Format(http.TimeFormat))
	for prefix, status := range s.refuse {
		if strings.HasPrefix(r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery, prefix) {
			code := map[int]int{400: 3, 403: 7, 404: 5, 500: 13}[status]
			writeJSON(w, status, fmt.Sprintf(`{"code":%d,"message":"expiration must be within 168h0m0s"}`, code))
			return
		}
	}
	body := s.asked[len(s.asked)-1].body
	id := strings.TrimPrefix(r.URL.Path, "/iam/v1/identities/")
	switch r.Method + " " + strings.Split(r.URL.Path, "/")[3] {
	case "GET ok":
		writeJSON(w, http.StatusOK, s.account)
	case "GET roles":
		name := r.URL.Query().Get("name")
		writeJSON(w, http.StatusOK, roles(roleOf(name), name))
	case "POST identities":
		var identity Identity
		_ = json.Unmarshal([]byte(body), &identity)
		identity.ID = fmt.Sprintf("%s/%016x", id, len(s.identities)+1)
		s.identities[identity.ID] = identity
		text, _ := json.Marshal(identity)
		writeJSON(w, http.StatusOK, string(text))
	case "DELETE identities":
		delete(s.identities, id)
		writeJSON(w, http.StatusOK, `{}`)
	case "POST rolebindings":
		var binding struct{ Identity, Role string }
		_ = json.Unmarshal([]byte(body), &binding)
		s.bound = append(s.bound, binding.Identity+" "+binding.Role)
		writeJSON(w, http.StatusOK, `{"id":"`+deepPID+`"}`)
	}
}

// roleOf is the id of a role that a service has.
func roleOf(name string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(name)))[:40] }

func (s *service) create(ctx context.Context, r PullTokenRequest) (PullToken, error) {
	return s.prepareAndCreate(ctx, r, func() time.Time { return today.Add(-time.Hour) }, testKey)
}

// made says what a service was asked to change.
func (s *service) made() []string {
	s.serial.Lock()
	defer s.serial.Unlock()
	var changes []string
	for _, a := range s.asked {
		if a.method != http.MethodGet {
			changes = append(changes, a.method+" "+a.path)
		}
	}
	return changes
}

func TestCreatePullToken(t *testing.T) {
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
	if !slices.Equal(got.Roles, wantRoles) || !slices.Equal(slices.Sorted(slices.Values(s.bound)), slices.Sorted(slices.Values(wantBound))) {
		t.Errorf("got the roles %q, bound %q, want %q", got.Roles, s.bound, wantBound)
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

// kept counts the identities that the service has.
func (s *service) kept() int {
	s.serial.Lock()
	defer s.serial.Unlock()
	return len(s.identities)
}

// verifyByLibrary does what the service does with a pull token and the identity's keys.
func verifyByLibrary(t *testing.T, token string, static *Static) {
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
	if claims["iss"] != static.Issuer || claims["sub"] != static.Subject || static.Issuer != PullTokenIssuer {
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
func verifyByHand(t *testing.T, token string, static *Static) {
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

func TestPullTokenClock(t *testing.T) {
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
func TestPullTokenRequestRefused(t *testing.T) {
	for name, change := range map[string]func(*PullTokenRequest){
		"I73 no life":             func(r *PullTokenRequest) { r.TTL = 0 },
		"I73 negative":            func(r *PullTokenRequest) { r.TTL = -1 },
		"I73 59 s":                func(r *PullTokenRequest) { r.TTL = 59 * time.Second },
		"I73 8761h":               func(r *PullTokenRequest) { r.TTL = 8761 * time.Hour },
		"no repository":           func(r *PullTokenRequest) { r.Repositories = nil },
		"unknown repository":      func(r *PullTokenRequest) { r.Repositories = []Repository{OCI, "cobol"} },
		"no name":                 func(r *PullTokenRequest) { r.Name = "" },
		"I75 name with $( )":      func(r *PullTokenRequest) { r.Name = "$(id)" },
		"I75 name with a newline": func(r *PullTokenRequest) { r.Name = "a\nb" },
		"I75 name with a quote":   func(r *PullTokenRequest) { r.Name = `a"b` },
		"another script":          func(r *PullTokenRequest) { r.Name = "имя" },
		"name of 10 KB":           func(r *PullTokenRequest) { r.Name = strings.Repeat("x", 10<<10) },
		"description of 10 KB":    func(r *PullTokenRequest) { r.Description = strings.Repeat("x", 10<<10) },
		"description with ESC":    func(r *PullTokenRequest) { r.Description = "a\x1b[2J" },
		"description, two lines":  func(r *PullTokenRequest) { r.Description = "a\nb" },
		"description, bidi":       func(r *PullTokenRequest) { r.Description = "a\u202eb" },
		"description, no UTF-8":   func(r *PullTokenRequest) { r.Description = "\xff" },
		"a name for the parent":   func(r *PullTokenRequest) { r.Parent = "example.com" },
	} {
		t.Run(name, func(t *testing.T) {
			a := answering(t, nil)
			a.Tokens = nil // would panic
			r := request
			change(&r)
			_, err := a.createPullToken(t.Context(), r, Preparation{}, issuer, nil, nil)
			oneLine(t, err)
			if len(err.Error()) > 400 || len(a.asked) > 0 {
				t.Errorf("got %d requests and an error of %d bytes, want none and a short one", len(a.asked), len(err.Error()))
			}
		})
	}
}
