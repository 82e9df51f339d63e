package token

import (
	"context"
	"docker-credential-cgr/token/store"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/platform"
)

// What came through a browser counts once the platform has accepted it: the API
// names whose token it is, and where it cannot say the registry gives a token for
// it.
func TestVerify(t *testing.T) {
	answers := func(status int, body string) http.HandlerFunc { return serving(status, "application/json", body) }
	refused := fails(401, platform.CodeUnauthenticated, "invalid token")
	broken := fails(503, platform.CodeUnavailable, "later")
	both, registryOnly := []string{registry, api}, []string{registry}
	for _, test := range []struct {
		name          string
		audiences     []string
		api, registry http.HandlerFunc
		want          string // in the error; empty for none
		asked         string
	}{
		{"the API knows it", both, answers(200, `{"subject":"`+alice+`"}`), nil, "", "api"},
		{"the API says that it is of another account", both, answers(200, `{"subject":"`+bob+`"}`), nil, "name different accounts", "api"},
		{"the API refuses it", both, refused, nil, "invalid token", "api"},
		{"the API cannot say, and the registry accepts it", both, broken, answers(200, `{"token":"x"}`), "", "api registry"},
		{"the API cannot say, and the registry refuses it", both, broken, fails(403, 0, "FORBIDDEN"), "403", "api registry"},
		{"neither can say", both, broken, broken, "later", "api registry"},
		{"it is for the registry alone", registryOnly, nil, answers(200, `{"token":"x"}`), "", "registry"},
		{"the registry refuses it", registryOnly, nil, fails(401, 0, "UNAUTHORIZED"), "401", "registry"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			s := f.session()
			secret := f.access(alice, "A")
			var asked []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Authorization"); got != "Bearer "+secret {
					t.Errorf("got %q, want the token as bearer", got)
				}
				switch {
				case r.URL.Path == "/auth/v1/ok" && test.api != nil:
					asked = append(asked, "api")
					test.api(w, r)
				case r.URL.Path == "/token" && r.URL.RawQuery == "service="+registry && test.registry != nil:
					asked = append(asked, "registry")
					test.registry(w, r)
				default:
					t.Errorf("got %s, which nothing should ask", r.URL)
				}
			}))
			defer server.Close()
			s.API, s.RegistryURL = server.URL, server.URL
			audiences := append([]string{}, test.audiences...)
			if len(audiences) == 2 {
				audiences[1] = server.URL
			}
			err := s.verify(t.Context(), registry, &Grant{Subject: alice, AccessTokens: []AccessToken{{Secret: secret, Audiences: audiences}}})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want one line", err)
			}
			if got := strings.Join(asked, " "); got != test.asked {
				t.Errorf("got asked %q, want %q", got, test.asked)
			}
		})
	}
}

// The end of a token that was tried is told by this machine's clock.
func TestVerifyCorrectsForTheClock(t *testing.T) {
	f := newFixture(t)
	s := f.session()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", f.clock.Now().Add(-2*time.Hour).UTC().Format(http.TimeFormat))
		serving(200, "application/json", `{"token":"x"}`)(w, r)
	}))
	defer server.Close()
	s.RegistryURL = server.URL
	g := &Grant{Subject: alice, AccessTokens: []AccessToken{{Secret: "a.b.c", Audiences: []string{registry}, Expires: f.clock.Now().Add(-time.Hour)}}}
	if err := s.verify(t.Context(), registry, g); err != nil {
		t.Fatal(err)
	}
	if want := f.clock.Now().Add(time.Hour); !g.AccessTokens[0].Expires.Equal(want) {
		t.Errorf("got %v, want %v: the machine is two hours ahead", g.AccessTokens[0].Expires, want)
	}
	if _, _, said := f.counts(); !contains(said, "this machine's clock is 2h0m0s off") {
		t.Errorf("said %q, want a word about the clock", said)
	}
}

// A sign-in whose refresh token belongs to another account than its access token is
// not accepted, whoever redeemed it.
func TestVerifyRedeems(t *testing.T) {
	f := newFixture(t)
	f.wants("R0", gives(f.access(bob, "B1"), "R1"))
	g := &Grant{Subject: alice, RefreshToken: "R0"}
	if err := f.session().verify(t.Context(), registry, g); err == nil || !strings.Contains(err.Error(), "name different accounts") || strings.Contains(err.Error(), bob) || g.redeemed {
		t.Errorf("another account: got %v, want it refused", err)
	}
	f.wants("garbage", fails(401, platform.CodeUnauthenticated, "refresh token is not known"))
	if err := f.session().verify(t.Context(), registry, &Grant{Subject: alice, RefreshToken: "garbage"}); err == nil {
		t.Error("garbage: got no error, want one")
	}
	f.wants("R0", gives(f.access(alice, "A1"), "R1"))
	g = &Grant{Subject: alice, Email: "anything@example.com", RefreshToken: "R0"}
	if err := f.session().verify(t.Context(), registry, g); err != nil || g.Email != "a@example.com" || g.RefreshToken != "R1" || len(g.AccessTokens) != 1 || !g.AccessTokens[0].Only(registry) {
		t.Errorf("got %+v, %v, want the next refresh token, an access token for the registry alone, and the platform's name of the account", g, err)
	}
}

// An answer by another account than the one that is signed in does not end a sign-in
// for get: it may be a stranger's, and the real one can still come.
func TestVerifyAnotherAccount(t *testing.T) {
	f := newFixture(t)
	s := f.session()
	verify := s.signInRequest(registry, store.Session{Subject: alice, Email: "a@example.com"}).Verify
	f.wants("B0", gives(f.access(bob, "B1"), "B2"))
	if err := verify(t.Context(), &Grant{Subject: bob, RefreshToken: "B0"}); err == nil || !strings.Contains(err.Error(), "a@example.com is signed in on this machine") {
		t.Errorf("another account: got %v, want it refused", err)
	}
	f.wants("A0", gives(f.access(alice, "A1"), "A2"))
	if err := verify(t.Context(), &Grant{Subject: alice, RefreshToken: "A0"}); err != nil {
		t.Errorf("the account itself: got %v, want it accepted", err)
	}
	s.ConfirmAccount = func(_, _ Account) bool { return true } // as login asks
	verify = s.signInRequest(registry, store.Session{Subject: alice}).Verify
	f.wants("B3", gives(f.access(bob, "B4"), "B5"))
	if err := verify(t.Context(), &Grant{Subject: bob, RefreshToken: "B3"}); err != nil {
		t.Errorf("where the person is asked: got %v, want it accepted", err)
	}
}

// A job with an ID token and no identity stores nothing: the next job on the machine may
// be another one. What a person has stored comes first, and stays.
func TestWorkloadWithoutIdentityStoresNothing(t *testing.T) {
	f := newFixture(t)
	job := func(subject string) *Session {
		s := f.session()
		s.IDToken = func(context.Context) (string, error) { return "ID", nil }
		token := f.access(subject, "job")
		f.mu.Lock()
		f.steps = append(f.steps, step{"ID", registry, func(w http.ResponseWriter, r *http.Request) {
			serving(200, "application/json", `{"token":"`+token+`","refreshToken":"","expiry":null}`)(w, r)
		}})
		f.mu.Unlock()
		return s
	}
	for _, subject := range []string{bob, alice, bob} {
		c, err := job(subject).Credential(t.Context(), registry, true)
		claims, _ := platform.ParseClaims(c.Secret)
		if err != nil || claims.Subject != subject {
			t.Errorf("a job of %s: got a token of %s, %v, want its own", subject, claims.Subject, err)
		}
	}
	if contents, err := f.session().Contents(); err != nil || len(contents.Tokens) > 0 || contents.Account.Subject != "" {
		t.Errorf("got %+v, %v stored, want nothing", contents, err)
	}
	person := f.signedIn()
	if _, err := job(bob).Login(t.Context()); err != nil {
		t.Errorf("login: got %v, want no error", err)
	}
	f.wantGet("the person beside them", person, 0, 0)
	f.wantSession("the person beside them", "R1", alice)

	if err := f.session().Store(t.Context(), registry, "org/id", "a-pull-token"); err != nil {
		t.Fatal(err)
	}
	s := f.session()
	s.IDToken = func(context.Context) (string, error) { t.Error("got an ID token asked for, want none"); return "", nil }
	if c, err := s.Credential(t.Context(), registry, true); err != nil || c.Secret != "a-pull-token" {
		t.Errorf("after docker login: got %q, %v, want what it stored", c.Secret, err)
	}
}
