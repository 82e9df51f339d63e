package helper

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/token"
	tokenstore "docker-credential-cgr/token/store"
)

// storeToken stores an access token for an audience that ends after an hour.
func (f *fixture) storeToken(audience, secret string) (expires time.Time) {
	f.t.Helper()
	s, err := f.session("", false)
	if err != nil {
		f.t.Fatal(err)
	}
	expires = time.Now().Add(time.Hour).Truncate(time.Second)
	err = s.WriteCredential(tokenstore.Credential{
		Host: audience, Username: token.Username, Secret: secret, StoredAt: time.Now().Unix(), Expires: expires.Unix(),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return expires
}

func TestHeaders(t *testing.T) {
	f := newFixture(t, nil)
	f.storeToken("cgr.dev", "registry-token")
	f.storeToken("https://cgr.dev/mcp", "mcp-token")
	f.storeToken("https://console-api.enforce.dev", "api-token")
	f.want("store", pair(t, "apk.cgr.dev", "org/id", "pull-token-pull-token"), "", 0)
	for address, want := range map[string]string{
		"https://cgr.dev/v2/":                           "Bearer registry-token",
		"https://cgr.dev/mcp":                           "Bearer mcp-token",
		"https://console-api.enforce.dev/iam/v1/groups": "Bearer api-token",
		"https://apk.cgr.dev/org/":                      "Basic b3JnL2lkOnB1bGwtdG9rZW4tcHVsbC10b2tlbg==",
	} {
		var out strings.Builder
		if err := f.helper.WriteHeaders(address, &out); err != nil || out.String() != `{"Authorization":"`+want+"\"}\n" {
			t.Errorf("%s: got %q, %v, want %s", address, out.String(), err, want)
		}
	}
}

func TestHeadersRefuses(t *testing.T) {
	f := newFixture(t, nil)
	f.signsIn("subject-a")
	err := f.helper.WriteHeaders("https://cgr.dev/mcp", io.Discard)
	var notSignedIn *token.NotSignedInError
	if !errors.As(err, &notSignedIn) || f.windows != 0 {
		t.Errorf("P6 got %v and %d windows, want a *token.NotSignedInError", err, f.windows)
	}
	f.opened = 0
	err = f.helper.WriteHeaders("https://evil.example/\x1b[2J", io.Discard)
	var foreign *ForeignError
	if !errors.As(err, &foreign) || f.opened != 0 || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("P2 got %v, the session opened %d times, want a ForeignError before that", err, f.opened)
	}
}

func TestHeadersPairFromEnvironment(t *testing.T) {
	f := newFixture(t, map[string]string{"CHAINGUARD_IDENTITY_ID": "org/id", "CHAINGUARD_TOKEN": "pull-token-pull-token"})
	var out strings.Builder
	if err := f.helper.WriteHeaders("https://cgr.dev/v2/", &out); err != nil || !strings.Contains(out.String(), "Basic b3JnL2lkOnB1bGwt") {
		t.Errorf("got %q, %v, want the pull token", out.String(), err)
	}
	if f.opened != 0 {
		t.Errorf("got the session opened %d times, want none", f.opened)
	}
	for _, address := range []string{"https://cgr.dev/mcp", "https://console-api.enforce.dev/"} {
		out.Reset()
		if err := f.helper.WriteHeaders(address, &out); err == nil {
			t.Errorf("%s: got %q, want no pull token", address, out.String())
		}
	}
}

func TestBazel(t *testing.T) {
	f := newFixture(t, nil)
	expires := f.storeToken("cgr.dev", "registry-token")
	want := `{"headers":{"Authorization":["Bearer registry-token"]},"expires":"` + expires.Add(-time.Minute).UTC().Format(time.RFC3339) + "\"}\n"
	for _, input := range []string{`{"uri":"https://cgr.dev/v2/"}`, " {\"uri\":\"https://cgr.dev/\",\"extra\":[{}]}\r\n"} {
		f.want("get", input, want, 0)
	}
	f.want("store", pair(t, "apk.cgr.dev", "org/id", "pull-token-pull-token"), "", 0)
	f.want("get", `{"uri":"https://apk.cgr.dev/x"}`, `{"headers":{"Authorization":["Basic b3JnL2lkOnB1bGwtdG9rZW4tcHVsbC10b2tlbg=="]}}`+"\n", 0)
	f.opened = 0
	for _, uri := range []string{"http://cgr.dev/", "https://evil.example/", "https://cgr.dev@evil.example/", "cgr.dev", "cgr.d\\nev"} {
		f.want("get", `{"uri":"`+uri+`"}`, `{"headers":{}}`+"\n", 0) // I17
	}
	if f.opened != 0 {
		t.Errorf("P2 got the session opened %d times for other hosts, want none", f.opened)
	}
}

func TestBazelRefuses(t *testing.T) {
	for name, input := range map[string]string{
		"I17 no uri":               `{"url":"https://cgr.dev/"}`,
		"I17 empty uri":            `{"uri":""}`,
		"I10 what store reads":     "{\"ServerURL\":\n\"cgr.dev\"}",
		"I10 a name twice":         `{"uri":"https://evil.example/","uri":"https://cgr.dev/"}`,
		"I10 in other letter case": `{"uri":"https://evil.example/","URI":"https://cgr.dev/"}`,
		"I10 wrong type":           `{"uri":["https://cgr.dev/"]}`,
		"I10 text after it":        `{"uri":"https://cgr.dev/"} x`,
		"I10 cut off":              `{"uri":"https://cgr.dev/`,
		"I10 nested 60,000 deep":   `{"uri":` + strings.Repeat("[", 60_000),
		"I8 not UTF-8":             "{\"uri\":\"https://cgr.dev/\xff\"}",
		"I17 nobody signed in":     `{"uri":"https://cgr.dev/"}`,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			f.want("get", input, "", 1) // Bazel shows standard error
			if len(f.said) != 1 {
				t.Errorf("got %q on standard error, want one error", f.said)
			}
		})
	}
}

// P11 a request for headers does not wait longer for a lock than its caller waits for it.
func TestHeadersEndInTime(t *testing.T) {
	f := newFixture(t, nil)
	s, err := f.session("", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.WriteSession(tokenstore.Session{Subject: "subject-a", Refresh: "cmVmcmVzaA=="}, "cmVmcmVzaA=="); err != nil {
		t.Fatal(err)
	}
	unlock, err := s.Lock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	var cancel context.CancelFunc
	f.helper.Context, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = f.helper.WriteHeaders("https://cgr.dev/mcp", io.Discard)
	if err == nil || !strings.Contains(err.Error(), "gave up after waiting 8s for ") {
		t.Errorf("got %v, want the end of the wait for the lock", err)
	}
}

// FuzzBazel checks that whatever Bazel may send is answered with JSON or one error.
func FuzzBazel(f *testing.F) {
	for _, seed := range []string{`{"uri":"https://evil.example/"}`, `{"uri":1}`, `{}`, `{"uri":"https://cgr.dev@x/","a":{}}`, `{`} {
		f.Add(seed)
	}
	cfg := loadConfig(f, map[string]string{"HOME": f.TempDir()})
	f.Fuzz(func(t *testing.T, input string) {
		h := &Helper{Config: cfg, Context: t.Context(), Session: func(string, bool) (*token.Session, error) { return nil, errors.New("no session") }}
		var out strings.Builder
		if err := h.answerBazel([]byte(input), &out); err != nil {
			if out.Len() != 0 || strings.Contains(err.Error(), "\n") {
				t.Errorf("answerBazel(%q): got %q and the error %q", input, out.String(), err)
			}
			return
		}
		var answer bazelAnswer
		if err := json.Unmarshal([]byte(out.String()), &answer); err != nil || len(answer.Headers) != 0 {
			t.Errorf("answerBazel(%q): got %q, want JSON without headers", input, out.String())
		}
	})
}

// Only paths of the registry and its subdomains have the names of organizations.
func TestHeadersOfOrganization(t *testing.T) {
	f := newFixture(t, map[string]string{"CHAINGUARD_AUTH_ORGANIZATIONS": "acme,iam,mcp"})
	var got string
	f.helper.Session = func(organization string, _ bool) (*token.Session, error) {
		got = organization
		return nil, errors.New("no session")
	}
	for address, want := range map[string]string{
		"https://cgr.dev/v2/acme/python/manifests/1":    "acme",
		"https://apk.cgr.dev/acme/x86_64":               "acme",
		"https://cgr.dev/mcp":                           "",
		"https://console-api.enforce.dev/iam/v1/groups": "",
	} {
		got = "none"
		if err := f.helper.WriteHeaders(address, io.Discard); err == nil || got != want {
			t.Errorf("%s: got the session of %q, %v, want that of %q", address, got, err, want)
		}
	}
}
