package platform

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// What goes out is what the request says, and nothing else.
func TestSentRequest(t *testing.T) {
	tests := []struct {
		name, method, kind, body string
		request                  Request
	}{
		{"form", "POST", "application/x-www-form-urlencoded", "aud=a&aud=b%2Fc", Request{Bearer: bearer, Form: url.Values{"aud": {"a", "b/c"}}}},
		{"empty form", "POST", "application/x-www-form-urlencoded", "", Request{Bearer: bearer, Form: url.Values{}}},
		{"JSON", "POST", "application/json", `{"name":"x"}`, Request{Bearer: bearer, JSON: map[string]string{"name": "x"}}},
		{"JSON of another type", "PATCH", "application/merge-patch+json", `{"name":"x"}`, Request{Bearer: bearer, JSON: map[string]string{"name": "x"}, JSONType: "application/merge-patch+json"}},
		{"JSON to replace", "PUT", "application/json", `[]`, Request{Bearer: bearer, JSON: []int{}}},
		{"nothing", "GET", "", "", Request{Bearer: bearer}},
		{"removal", "DELETE", "", "", Request{Bearer: bearer}},
		{"no bearer", "GET", "", "", Request{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var seen *http.Request
			var body []byte
			server := serves(t, func(w http.ResponseWriter, r *http.Request) {
				seen = r
				body, _ = io.ReadAll(r.Body)
				serving(200, "application/json", `{}`)(w, r)
			})
			r := test.request
			r.Method, r.URL = test.method, server.URL+"/a/b%20c?d=e%2Ff"
			if _, err := Send(t.Context(), NewTransport(), r, &struct{}{}); err != nil {
				t.Fatal(err)
			}
			if seen.Method != test.method || seen.RequestURI != "/a/b%20c?d=e%2Ff" || string(body) != test.body || seen.Header.Get("Content-Type") != test.kind {
				t.Errorf("got %s %s with %q (%q), want %s with %q (%q)", seen.Method, seen.RequestURI, body, seen.Header.Get("Content-Type"), test.method, test.body, test.kind)
			}
			want := []string(nil)
			if r.Bearer != "" {
				want = []string{"Bearer " + bearer}
			}
			if got := seen.Header["Authorization"]; len(got) != len(want) || len(got) == 1 && got[0] != want[0] {
				t.Errorf("Authorization: got %q, want %q", got, want)
			}
		})
	}
}

// What cannot be sent whole is not sent at all.
func TestRequestNotSent(t *testing.T) {
	server := inVain(t)
	for name, r := range map[string]Request{
		"I49 line end in the bearer": {Method: "GET", URL: server.URL, Bearer: bearer + "\r\nX-Evil: 1"},
		"I49 NUL in the bearer":      {Method: "GET", URL: server.URL, Bearer: bearer + "\x00"},
		"JSON of what has none":      {Method: "POST", URL: server.URL, Bearer: bearer, JSON: func() {}},
		"no address":                 {Method: "GET", URL: "http://%zz/" + bearer, Bearer: bearer},
		"no method":                  {Method: "GET\r\n", URL: server.URL, Bearer: bearer},
		"no scheme":                  {Method: "GET", URL: "issuer.example", Bearer: bearer},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Send(t.Context(), NewTransport(), r, &struct{}{})
			if err == nil || strings.Contains(err.Error(), bearer) || strings.ContainsAny(err.Error(), "\r\n\x00") {
				t.Errorf("got %v, want one printable line without the token", err)
			}
		})
	}
}

// One bare word is an answer only where that is asked for.
func TestPlainAnswers(t *testing.T) {
	for _, test := range []struct {
		name, kind, body string
		plain, want      bool
	}{
		{"JSON", "application/json", "true\n", false, true},
		{"JSON, plain asked for", "application/json", "true", true, true},
		{"plain", "text/plain; charset=utf-8", "true", true, true},
		{"I44 plain, not asked for", "text/plain; charset=utf-8", "true", false, false},
		{"I44 a page", "text/html", "true", true, false},
		{"I44 text", "text/plain", "yes", true, false},
		{"I44 another shape", "text/plain", `{"verified":true}`, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := serves(t, serving(200, test.kind, test.body))
			var got bool
			_, err := Send(t.Context(), NewTransport(), Request{Method: "GET", URL: server.URL, Plain: test.plain}, &got)
			if got != test.want || (err == nil) != test.want {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
}

// Whoever asks can tell an answer that says no from none at all.
func TestUnanswered(t *testing.T) {
	closed := serves(t, nil)
	closed.Close()
	for _, test := range []struct {
		name, url string
		want      bool
	}{
		{"F15 refused", closed.URL, true},
		{"F16 broken off", serves(t, closes).URL, true},
		{"F18 503", serves(t, fails(503, CodeUnavailable, "later")).URL, false},
		{"I44 a page", serves(t, serving(200, "text/html", "<html>")).URL, false},
		{"whole", serves(t, serving(200, "application/json", "{}")).URL, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Send(t.Context(), NewTransport(), Request{Method: "GET", URL: test.url}, &struct{}{})
			if got := IsUnreachable(err); got != test.want {
				t.Errorf("got %v for %v, want %v", got, err, test.want)
			}
		})
	}
}
