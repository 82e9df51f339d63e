package platform

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCheckOrganization(t *testing.T) {
	tests := []struct {
		name, organization, kind, body string
		status                         int
		want                           string // "": no error
	}{
		{"known", "example.com", "application/json", "true", 200, ""},
		{"known, in plain text", "example.com", "text/plain; charset=utf-8", "true\n", 200, ""},
		{"unknown", "example.org", "application/json", "false", 200, "example.org was not found, is not verified, or has no identity provider"},
		{"P14 terminal sequence", "x\x1b]0;y\a", "application/json", "false", 200, `x\x1b]0;y\a was not found`},
		{"I28 path and query", "a/../b?name=c&x=y z#ü", "application/json", "true", 200, ""},
		{"I28 10 KB", strings.Repeat("x", 10<<10), "application/json", "false", 200, "was not found"},
		{"I44 a page", "example.com", "text/html", "<html>", 200, "not the issuer"},
		{"I44 another shape", "example.com", "application/json", `{"ok":true}`, 200, "not the issuer"},
		{"F18 issuer broken", "example.com", "application/json", `{"code":14,"message":"later"}`, 503, "cannot check the organization example.com: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if q := r.URL.Query(); r.Method != "GET" || r.URL.Path != "/orgcheck" || len(q) != 1 || len(q["name"]) != 1 || q.Get("name") != test.organization || r.Header.Get("Authorization") != "" {
					t.Errorf("I28 got %s %s, want the name escaped once, and no credential", r.Method, r.RequestURI)
				}
				w.Header().Set("Content-Type", test.kind)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer server.Close()
			err := CheckOrganization(t.Context(), NewTransport(), server.URL, test.organization)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if err != nil && (strings.ContainsAny(err.Error(), "\x1b\n") || len(err.Error()) > 1000) {
				t.Errorf("got %q, want one short printable line", err)
			}
		})
	}
}
