package token

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

const recordIssuer = "https://issuer.example"

// goodCredential and goodSession are whole records.
func goodCredential() credentialRecord {
	return credentialRecord{
		Version: recordVersion, Issuer: recordIssuer, Host: registry, Username: Username, Secret: "some-secret",
		StoredAt: 1_000_000, Renew: 1_003_000, Expires: 1_003_600,
	}
}

func goodSession() sessionRecord {
	return sessionRecord{
		Version: recordVersion, Issuer: recordIssuer, Generation: 7, Refresh: "some-refresh", RefreshExpires: 2_000_000,
		Subject: alice, Email: "a@example.com", Hosts: []string{registry},
	}
}

func TestCredentialRecordTimes(t *testing.T) {
	stored := credentialRecord{Secret: "s", Stored: true, StoredAt: 1_000_000, Expires: 1_003_600}
	endless := credentialRecord{Secret: "s", Stored: true, StoredAt: 1_000_000}
	tests := []struct {
		name          string
		record        credentialRecord
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
		{"none", credentialRecord{}, 1_000_000, false, false},
		{"stored", stored, 1_003_599, true, true},
		{"I43 stored, and over", stored, 1_003_600, false, false},
		{"stored without an end", endless, 9_000_000, true, true},
		{"F21 stored, by a clock that was ahead", endless, 1, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now := time.Unix(test.now, 0)
			if got := test.record.isValid(now); got != test.usable {
				t.Errorf("usable: got %v, want %v", got, test.usable)
			}
			if got := test.record.isValid(now) && !test.record.needsRefresh(now); got != test.fresh {
				t.Errorf("fresh: got %v, want %v", got, test.fresh)
			}
		})
	}
}

func TestCredentialRecordValid(t *testing.T) {
	tests := []struct {
		name   string
		change func(*credentialRecord)
		valid  bool
	}{
		{"whole", func(*credentialRecord) {}, true},
		{"stored without an end", func(r *credentialRecord) { r.Stored, r.Expires = true, 0 }, true},
		{"a day of life", func(r *credentialRecord) { r.Expires = r.StoredAt + 86_400 }, true},
		{"I38 another issuer", func(r *credentialRecord) { r.Issuer += "/" }, false},
		{"I38 another host", func(r *credentialRecord) { r.Host = "apk.cgr.dev" }, false},
		{"I38 another identity", func(r *credentialRecord) { r.Identity = "org/id" }, false},
		{"I38 no user name", func(r *credentialRecord) { r.Username = "" }, false},
		{"I38 no secret", func(r *credentialRecord) { r.Secret = "" }, false},
		{"I49 line end in the secret", func(r *credentialRecord) { r.Secret += "\n" }, false},
		{"I49 DEL in the user name", func(r *credentialRecord) { r.Username += "\x7f" }, false},
		{"I43 no end", func(r *credentialRecord) { r.Expires = 0 }, false},
		{"I43 negative end", func(r *credentialRecord) { r.Expires = -1 }, false},
		{"I43 over a day of life", func(r *credentialRecord) { r.Expires = r.StoredAt + 86_401 }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := goodCredential()
			test.change(&r)
			if err := r.check(recordIssuer, registry, ""); (err == nil) != test.valid {
				t.Errorf("got %v, want valid %v", err, test.valid)
			}
		})
	}
}

func TestSessionRecord(t *testing.T) {
	r := goodSession()
	if err := r.check(recordIssuer, ""); err != nil {
		t.Errorf("a whole one: got %v, want no error", err)
	}
	for name, change := range map[string]func(*sessionRecord){
		"I38 another issuer":          func(r *sessionRecord) { r.Issuer = "https://other.example" },
		"I38 another identity":        func(r *sessionRecord) { r.Identity = "org/id" },
		"I49 CR in the refresh token": func(r *sessionRecord) { r.Refresh += "\r" },
	} {
		r := goodSession()
		change(&r)
		if err := r.check(recordIssuer, ""); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
	for _, test := range []struct {
		now  int64
		want bool
	}{{1_999_999, true}, {2_000_299, true}, {2_000_300, false}} {
		if got := r.canRefresh(time.Unix(test.now, 0)); got != test.want {
			t.Errorf("F21 alive at %d: got %v, want %v", test.now, got, test.want)
		}
	}
	if r.Refresh = ""; r.canRefresh(time.Unix(0, 0)) {
		t.Error("alive without a refresh token: got true, want false")
	}
	r.addHost(registry)
	r.addHost("apk.cgr.dev")
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
	var c credentialRecord
	var s sessionRecord
	if decodeRecord(string(credential), &c) != nil || c.check(recordIssuer, registry, "") != nil || decodeRecord(string(session), &s) != nil {
		f.Fatal("no seed is accepted: the property would be of nothing")
	}
	f.Fuzz(func(t *testing.T, text string) {
		var c credentialRecord
		if decodeRecord(text, &c) == nil && c.check(recordIssuer, registry, "") == nil {
			if c.Version != recordVersion || c.Issuer != recordIssuer || c.Host != registry || c.Identity != "" || c.Username == "" || c.Secret == "" {
				t.Errorf("%q: got %+v, want a whole record of ours", text, c)
			}
			if strings.ContainsAny(c.Username+c.Secret, "\r\n\x00") {
				t.Errorf("%q: got %+v, want no control characters", text, c)
			}
			if life := time.Duration(c.Expires-c.StoredAt) * time.Second; !c.Stored && life > maxStored {
				t.Errorf("%q: got a life of %v, want %v at most", text, life, maxStored)
			}
			again := encodeDecode(t, c, &credentialRecord{})
			if !reflect.DeepEqual(again, &c) {
				t.Errorf("%q: got %+v, which reads as %+v", text, c, again)
			}
		}
		var s sessionRecord
		if decodeRecord(text, &s) == nil && s.check(recordIssuer, "") == nil {
			if s.Version != recordVersion || s.Issuer != recordIssuer || strings.ContainsAny(s.Refresh, "\r\n\x00") {
				t.Errorf("%q: got %+v, want a whole record of ours", text, s)
			}
			if again := encodeDecode(t, s, &sessionRecord{}).(*sessionRecord); again.Refresh != s.Refresh || again.Generation != s.Generation {
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
