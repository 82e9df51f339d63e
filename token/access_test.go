package token

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"docker-credential-cgr/platform"
)

const job = "cccccccccccccccccccccccccccccccccccccccc/0123456789abcdef"

// assuming is a process that has ID tokens for the identity job.
func (f *fixture) assuming() *Session {
	s := f.session()
	s.Identity = job
	s.IDToken = func(context.Context) (string, error) { return "ID", nil }
	return s
}

// wantsExchange has the issuer want one more exchange of the ID token, for job.
func (f *fixture) wantsExchange(audience, access string) {
	f.steps = append(f.steps, step{"ID", audience, func(w http.ResponseWriter, r *http.Request) {
		if got := r.PostFormValue("identity"); r.URL.Path != "/sts/exchange" || got != job {
			f.t.Errorf("the issuer was asked: got %s for the identity %q, want /sts/exchange for %q", r.URL.Path, got, job)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"token": access, "refreshToken": "never kept"})
	}})
}

func (f *fixture) wantCredential(what string, s *Session, secret string, asked int) {
	f.t.Helper()
	f.counts()
	c, err := s.Credential(f.t.Context(), registry, true)
	if err != nil || c.Secret != secret {
		f.t.Errorf("%s: got %.80q, %v, want %.80q", what, c.Secret, err, secret)
	}
	if got, _, _ := f.counts(); got != asked {
		f.t.Errorf("%s: got %d requests, want %d", what, got, asked)
	}
}

// An identity's token is had for an ID token whenever one is needed.
func TestAssume(t *testing.T) {
	f := newFixture(t)
	a1, a2 := f.access(job, "A1"), ""
	f.wantsExchange(registry, a1)
	f.wantCredential("the first", f.assuming(), a1, 1)
	f.wantCredential("the second", f.assuming(), a1, 0)

	f.clock.add(55 * time.Minute)
	a2 = f.access(job, "A2")
	f.wantsExchange(registry, a2)
	f.wantCredential("early", f.assuming(), a2, 1)

	f.clock.add(2 * time.Hour)
	a3 := f.access(job, "A3")
	f.wantsExchange(registry, a3)
	f.wantCredential("past its hour", f.assuming(), a3, 1)
	if names, err := f.assuming().Usernames(); err != nil || names[registry] != Username {
		t.Errorf("I15 list: got %v, %v, want %s", names, err, registry)
	}
	if r, err := f.assuming().ReadSession(); err != nil || r.Refresh != "" {
		t.Errorf("got the refresh token %q stored, %v, want none", r.Refresh, err)
	}

	t.Run("C2 burst", func(t *testing.T) {
		f.clock.add(2 * time.Hour)
		a4 := f.access(job, "A4")
		f.wantsExchange(registry, a4)
		f.counts()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if c, err := f.assuming().Credential(t.Context(), registry, true); err != nil || c.Secret != a4 {
					t.Errorf("got %.80q, %v, want %.80q", c.Secret, err, a4)
				}
			})
		}
		all.Wait()
		if asked, _, _ := f.counts(); asked != 1 {
			t.Errorf("got %d exchanges, want 1", asked)
		}
	})
	t.Run("I51 of somebody else", func(t *testing.T) {
		f.clock.add(2 * time.Hour)
		f.wantsExchange(registry, f.access(alice, "hers"))
		if c, err := f.assuming().Credential(t.Context(), registry, true); err == nil {
			t.Errorf("got %.80q, want an error", c.Secret)
		}
	})
	t.Run("no ID token", func(t *testing.T) {
		s := f.assuming()
		s.IDToken = func(context.Context) (string, error) { return "", errors.New("the file is empty") }
		if _, err := s.Credential(t.Context(), registry, true); err == nil || !strings.Contains(err.Error(), "cannot get an ID token to assume the identity "+job+": the file is empty") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		f.steps = append(f.steps, step{"ID", registry, fails(403, platform.CodePermissionDenied, "verifying token: token is expired")})
		if _, err := f.assuming().Credential(t.Context(), registry, true); err == nil || !strings.Contains(err.Error(), "cannot assume the identity "+job) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("login", func(t *testing.T) {
		a5 := f.access(job, "A5")
		f.wantsExchange(registry, a5)
		if account, err := f.assuming().Login(t.Context()); err != nil || account.Subject != job {
			t.Errorf("got %v, %v, want %s", account, err, job)
		}
		f.wantCredential("after login", f.assuming(), a5, 0)
	})
}

// Signing out finds the sessions of identities that are not configured any more.
func TestEraseEverything(t *testing.T) {
	f := newFixture(t)
	f.signedIn()
	a1 := f.access(job, "A1")
	f.wantsExchange(registry, a1)
	f.wantCredential("assumed", f.assuming(), a1, 1)

	if err := f.session().Erase(t.Context(), registry); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Session{f.session(), f.assuming()} {
		s.IDToken = nil
		if contents, err := s.Contents(); err != nil || len(contents.Tokens) > 0 || contents.Account.Renewable {
			t.Errorf("identity %q: got %+v, %v, want nothing kept", s.Identity, contents, err)
		}
	}
}

// Only the token goes: the session stays, and what the user stored.
func TestEraseToken(t *testing.T) {
	f := newFixture(t)
	f.signedIn()
	if err := f.session().EraseToken(t.Context(), registry); err != nil {
		t.Fatal(err)
	}
	a2 := f.access(alice, "A2")
	f.wants("R1", gives(a2, "R2"))
	f.wantGet("after it", a2, 1, 0)
	if err := f.session().Store(t.Context(), registry, "org/id", "stored"); err != nil {
		t.Fatal(err)
	}
	if err := f.session().EraseToken(t.Context(), registry); err != nil {
		t.Fatal(err)
	}
	if c, err := f.get(); err != nil || c.Secret != "stored" {
		t.Errorf("got %q, %v, want the stored pair", c.Secret, err)
	}
}

// What the user stored goes if it is the one that was meant; the session stays.
func TestEraseUserStored(t *testing.T) {
	f := newFixture(t)
	f.signedIn()
	forget := func(what, host, username string, want bool) {
		t.Helper()
		if got, err := f.session().EraseUserStored(t.Context(), host, username); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", what, got, err, want)
		}
	}
	forget("the session's own token", registry, Username, false)
	for _, host := range []string{registry, "apk." + registry} {
		if err := f.session().Store(t.Context(), host, "org/id", "stored"); err != nil {
			t.Fatal(err)
		}
	}
	forget("somebody else's", registry, "org/other", false)
	forget("below the registry", "apk."+registry, "org/id", true)
	if c, err := f.get(); err != nil || c.Secret != "stored" {
		t.Errorf("the registry's: got %q, %v, want the stored pair still", c.Secret, err)
	}
	forget("the registry's", registry, "org/id", true)
	forget("a second time", registry, "org/id", false)
	f.wantSession("after it", "R1", alice)
	a2 := f.access(alice, "A2")
	f.wants("R1", gives(a2, ""))
	f.wantGet("after it", a2, 1, 0)
}

func TestAccessToken(t *testing.T) {
	f := newFixture(t)
	a1 := f.signedIn()
	ask := platform.TokenRequest{Audiences: []string{registry}}
	if token, err := f.session().AccessToken(t.Context(), ask); err != nil || token.AccessToken != a1 {
		t.Errorf("got %v, %v, want the kept one", token, err)
	}

	// A narrowed one costs a refresh, whose refresh token is kept; it is not.
	narrow := f.access(alice, "narrow")
	f.wants("R1", func(w http.ResponseWriter, r *http.Request) {
		if got := r.Form["cap"]; !slices.Equal(got, []string{"repo.list"}) {
			t.Errorf("got the capabilities %q, want repo.list", got)
		}
		gives(narrow, "R2")(w, r)
	})
	ask.Capabilities = []string{"repo.list"}
	if token, err := f.session().AccessToken(t.Context(), ask); err != nil || token.AccessToken != narrow {
		t.Errorf("narrowed: got %v, %v", token, err)
	}
	f.wantSession("narrowed", "R2", alice)
	f.wantGet("after it", a1, 0, 0)

	// A stored pair has the place of the kept token, and is none itself.
	if err := f.session().Store(t.Context(), registry, "org/id", "stored"); err != nil {
		t.Fatal(err)
	}
	a2 := f.access(alice, "A2")
	f.wants("R2", gives(a2, "R3"))
	ask.Capabilities = nil
	if token, err := f.session().AccessToken(t.Context(), ask); err != nil || token.AccessToken != a2 {
		t.Errorf("beside a stored pair: got %v, %v", token, err)
	}

	// Without a session.
	if err := f.session().Erase(t.Context(), registry); err != nil {
		t.Fatal(err)
	}
	var nobody *NotSignedInError
	if _, err := f.session().AccessToken(t.Context(), ask); !errors.As(err, &nobody) {
		t.Errorf("nobody signed in: got %v, want a *NotSignedInError", err)
	}
}

// An older issuer refuses an audience that the sign-in was not for: another one is
// for all that was used, too.
func TestOlderIssuer(t *testing.T) {
	f := newFixture(t)
	f.signedIn()
	const apk = "apk.cgr.dev"
	refusal := step{"R1", apk, fails(403, platform.CodePermissionDenied, "not for this audience")}
	f.steps = append(f.steps, refusal)
	if _, err := f.session().Credential(t.Context(), apk, true); err == nil {
		t.Error("nobody there: got a credential, want an error")
	}
	f.wantSession("nobody there", "R1", alice)

	f.signsIn(alice, "R5")
	f.steps = append(f.steps, refusal)
	f.steps = append(f.steps, step{"R5", apk, gives(jwt(t, map[string]any{
		"iss": f.url, "sub": alice, "aud": apk, "exp": f.clock.Now().Add(time.Hour).Unix(),
	}), "R6")})
	if _, err := f.session().Credential(t.Context(), apk, true); err != nil {
		t.Errorf("a person there: got %v", err)
	}
	if want := []string{registry, api, apk}; !slices.Equal(f.wanted, want) {
		t.Errorf("the sign-in was for %q, want %q", f.wanted, want)
	}
}

// P18 A sign-in that was to assume an identity brings that one's token or nothing.
func TestSignInAsIdentity(t *testing.T) {
	f := newFixture(t)
	f.signsIn(alice, "R0")
	s := f.session()
	s.Identity = job
	f.wants("R0", gives(f.access(alice, "A1"), "R1"))
	if c, err := s.Credential(t.Context(), registry, true); err == nil {
		t.Errorf("got %.80q, want an error", c.Secret)
	}
	if contents, err := s.Contents(); err != nil || contents.Account.Renewable {
		t.Errorf("got %+v, %v, want nothing kept", contents, err)
	}
}

// C7 A sign-out while an identity's token is on its way: the token is given, and
// nothing is kept of it.
func TestSignOutWhileAssuming(t *testing.T) {
	f := newFixture(t)
	a1 := f.access(job, "A1")
	f.wantsExchange(registry, a1)
	s := f.assuming()
	s.IDToken = func(context.Context) (string, error) {
		// Somebody for whom no identity is configured, who cannot know of it.
		if err := f.session().SignOut(t.Context()); err != nil {
			t.Error(err)
		}
		return "ID", nil
	}
	f.wantCredential("while signing out", s, a1, 1)
	after := f.assuming()
	after.IDToken = nil
	if contents, err := after.Contents(); err != nil || len(contents.Tokens) > 0 {
		t.Errorf("got %+v, %v, want nothing kept", contents, err)
	}
	if !after.SignedOutSince(f.clock.Now()) || after.SignedOutSince(f.clock.Now().Add(time.Second)) {
		t.Error("the time of the sign-out is not told")
	}
}

// Identities that are assumed at once are all found by a sign-out.
func TestManyIdentities(t *testing.T) {
	f := newFixture(t)
	var all sync.WaitGroup
	for i := range 12 {
		s := f.session()
		s.Identity = strings.Repeat("c", 38) + string(rune('a'+i)) + "0/0123456789abcdef"
		all.Go(func() {
			if err := s.AddIdentity(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if known, err := f.session().ReadHosts(); err != nil || len(known.Identities) != 12 {
		t.Errorf("got %d identities, %v, want 12", len(known.Identities), err)
	}
}
