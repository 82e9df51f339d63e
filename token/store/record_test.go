package store

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	recordIssuer = "https://issuer.example"
	registry     = "cgr.dev"
	alice        = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
)

// Records and their names are what the first release writes: an update must not sign anyone
// out. A change here needs another version, and a reader of version 1.
func TestRecordsOfFirstRelease(t *testing.T) {
	const issuer, identity = "https://issuer.enforce.dev", alice + "/0123456789abcdef"
	for got, want := range map[string]string{
		credentialName(issuer, registry, ""):       "credential cgr.dev https://issuer.enforce.dev",
		credentialName(issuer, registry, identity): "credential cgr.dev https://issuer.enforce.dev " + identity,
		sessionName(issuer, ""):                    "session https://issuer.enforce.dev",
		hostsName(issuer):                          "hosts https://issuer.enforce.dev",
	} {
		if got != want {
			t.Errorf("got the name %q, want %q", got, want)
		}
	}
	decodes(t, `{"v":1,"issuer":"https://issuer.enforce.dev","host":"cgr.dev","identity":"`+identity+`","username":"_token",`+
		`"secret":"s","stored":true,"stored_at":1,"renew":2,"expires":3,"session_ends":4}`,
		Credential{1, issuer, registry, identity, "_token", "s", true, 1, 2, 3, 4})
	decodes(t, `{"v":1,"issuer":"https://issuer.enforce.dev","identity":"`+identity+`","generation":5,"signed_in":6,"refresh":"r",`+
		`"refresh_expires":7,"subject":"`+alice+`","email":"a@example.com","hosts":["cgr.dev"]}`,
		Session{1, issuer, identity, 5, 6, "r", 7, alice, "a@example.com", []string{registry}})
	decodes(t, `{"v":1,"issuer":"https://issuer.enforce.dev","hosts":["apk.cgr.dev"],"identities":["`+identity+`"]}`,
		Hosts{1, issuer, []string{"apk.cgr.dev"}, []string{identity}})
}

func decodes[R any](t *testing.T, text string, want R) {
	t.Helper()
	var got R
	if err := decodeRecord(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s\ngot  %+v, %v\nwant %+v", text, got, err, want)
	}
}

// goodCredential and goodSession are whole records.
func goodCredential() Credential {
	return Credential{
		Version: version, Issuer: recordIssuer, Host: registry, Username: "_token", Secret: "some-secret",
		StoredAt: 1_000_000, Renew: 1_003_000, Expires: 1_003_600,
	}
}

func goodSession() Session {
	return Session{
		Version: version, Issuer: recordIssuer, Generation: 7, Refresh: "some-refresh", RefreshExpires: 2_000_000,
		Subject: alice, Email: "a@example.com", Hosts: []string{registry},
	}
}

func TestCredentialRecordTimes(t *testing.T) {
	stored := Credential{Secret: "s", UserStored: true, StoredAt: 1_000_000, Expires: 1_003_600}
	endless := Credential{Secret: "s", UserStored: true, StoredAt: 1_000_000}
	tests := []struct {
		name          string
		record        Credential
		now           int64
		usable, fresh bool
	}{
		{"just kept", goodCredential(), 1_000_000, true, true},
		{"before its renewal", goodCredential(), 1_002_999, true, true},
		{"due for renewal", goodCredential(), 1_003_000, true, false},
		{"a minute and a second before its end", goodCredential(), 1_003_539, true, false},
		{"a minute before its end", goodCredential(), 1_003_540, false, false},
		{"over", goodCredential(), 1_003_600, false, false},
		{"F21 kept by a clock 5 min ahead", goodCredential(), 1_000_000 - 299, true, true},
		{"F21 kept by a clock a day ahead", goodCredential(), 1_000_000 - 86_400, false, false},
		{"none", Credential{}, 1_000_000, false, false},
		{"stored", stored, 1_003_599, true, true},
		{"I43 stored, and over", stored, 1_003_600, false, false},
		{"stored without an end", endless, 9_000_000, true, true},
		{"F21 stored, by a clock that was ahead", endless, 1, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now := time.Unix(test.now, 0)
			if got := test.record.IsValid(now); got != test.usable {
				t.Errorf("usable: got %v, want %v", got, test.usable)
			}
			if got := test.record.IsValid(now) && !test.record.NeedsRefresh(now); got != test.fresh {
				t.Errorf("fresh: got %v, want %v", got, test.fresh)
			}
		})
	}
}

func TestCredentialRecordValid(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Credential)
		valid  bool
	}{
		{"whole", func(*Credential) {}, true},
		{"stored without an end", func(r *Credential) { r.UserStored, r.Expires = true, 0 }, true},
		{"a day of life", func(r *Credential) { r.Expires = r.StoredAt + 86_400 }, true},
		{"I38 another issuer", func(r *Credential) { r.Issuer += "/" }, false},
		{"I38 another host", func(r *Credential) { r.Host = "apk.cgr.dev" }, false},
		{"I38 another identity", func(r *Credential) { r.Identity = "org/id" }, false},
		{"I38 no user name", func(r *Credential) { r.Username = "" }, false},
		{"I38 no secret", func(r *Credential) { r.Secret = "" }, false},
		{"I49 line end in the secret", func(r *Credential) { r.Secret += "\n" }, false},
		{"I49 DEL in the user name", func(r *Credential) { r.Username += "\x7f" }, false},
		{"I43 no end", func(r *Credential) { r.Expires = 0 }, false},
		{"I43 negative end", func(r *Credential) { r.Expires = -1 }, false},
		{"I43 over a day of life", func(r *Credential) { r.Expires = r.StoredAt + 86_401 }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := goodCredential()
			test.change(&r)
			if err := r.Check(recordIssuer, registry, ""); (err == nil) != test.valid {
				t.Errorf("got %v, want valid %v", err, test.valid)
			}
		})
	}
}

func TestSessionRecord(t *testing.T) {
	r := goodSession()
	if err := r.Check(recordIssuer, ""); err != nil {
		t.Errorf("a whole one: got %v, want no error", err)
	}
	for name, change := range map[string]func(*Session){
		"I38 another issuer":          func(r *Session) { r.Issuer = "https://other.example" },
		"I38 another identity":        func(r *Session) { r.Identity = "org/id" },
		"I49 CR in the refresh token": func(r *Session) { r.Refresh += "\r" },
	} {
		r := goodSession()
		change(&r)
		if err := r.Check(recordIssuer, ""); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
	for _, test := range []struct {
		now  int64
		want bool
	}{{1_999_999, true}, {2_000_299, true}, {2_000_300, false}} {
		if got := r.CanRefresh(time.Unix(test.now, 0)); got != test.want {
			t.Errorf("F21 alive at %d: got %v, want %v", test.now, got, test.want)
		}
	}
	if r.Refresh = ""; r.CanRefresh(time.Unix(0, 0)) {
		t.Error("alive without a refresh token: got true, want false")
	}
	r.AddHost(registry)
	r.AddHost("apk.cgr.dev")
	if want := []string{registry, "apk.cgr.dev"}; !reflect.DeepEqual(r.Hosts, want) {
		t.Errorf("hosts: got %q, want %q", r.Hosts, want)
	}
}

// Different things never have one name.
func TestRecordNames(t *testing.T) {
	names := []string{
		credentialName("https://i", "cgr.dev", ""), credentialName("https://i", "cgr.dev", "id"), credentialName("https://i", "cgr.dev", "id/x"),
		credentialName("https://i", "apk.cgr.dev", ""), credentialName("https://j", "cgr.dev", ""), credentialName("https://i/id", "cgr.dev", ""),
		sessionName("https://i", ""), sessionName("https://i", "id"), sessionName("https://i/id", ""),
		lockName("https://i", ""), lockName("https://i", "id"), lockName("https://i/id", ""),
	}
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			t.Errorf("C12 the name %q is given twice", name)
		}
		seen[name] = true
	}
	if name := lockName("https://i/../x", "a/b"); strings.ContainsAny(name, "/ ") {
		t.Errorf("lock name: got %q, want one that a file can have", name)
	}
}

// What is taken for a record is whole, and reads as itself.
func FuzzDecodeRecord(f *testing.F) {
	credential, err := json.Marshal(goodCredential())
	if err != nil {
		f.Fatal(err)
	}
	session, err := json.Marshal(goodSession())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(credential), string(session), "", "null", "[]", "{}", `{"v":1}`, `{"v":2}`, `{"v":"1"}`, `{"v":1,"secret":7}`, `{"v":1e0}`} {
		f.Add(seed)
	}
	var c Credential
	var s Session
	if decodeRecord(string(credential), &c) != nil || c.Check(recordIssuer, registry, "") != nil || decodeRecord(string(session), &s) != nil {
		f.Fatal("no seed is accepted: the property would be of nothing")
	}
	f.Fuzz(func(t *testing.T, text string) {
		var c Credential
		if decodeRecord(text, &c) == nil && c.Check(recordIssuer, registry, "") == nil {
			if c.Version != version || c.Issuer != recordIssuer || c.Host != registry || c.Identity != "" || c.Username == "" || c.Secret == "" {
				t.Errorf("%q: got %+v, want a whole record of ours", text, c)
			}
			if strings.ContainsAny(c.Username+c.Secret, "\r\n\x00") {
				t.Errorf("%q: got %+v, want no control characters", text, c)
			}
			if life := time.Duration(c.Expires-c.StoredAt) * time.Second; !c.UserStored && life > MaxStored {
				t.Errorf("%q: got a life of %v, want %v at most", text, life, MaxStored)
			}
			again := encodeDecode(t, c, &Credential{})
			if !reflect.DeepEqual(again, &c) {
				t.Errorf("%q: got %+v, which reads as %+v", text, c, again)
			}
		}
		var s Session
		if decodeRecord(text, &s) == nil && s.Check(recordIssuer, "") == nil {
			if s.Version != version || s.Issuer != recordIssuer || strings.ContainsAny(s.Refresh, "\r\n\x00") {
				t.Errorf("%q: got %+v, want a whole record of ours", text, s)
			}
			if again := encodeDecode(t, s, &Session{}).(*Session); again.Refresh != s.Refresh || again.Generation != s.Generation {
				t.Errorf("%q: got %+v, which reads as %+v", text, s, again)
			}
		}
	})
}

func encodeDecode(t *testing.T, record, into any) any {
	t.Helper()
	text, err := json.Marshal(record)
	if err == nil {
		err = decodeRecord(string(text), into)
	}
	if err != nil {
		t.Errorf("%+v: got %v, want it to read as itself", record, err)
	}
	return into
}

func TestBackoffIsActive(t *testing.T) {
	now := time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)
	tests := []struct {
		name string
		note Backoff
		want bool
	}{
		{"none", Backoff{}, false},
		{"holds", Backoff{Count: 1, Until: now.Add(time.Minute)}, true},
		{"over", Backoff{Count: 1, Until: now}, false},
		{"F21 from a clock that was a day ahead", Backoff{Count: 1, Until: now.Add(24 * time.Hour)}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.note.IsActive(now); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestGenerationsGrow(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	for _, test := range []struct{ g, want int64 }{{0, 1_000_000}, {999_999, 1_000_000}, {1_000_000, 1_000_001}, {5_000_000, 5_000_001}} {
		if got := nextGeneration(test.g, now); got != test.want {
			t.Errorf("C10 after %d: got %d, want %d", test.g, got, test.want)
		}
	}
}
