package token

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
)

// TestLifecycle takes one session through its life, step by step (T2).
func TestLifecycle(t *testing.T) {
	f := newFixture(t)

	// Empty, and nobody there.
	_, err := f.get()
	var nobody *NotSignedInError
	if !errors.As(err, &nobody) || !slices.Contains(hint.Of(err), hint.Do(hint.SignIn)) {
		t.Fatalf("T2 empty: got %v, want a *NotSignedInError that says what to do", err)
	}
	if asked, _, said := f.counts(); asked != 0 || len(said) != 0 {
		t.Errorf("T2 empty: got %d requests, said %q, want none", asked, said)
	}

	// A person signs in. The refresh token that came in the callback's address is
	// spent at once; what is handed out is for the registry alone.
	a1 := f.access(alice, "A1")
	f.signsIn(alice, "R0")
	f.wants("R0", gives(a1, "R1"))
	f.wantGet("T2 sign-in", a1, 1, 1)
	if !slices.Equal(f.wanted, []string{registry, api}) {
		t.Errorf("T2 sign-in: got audiences %q, want the registry's and the API's", f.wanted)
	}
	f.wantSession("T2 sign-in", "R1", alice)

	// Valid: no request, no window, and (P4) no lock.
	lock, err := f.store.TryLock(f.session().LockName())
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{0, 30 * time.Minute, 19*time.Minute + 59*time.Second} {
		f.clock.add(after)
		f.wantGet("T2 valid", a1, 0, 0)
	}

	// Due for renewal, but another process is at it: the kept one serves.
	f.clock.add(time.Minute)
	f.wantGet("T2 renewed by another", a1, 0, 0)
	lock.Unlock()

	// The issuer cannot say: the kept one serves, and nobody tries for 30 s.
	f.wants("R1", fails(503, platform.CodeUnavailable, "try later"))
	f.wantGet("T2 early renewal fails", a1, 1, 0)
	f.clock.add(29 * time.Second)
	f.wantGet("T2 early renewal put off", a1, 0, 0)
	f.clock.add(2 * time.Second)

	// Then it is renewed early; the answer has no new refresh token (I52).
	a2 := f.access(alice, "A2")
	f.wants("R1", gives(a2, ""))
	f.wantGet("T2 early renewal", a2, 1, 0)
	f.wantSession("I52 the old refresh token stays", "R1", alice)
	f.wantGet("T2 renewed", a2, 0, 0)

	// Used until a minute before its end, refreshed after that.
	f.clock.add(59*time.Minute - time.Second)
	f.wants("R1", fails(503, platform.CodeUnavailable, "try later"))
	f.wantGet("T2 a minute and a second before the end", a2, 1, 0)
	f.clock.add(time.Second)
	a3 := f.access(alice, "A3")
	f.wants("R1", gives(a3, "R2"))
	f.wantGet("T2 expired", a3, 1, 0)
	f.wantSession("T2 rotated", "R2", alice)
	f.clock.add(2 * time.Hour)
	a4 := f.access(alice, "A4")
	f.wants("R2", gives(a4, "R3"))
	f.wantGet("T2 the rotated one is used", a4, 1, 0)

	// Revoked while the access token lives: it serves to its end, without retries.
	f.clock.add(55 * time.Minute)
	f.wants("R3", fails(401, platform.CodeUnauthenticated, "token revoked"))
	f.wantGet("I53 revoked early", a4, 1, 0)
	f.wantGet("I53 revoked early, asked once", a4, 0, 0)
	f.wantSession("I53 revoked", "", alice)
	f.clock.add(4*time.Minute + time.Second)

	// Then one sign-in; somebody else's needs a yes.
	f.signsIn(bob, "R8")
	f.wants("R8", gives(f.access(bob, "B0"), "R9")) // spent, so that nobody finds it
	_, err = f.get()
	if err == nil || !strings.Contains(err.Error(), "the sign-in was by b@example.com, but a@example.com is signed in on this machine") {
		t.Errorf("T2 other account: got %v, want it refused, with both names", err)
	}
	f.wantSession("T2 other account refused", "", alice)
	f.counts()
	if _, err := f.get(); err == nil || !strings.Contains(err.Error(), "was by another account") {
		t.Errorf("P6 after another account: got %v, want no window for a while", err)
	}
	f.clock.add(time.Minute)
	f.signsIn(bob, "R10")
	f.confirm = func(last, now Account) bool { return last.Subject == alice && now.Subject == bob }
	b1 := f.access(bob, "B1")
	f.wants("R10", gives(b1, ""))
	f.wantGet("T2 other account confirmed", b1, 1, 1)
	f.wantSession("I52 the callback's refresh token stays where none came", "R10", bob)

	// Revoked when the access token is over: said, and signed in once.
	f.clock.add(2 * time.Hour)
	b2 := f.access(bob, "B2")
	f.signsIn(bob, "R20")
	f.wants("R10", fails(400, platform.CodeInvalidArgument, "invalid refresh token"))
	f.wants("R20", gives(b2, "R21"))
	c, err := f.get()
	asked, windows, said := f.counts()
	if err != nil || c.Secret != b2 || asked != 2 || windows != 1 || !contains(said, "the session of b@example.com has ended") {
		t.Errorf("T2 revoked: got %q, %v, %d requests, %d windows, said %q, want the new token after one sign-in, and a word", c.Secret, err, asked, windows, said)
	}

	// Logged out: nothing is left.
	if err := f.session().Erase(t.Context(), registry); err != nil {
		t.Fatal(err)
	}
	f.person = nil
	if _, err := f.get(); !errors.As(err, &nobody) {
		t.Errorf("T2 logged out: got %v, want a *NotSignedInError", err)
	}
	f.wantSession("T2 logged out", "", "")
}

// A session without a refresh token lasts as long as its access token. Docker is
// given a token for the registry alone, and the API's is stored beside it.
func TestNoRefreshToken(t *testing.T) {
	f := newFixture(t)
	first := f.access(alice, "for the registry alone")
	f.signsInForAnHour(alice, first)
	f.counts()
	if c, err := f.get(); err != nil || c.Secret != first || !c.Renew.IsZero() {
		t.Fatalf("sign-in: got %+v, %v, want the token for the registry alone, not to be renewed", c, err)
	}
	if _, _, said := f.counts(); !contains(said, "signed in as a@example.com until ") || !contains(said, "cannot be renewed") {
		t.Errorf("sign-in: said %q, want who signed in, until when, and that it cannot be renewed", said)
	}
	f.wantGet("stored", first, 0, 0)
	contents, err := f.session().Contents()
	if end := f.clock.Now().Add(time.Hour); err != nil || contents.Account.Renewable || !contents.Account.Until.Equal(end) || !contents.Account.Valid(f.clock.Now()) {
		t.Errorf("got %+v, %v, want a valid session until %v that cannot be renewed", contents.Account, err, end)
	}
	if c, err := f.session().Credential(t.Context(), api, true); err != nil || c.Secret != f.access(alice, "for all") {
		t.Errorf("the API: got %+v, %v, want the stored token", c, err)
	}
	if names, err := f.session().Usernames(); err != nil || len(names) != 1 || names[registry] != Username {
		t.Errorf("I15 got %v, %v, want the registry alone", names, err)
	}
	f.clock.add(55 * time.Minute)
	f.wantGet("nothing to renew it with", first, 0, 0)
	f.wantGet("and not tried again", first, 0, 0)
	f.clock.add(4 * time.Minute)
	second := f.access(alice, "of the second hour")
	f.signsInForAnHour(alice, second)
	f.wantGet("one window an hour", second, 0, 1)
}

// A sign-in for one audience leaves a good token of the same account for another,
// and a refresh token that it did not replace. Those of another account go.
func TestSignInKeepsWhatIsGood(t *testing.T) {
	f := newFixture(t)
	f.signsInForAnHour(alice, f.access(alice, "first"))
	f.get()
	apiToken := f.access(alice, "for all")
	f.person = func(context.Context) (*Grant, error) {
		return &Grant{Subject: alice, Email: "a@example.com", AccessTokens: []AccessToken{
			{Secret: f.access(alice, "second"), Audiences: []string{registry}, Expires: f.clock.Now().Add(time.Hour)},
		}}, nil
	}
	if _, err := f.session().Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.person = nil
	if c, err := f.session().Credential(t.Context(), api, true); err != nil || c.Secret != apiToken {
		t.Errorf("the API's token after a sign-in without one: got %+v, %v, want it kept", c, err)
	}
	f.confirm = func(_, _ Account) bool { return true }
	f.person = func(context.Context) (*Grant, error) {
		return &Grant{Subject: bob, AccessTokens: []AccessToken{
			{Secret: f.access(bob, "third"), Audiences: []string{registry}, Expires: f.clock.Now().Add(time.Hour)},
		}}, nil
	}
	if _, err := f.session().Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.person = nil
	var nobody *NotSignedInError
	if c, err := f.session().Credential(t.Context(), api, true); !errors.As(err, &nobody) {
		t.Errorf("the previous account's token for the API: got %+v, %v, want it gone", c, err)
	}

	f = newFixture(t)
	f.signedIn()
	f.signsInForAnHour(alice, f.access(alice, "without a refresh token"))
	if account, err := f.session().Login(t.Context()); err != nil || !account.Renewable {
		t.Errorf("a sign-in that brought no refresh token: got %+v, %v, want the session to renew itself as before", account, err)
	}
	f.wantSession("the refresh token of before", "R1", alice)
}

// The user is warned once per session when less than an hour of it is left, and not
// where sessions are short anyway.
func TestWarnsBeforeTheEnd(t *testing.T) {
	for _, test := range []struct {
		name  string
		life  time.Duration
		warns bool
	}{{"20 hours", 20 * time.Hour, true}, {"an hour", time.Hour, false}} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			refresh := f.refreshToken("R1", test.life)
			f.signsIn(alice, "R0")
			f.wants("R0", gives(f.access(alice, "A1"), refresh))
			get := func() (said []string) {
				f.counts()
				s := f.session()
				s.WarnBeforeEnd = true
				if _, err := s.Credential(t.Context(), registry, true); err != nil {
					t.Fatal(err)
				}
				_, _, said = f.counts()
				return said
			}
			get()
			if test.life > time.Hour {
				f.clock.add(test.life - 61*time.Minute)
				f.wants(refresh, gives(f.access(alice, "A2"), ""))
				if said := get(); len(said) != 0 {
					t.Errorf("an hour and a minute before the end: said %q, want nothing", said)
				}
			}
			f.clock.add(2 * time.Minute)
			if said := get(); contains(said, "the session ends at ") != test.warns {
				t.Errorf("less than an hour before the end: said %q, want a warning: %v", said, test.warns)
			}
			if said := get(); len(said) != 0 {
				t.Errorf("again: said %q, want nothing", said)
			}
			f.person = nil
		})
	}
}

// Hosts below the registry's have an audience and a record each.
func TestHosts(t *testing.T) {
	f := newFixture(t)
	stored := f.signedIn()
	apk := jwt(t, map[string]any{"iss": f.url, "sub": alice, "aud": "apk.cgr.dev", "exp": f.clock.Now().Add(time.Hour).Unix()})
	f.steps = append(f.steps, step{"R1", "apk.cgr.dev", gives(apk, "")}, step{"R1", registry, gives(stored, "")})
	if c, err := f.session().Credential(t.Context(), "apk.cgr.dev", true); err != nil || c.Secret != apk {
		t.Errorf("apk.cgr.dev: got %q, %v, want a token for its own audience", c.Secret, err)
	}
	if c, err := f.session().Credential(t.Context(), "skills.cgr.dev", true); err != nil || c.Secret != stored {
		t.Errorf("skills.cgr.dev: got %q, %v, want a token for the registry's audience", c.Secret, err)
	}
	names, err := f.session().Usernames()
	if err != nil || len(names) != 3 || names["apk.cgr.dev"] != Username || names["skills.cgr.dev"] != Username {
		t.Errorf("I15 got %v, %v, want three hosts", names, err)
	}
	if err := f.session().Erase(t.Context(), registry); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{registry, "apk.cgr.dev", "skills.cgr.dev"} {
		if r, err := f.session().ReadCredential(host); err != nil || r.Secret != "" {
			t.Errorf("C7 %s after logout: got %q, %v, want nothing", host, r.Secret, err)
		}
	}
}

func TestTokenSource(t *testing.T) {
	f := newFixture(t)
	want := f.signedIn()
	token, err := f.session().TokenSource(t.Context(), registry).Token()
	if err != nil || token.AccessToken != want || !token.Expiry.Equal(f.clock.Now().Add(time.Hour)) {
		t.Errorf("got %v, %v, want the kept token and its end", token, err)
	}
}

// What a user stored answers until it expires, and before the session.
func TestStoredFirst(t *testing.T) {
	f := newFixture(t)
	f.signedIn()
	pull := jwt(t, map[string]any{"iss": "https://pulltoken.issuer.chainguard.dev", "sub": "pull-token-1", "exp": f.clock.Now().Add(time.Hour).Unix()})
	if err := f.session().Store(t.Context(), registry, "org/id", pull); err != nil {
		t.Fatal(err)
	}
	if c, err := f.get(); err != nil || c.Username != "org/id" || c.Secret != pull || !c.UserStored {
		t.Errorf("stored: got %+v, %v, want the stored pair", c, err)
	}
	f.clock.add(time.Hour)
	a2 := f.access(alice, "A2")
	f.wants("R1", gives(a2, ""))
	f.wantGet("stored and expired", a2, 1, 0)
}

// What is configured as an identity has records of its own, but a stored pair
// answers for every identity.
func TestIdentities(t *testing.T) {
	f := newFixture(t)
	f.signedIn()
	s := f.session()
	s.Identity = "org/identity"
	if _, err := s.Credential(t.Context(), registry, true); err == nil {
		t.Error("I38 another identity: got the person's credential, want none")
	}
	if err := f.session().Store(t.Context(), registry, "org/id", "stored-secret"); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Credential(t.Context(), registry, true); err != nil || c.Secret != "stored-secret" {
		t.Errorf("another identity: got %q, %v, want the stored pair", c.Secret, err)
	}
}

// What lies under our names and is not ours is named once and not used.
func TestForeignRecords(t *testing.T) {
	record := `{"v":1,"issuer":"ISSUER","host":"cgr.dev","username":"_token","secret":"foreign-secret","stored_at":1791190800,"expires":1791194400}`
	session := `{"v":1,"issuer":"ISSUER","generation":7,"refresh":"foreign-refresh","subject":"` + alice + `"}`
	replace := strings.NewReplacer
	tests := []struct{ name, record, session string }{
		{"I38 text", "some text", "some text"},
		{"I38 empty", "", ""},
		{"I38 cut JSON", record[:60], session[:60]},
		{"I38 binary", "\x00\xff\xfe", "\x00\xff\xfe"},
		{"I38 wrong types", replace(`"foreign-secret"`, `7`).Replace(record), replace(`"foreign-refresh"`, `[]`).Replace(session)},
		{"I38 version missing", replace(`"v":1,`, ``).Replace(record), replace(`"v":1,`, ``).Replace(session)},
		{"I38 older version", replace(`"v":1`, `"v":0`).Replace(record), replace(`"v":1`, `"v":0`).Replace(session)},
		{"I38 newer version", replace(`"v":1`, `"v":2`).Replace(record), replace(`"v":1`, `"v":2`).Replace(session)},
		{"I38 another issuer", replace("ISSUER", "https://other.example").Replace(record), replace("ISSUER", "https://other.example").Replace(session)},
		{"I38 another host", replace(`"cgr.dev"`, `"apk.cgr.dev"`).Replace(record), "absent"},
		{"I38 another identity", replace(`"username"`, `"identity":"org/id","username"`).Replace(record), replace(`"subject"`, `"identity":"org/id","subject"`).Replace(session)},
		{"I49 line end in it", replace("foreign-secret", `foreign\nsecret`).Replace(record), replace("foreign-refresh", `foreign\r\nrefresh`).Replace(session)},
		{"I43 no end", replace(`,"expires":1791194400`, ``).Replace(record), "absent"},
		{"I43 end in the year 9999", replace(`1791194400`, `253402300799`).Replace(record), "absent"},
		{"I43 negative end", replace(`1791194400`, `-1`).Replace(record), "absent"},
		{"I43 end as a string", replace(`1791194400`, `"1791194400"`).Replace(record), "absent"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			put := func(name, text string) {
				if text == "absent" {
					return
				}
				if err := f.store.Set(name, replace("ISSUER", f.url).Replace(text), time.Time{}); err != nil {
					t.Fatal(err)
				}
			}
			put("credential "+registry+" "+f.url, test.record)
			put("session "+f.url, test.session)
			if c, err := f.get(); err == nil {
				t.Fatalf("got %+v, want none", c)
			}
			_, _, said := f.counts()
			for _, name := range []string{"credential " + registry + " " + f.url, "session " + f.url} {
				want := 1
				if test.session == "absent" && name == "session "+f.url {
					want = 0
				}
				named := 0
				for _, line := range said {
					if strings.Contains(line, name) {
						named++
					}
				}
				if named != want {
					t.Errorf("got %q named %d times in %d lines, want %d", name, named, len(said), want)
				}
			}
			if contains(said, "foreign-") {
				t.Errorf("P13 got %q, want nothing of the entry's contents", said)
			}
			// Not removed by a look, and replaced when somebody signs in.
			if text, err := f.store.Get("credential " + registry + " " + f.url); err != nil || text == "" && test.record != "" {
				t.Errorf("after a look: got %q, %v, want the entry still there", text, err)
			}
			want := f.signedIn()
			f.wantGet("after a sign-in", want, 0, 0)
		})
	}
	t.Run("the record that these cases spoil is good", func(t *testing.T) {
		f := newFixture(t)
		if err := f.store.Set("credential "+registry+" "+f.url, replace("ISSUER", f.url).Replace(record), time.Time{}); err != nil {
			t.Fatal(err)
		}
		f.wantGet("good record", "foreign-secret", 0, 0)
	})
}

// A store that is locked or broken is an error, not a reason to sign in.
func TestBrokenStore(t *testing.T) {
	unixOnly(t)
	f := newFixture(t)
	f.signedIn()
	f.signsIn(alice, "R0")
	f.openToOthers()
	f.counts()
	_, err := f.get()
	var nobody *NotSignedInError
	if !errors.Is(err, keychain.ErrNotPrivate) || errors.As(err, &nobody) {
		t.Errorf("P9 got %v, want the store's own error", err)
	}
	if asked, windows, _ := f.counts(); asked != 0 || windows != 0 {
		t.Errorf("P9 got %d requests and %d windows, want none", asked, windows)
	}
}
