package doctor

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/config"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

const identity = "0123456789012345678901234567890123456789"

// jwt is a token that ends at a time, or does not say when.
func jwt(end time.Time) string {
	payload := `{}`
	if !end.IsZero() {
		payload = fmt.Sprintf(`{"exp":%d}`, end.Unix())
	}
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2lnbmF0dXJl"
}

// up is a network in which everything answers.
var up = networkState{issuer: true, registry: true}

func TestSessionPair(t *testing.T) {
	for _, test := range []struct {
		name, token  string
		status       Status
		message, fix string
	}{
		{"good", jwt(now.Add(time.Hour)), OK, "which is valid until ", ""},
		{"without an end", jwt(time.Time{}), OK, "CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN (user " + identity + ")", ""},
		{"no JWT", "abc", OK, "CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN", ""},
		{"expired", jwt(now.Add(-time.Hour)), Failure, "which expired on ", "unset CHAINGUARD_IDENTITY_ID CHAINGUARD_TOKEN"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newChecker(t)
			p.Config.IdentityID, p.Config.Token = identity, test.token
			p.Transport = untouched(t)
			a := p.checkSession(t.Context(), up, OK)
			want(t, only(t, a.results, "session"), test.status, test.message, test.fix)
			if a.credential == nil || a.credential.Username != identity || a.from != fromEnvironment {
				t.Errorf("got %+v, want the pair", a)
			}
			if strings.Contains(fmt.Sprint(a.results), test.token) {
				t.Errorf("P13 got %+v, want no token in it", a.results)
			}
		})
	}
}

func TestSessionSignedOut(t *testing.T) {
	for _, test := range []struct {
		name         string
		env          map[string]string
		change       func(*Checker)
		status       Status
		message, fix string
	}{
		{"nobody", nil, nil, Warning, "not signed in", "docker-credential-cgr login"},
		{"in CI", map[string]string{"CI": "true"}, nil, Warning, "a CI job cannot sign in", "set CHAINGUARD_AUTH_IDENTITY"},
		{"CI is off", map[string]string{"CI": "false"}, nil, Warning, "not signed in", "docker-credential-cgr login"},
		{"an identity without an ID token", nil, func(p *Checker) { p.Config.Identity = identity }, Failure, "no ID token to assume the identity " + identity, "set auth.identity-token"},
		{"the same on GitHub", map[string]string{"GITHUB_ACTIONS": "true"}, func(p *Checker) { p.Config.Identity = identity }, Failure, "no ID token to assume", "permissions: id-token: write"},
		{"nothing is stored", nil, func(p *Checker) { p.Config.Keychain = config.KeychainNone }, Warning, "not signed in: nothing is stored", "docker-credential-cgr config unset keychain; docker-credential-cgr login"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newChecker(t)
			p.Getenv = getenv(test.env)
			if test.change != nil {
				test.change(p)
			}
			p.Session.Identity = p.Config.Identity
			p.Session.STS.Transport = untouched(t)
			a := p.checkSession(t.Context(), up, OK)
			want(t, only(t, a.results, "session"), test.status, test.message, test.fix)
			if a.credential != nil || a.unknown != "" {
				t.Errorf("got %+v, want that there is no credential", a)
			}
		})
	}
}

func TestSessionEnded(t *testing.T) {
	p := newChecker(t)
	got := p.notSignedIn(token.Contents{
		Account: token.Account{Subject: identity, Email: "ada@example.com"},
		Tokens:  []token.StoredToken{{Host: p.Config.Registry.Host, Username: token.Username, Expires: now}},
	})
	want(t, got, Failure, "the session of ada@example.com has ended", "docker-credential-cgr login")
}

// What keeps an identity from being assumed is not mended by a person's sign-in.
func TestSessionRefused(t *testing.T) {
	answer := fmt.Errorf("cannot assume the identity: %w", &platform.ResponseError{Host: "issuer", Status: 403, Message: "no; run: evil"})
	other := errors.New("no ID token: the variable X is not set")
	p := newChecker(t)
	want(t, p.explainSession(t.Context(), answer), Failure, "issuer answered 403", login)
	p.Config.Identity = identity
	want(t, p.explainSession(t.Context(), answer), Failure, "issuer answered 403", "compare what the identity accepts")
	want(t, p.explainSession(t.Context(), other), Failure, "the variable X is not set", "auth.identity-token-env")
	if got := p.explainSession(t.Context(), answer); strings.Contains(fixText(got), "evil") {
		t.Errorf("P14 got %+v, want no advice from the server", got)
	}
}

// What the identity accepts is shown where a session may read it.
func TestSessionRefusedAccepts(t *testing.T) {
	refusal := &platform.ResponseError{Host: "issuer", Status: 403, Message: "no"}
	for _, test := range []struct {
		name, identity, want string // want "": the error alone
	}{
		{"all claims", `{"claimMatch":{"issuer":"https://ci.example","subject":"s","audience":"a","claims":{"ref":"main"},"claimPatterns":{"job":"x.*"}}}`,
			`; the identity accepts iss "https://ci.example", sub "s", aud "a", ref "main", job that matches "x.*"`},
		{"patterns", `{"claimMatch":{"issuerPattern":"i","subjectPattern":"\u001b[31m","audiencePattern":"a|b"}}`,
			`; the identity accepts iss that matches "i", sub that matches "\x1b[31m", aud that matches "a|b"`},
		{"no audience", `{"claimMatch":{"issuer":"i","subject":"s"}}`, `; the identity accepts iss "i", sub "s", aud "ISSUER"`},
		{"static keys", `{"static":{"issuer":"i","subject":"s"}}`, `; the identity accepts iss "i", sub "s"`},
		{"a role of AWS", `{"awsIdentity":{"arn":"x"}}`, "; the identity accepts no ID token"},
		{"none that may be seen", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newChecker(t)
			p.Config.Identity = identity
			p.Config.API = serves(t, func(w http.ResponseWriter, r *http.Request) {
				items := `[]`
				if test.identity != "" {
					items = `[{"id":"` + identity + `",` + test.identity[1:] + `]`
				}
				refuse(http.StatusOK, `{"items":`+items+`}`)(w, r)
			})
			p.Session.API = p.Config.API.String()
			if err := p.Session.Store(t.Context(), p.Session.API, token.Username, jwt(now.Add(time.Hour))); err != nil {
				t.Fatal(err)
			}
			p.Session.Identity = identity
			says := refusal.Error() + strings.ReplaceAll(test.want, "ISSUER", p.Config.Issuer.Host)
			got := p.explainSession(t.Context(), refusal)
			want(t, got, Failure, says, "compare what the identity accepts")
			if got.Message != says {
				t.Errorf("got %s, want %s", got.Message, says)
			}
		})
	}
	t.Run("not signed in", func(t *testing.T) {
		p := newChecker(t)
		p.Config.Identity = identity
		p.Config.API = serves(t, func(http.ResponseWriter, *http.Request) { t.Error("the API was asked") })
		want(t, p.explainSession(t.Context(), refusal), Failure, refusal.Error(), "compare what the identity accepts")
	})
}

func TestSessionStored(t *testing.T) {
	p := newChecker(t)
	host := p.Config.Registry.Host
	if err := p.Session.Store(t.Context(), host, identity, jwt(now.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	p.Session.STS.Transport = untouched(t)
	// Without the issuer too: it needs none.
	a := p.checkSession(t.Context(), networkState{registry: true}, OK)
	want(t, only(t, a.results, "session"), OK, "get answers with the stored credential (user "+identity+"), with a token until ", "")
	if a.from != fromStore || a.credential == nil {
		t.Errorf("got %+v, want what is stored", a)
	}

	p.Now = func() time.Time { return now.Add(2 * time.Hour) }
	p.Session.Now = p.Now
	a = p.checkSession(t.Context(), up, OK)
	want(t, only(t, a.results, "session"), Failure, "the stored credential (user "+identity+") expired on ", "docker-credential-cgr login; or docker login "+host+" with a new pull token")
}

func TestSessionUnknown(t *testing.T) {
	t.Run("F15 without the issuer", func(t *testing.T) {
		p := newChecker(t)
		p.Session.STS.Transport = untouched(t)
		a := p.checkSession(t.Context(), networkState{registry: true}, OK)
		want(t, only(t, a.results, "session"), Skipped, "no credential is available without the issuer", "")
		if a.unknown == "" {
			t.Error("got that there is no credential, want that it is not known")
		}
	})
	t.Run("F1 without the store", func(t *testing.T) {
		p := newChecker(t)
		a := p.checkSession(t.Context(), up, Failure)
		want(t, only(t, a.results, "session"), Skipped, "there is no store", "")
		p.Session = nil
		a = p.checkSession(t.Context(), up, OK)
		want(t, only(t, a.results, "session"), Skipped, "there is no store", "")
	})
	t.Run("I42 without the store, found only now", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			t.Skip("access control lists decide there")
		}
		p := newChecker(t)
		dir := filepath.Join(p.Home, ".local", "state", name)
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, 0o777)); err != nil {
			t.Fatal(err)
		}
		a := p.checkSession(t.Context(), up, OK)
		want(t, a.results[0], Failure, "is open to other users", "chmod 700 "+dir)
		if a.unknown == "" {
			t.Error("got that there is no credential, want that it is not known")
		}
	})
}
