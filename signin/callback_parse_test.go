package signin

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"docker-credential-cgr/platform"
)

func TestParseCallback(t *testing.T) {
	tests := []struct {
		name, query string
		want        callback
	}{
		{"token", "token=a.b.c", callback{token: "a.b.c"}},
		{"token and refresh token", "token=a.b.c&refresh_token=x%2By%2Fz%3D%3D", callback{token: "a.b.c", refreshToken: "x+y/z=="}},
		{"what the redirect held already", "error=true&token=a.b.c", callback{token: "a.b.c"}},
		{"error", "token=true&error=no+account&status_code=404", callback{err: "no account", status: 404}},
		{"status alone", "token=true&error=true&status_code=403", callback{status: 403}},
		{"I71 status that is no number", "error=x&status_code=abc", callback{err: "x"}},
		{"I71 script", "error=%3Cscript%3E", callback{err: "<script>"}},
		{"unknown parameter", "token=a.b.c&x=y", callback{token: "a.b.c"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, err := parseCallback(test.query); err != nil || got != test.want {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
	for name, query := range map[string]string{
		"I63 empty":                       "",
		"I63 only what the redirect held": "token=true&error=true",
		"I63 empty token":                 "token=&refresh_token=x",
		"I67 token twice":                 "token=a.b.c&token=d.e.f",
		"I67 refresh token twice":         "token=a.b.c&refresh_token=x&refresh_token=y",
		"I67 an unknown one twice":        "token=a.b.c&x=1&x=2",
		"I67 token and the word true":     "token=true&token=a.b.c",
		"I67 token and error":             "token=a.b.c&error=x",
		"I67 token and status":            "token=a.b.c&status_code=404",
		"I67 token of 100 KB":             "token=" + strings.Repeat("a", 100_000),
		"I67 refresh token of 100 KB":     "token=a.b.c&refresh_token=" + strings.Repeat("a", 100_000),
		"I49 line end in the token":       "token=a.b.c%0d%0aX",
		"I49 NUL in the refresh token":    "token=a.b.c&refresh_token=%00",
		"broken escape":                   "token=%zz",
		"semicolon":                       "token=a;b",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseCallback(query)
			if err == nil {
				t.Errorf("got %+v, want an error", got)
			} else if strings.Contains(err.Error(), "a.b.c") {
				t.Errorf("P13 got %q, want no token", err)
			}
		})
	}
}

// A callback that is taken holds a token or an error, never both, and reads as
// itself.
func FuzzParseCallback(f *testing.F) {
	accepted := 0
	for _, seed := range []string{"token=a.b.c&refresh_token=x", "error=x&status_code=404", "token=true&error=true", "token=a&token=b", "token=%0a", "%zz", "a;b"} {
		if _, err := parseCallback(seed); err == nil {
			accepted++
		}
		f.Add(seed)
	}
	if accepted == 0 {
		f.Fatal("no seed is accepted: the property would be of nothing")
	}
	f.Fuzz(func(t *testing.T, query string) {
		c, err := parseCallback(query)
		if err != nil {
			return
		}
		if (c.token != "") == (c.err != "" || c.status != 0) {
			t.Errorf("%q: got %+v, want a token or an error", query, c)
		}
		if platform.HasControl(c.token) || platform.HasControl(c.refreshToken) || c.token == "true" || len(c.token) > platform.MaxToken {
			t.Errorf("%q: got %+v, want a token that fits a header", query, c)
		}
		q := url.Values{"token": {c.token}, "refresh_token": {c.refreshToken}, "error": {c.err}, "status_code": {fmt.Sprint(c.status)}}
		if again, err := parseCallback(q.Encode()); err != nil || again != c {
			t.Errorf("%q: got %+v, which reads as %+v, %v", query, c, again, err)
		}
	})
}
