package workload

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/workload/idtoken"
)

const bearer = "c2VjcmV0LWJlYXJlci1vZi10aGUtam9i" // for GitHub alone

// serves starts a server for the test.
func serves(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

func githubAt(t *testing.T, address string) idtoken.Source {
	t.Helper()
	h := bare(t)
	h.Transport = platform.NewTransport()
	h.Getenv = variables{"ACTIONS_ID_TOKEN_REQUEST_URL": address, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer}.get
	source, ok := h.Ambient(audience)
	if !ok {
		t.Fatal("no source found, want GitHub Actions")
	}
	return source
}

func googleAt(t *testing.T, server *httptest.Server) idtoken.Source {
	t.Helper()
	h := bare(t)
	h.Transport = forbidden{t}
	h.Getenv = variables{"GCE_METADATA_HOST": strings.TrimPrefix(server.URL, "http://")}.get
	source, ok := h.Ambient(audience)
	if !ok {
		t.Fatal("no source found, want Google Cloud")
	}
	return source
}

// forbidden is a transport that must not be used for the metadata server: it may lead
// through a proxy.
type forbidden struct{ t *testing.T }

func (f forbidden) RoundTrip(*http.Request) (*http.Response, error) {
	f.t.Error("the metadata server was asked through the transport for the internet")
	return nil, errors.New("forbidden")
}

func TestGitHub(t *testing.T) {
	for _, test := range []struct{ name, query, want string }{
		{"an address with a query", "?api-version=2.0&x=%2F", "api-version=2.0&x=%2F&audience=a%26b%3D%2F+%C3%A9"},
		{"an address without", "", "audience=a%26b%3D%2F+%C3%A9"},
		{"an address with an empty one", "?", "audience=a%26b%3D%2F+%C3%A9"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := serves(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.RawQuery != test.want || r.Header.Get("Authorization") != "Bearer "+bearer {
					t.Errorf("got %s ?%s with %q, want GET ?%s with the bearer token", r.Method, r.URL.RawQuery, r.Header.Get("Authorization"), test.want)
				}
				w.Header().Set("Content-Type", "application/json; charset=utf-8")
				json.NewEncoder(w).Encode(map[string]any{"count": 1, "value": jwt})
			})
			h := bare(t)
			h.Getenv = variables{"ACTIONS_ID_TOKEN_REQUEST_URL": server.URL + "/token" + test.query, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer + "\n"}.get
			source, _ := h.Ambient("a&b=/ é")
			token, err := source.Token(t.Context())
			wants(t, token, err, jwt, "")
		})
	}
	for _, address := range []string{"http://token.example/", "ftp://token.example/", "token.example", "https://", "https://user:pw@token.example/", "http://localhost.evil.example/", "https://a b/", "\x00"} {
		t.Run("not the bearer's place: "+address, func(t *testing.T) {
			h := bare(t)
			h.Transport = forbidden{t}
			h.Getenv = variables{"ACTIONS_ID_TOKEN_REQUEST_URL": address, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer}.get
			source, _ := h.Ambient(audience)
			token, err := source.Token(t.Context())
			wants(t, token, err, "", "ACTIONS_ID_TOKEN_REQUEST_URL is not an https URL")
		})
	}
	t.Run("I49 a bearer with a line break", func(t *testing.T) {
		h := bare(t)
		h.Transport = forbidden{t}
		h.Getenv = variables{"ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.example", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": jwt + "\r\n" + jwt}.get
		source, _ := h.Ambient(audience)
		token, err := source.Token(t.Context())
		wants(t, token, err, "", "ACTIONS_ID_TOKEN_REQUEST_TOKEN: its content contains a line break")
	})
}

// reply returns a handler with one response.
func reply(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestGitHubAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	const kind = "application/json"
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		tries  int32
		err    string
	}{
		{"404", reply(404, kind, `{"message":"no such job"}`), 1, " answered 404 Not Found: no such job"},
		{"403 without words", reply(403, "text/plain", "no"), 1, " answered 403 Forbidden"},
		{"401 as a page", reply(401, "text/html", "<html>sign in"), 1, " answered 401 Unauthorized"},
		{"500 is asked again", reply(500, kind, `{}`), tries, " answered 500 Internal Server Error"},
		{"429 is asked again", reply(429, kind, `{}`), tries, " answered 429 Too Many Requests"},
		{"a cut connection is asked again", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, tries, "cannot reach "},
		{"I44 HTML", reply(200, "text/html", "<html>sign in to the network</html>"), 1, "a proxy or a captive portal answered for "},
		{"I44 JSON called HTML", reply(200, "text/html", `{"value":"`+jwt+`"}`), 1, "(status 200, text/html)"},
		{"I44 not JSON", reply(200, kind, jwt), 1, "a proxy or a captive portal"},
		{"I44 JSON of another shape", reply(200, kind, `["`+jwt+`"]`), 1, "a proxy or a captive portal"},
		{"I44 a value of another type", reply(200, kind, `{"value":1}`), 1, "a proxy or a captive portal"},
		{"I44 two values", reply(200, kind, `{"value":"`+jwt+`"}{"value":"x"}`), 1, "a proxy or a captive portal"},
		{"I44 empty body", reply(200, kind, ""), 1, "a proxy or a captive portal"},
		{"I44 empty value", reply(200, kind, `{"value":""}`), 1, "no ID token from GitHub Actions: its content is empty"},
		{"I44 no value", reply(200, kind, `{}`), 1, "no ID token from GitHub Actions: its content is empty"},
		{"I49 token with a line break", reply(200, kind, `{"value":"`+jwt+`\n`+jwt+`"}`), 1, "contains a line break"},
		{"I49 200 KB", reply(200, kind, `{"value":"`+strings.Repeat("x", 200<<10)+`"}`), 1, "is over 64 KiB"},
		{"I45 endless", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			io.WriteString(w, `{"value":"`)
			for chunk := strings.Repeat("x", 64<<10); ; {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		}, 1, "a proxy or a captive portal"},
		{"I47 words that drive a terminal", reply(400, kind, `{"message":"\u001b]0;x\u0007 \u202e Secret: y"}`), 1, `answered 400 Bad Request: \x1b]0;x\a \u202e Secret: y`},
		{"I48 words that echo the bearer", reply(400, kind, `{"message":"bad token `+bearer+`"}`), 1, "bad token [secret]"},
		{"I46 to nowhere", reply(302, kind, ""), 1, "it redirects to nowhere, which is not followed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var asked atomic.Int32
			server := serves(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				test.answer(w, r)
			})
			token, err := githubAt(t, server.URL).Token(t.Context())
			wants(t, token, err, "", test.err)
			if !strings.HasPrefix(err.Error(), "no ID token from GitHub Actions: ") || strings.Contains(err.Error(), bearer) {
				t.Errorf("error: got %q, want it to name GitHub Actions and not the bearer", err)
			}
			if got := asked.Load(); got != test.tries {
				t.Errorf("requests: got %d, want %d", got, test.tries)
			}
		})
	}
	t.Run("a service that comes back", func(t *testing.T) {
		var asked atomic.Int32
		server := serves(t, func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) < tries {
				reply(503, "text/plain", "later")(w, r)
				return
			}
			reply(200, kind, `{"value":"`+jwt+`"}`)(w, r)
		})
		token, err := githubAt(t, server.URL).Token(t.Context())
		wants(t, token, err, jwt, "")
	})
	t.Run("I49 the longest token, every character escaped", func(t *testing.T) {
		server := serves(t, reply(200, kind, `{"value":"`+strings.Repeat(`\u0078`, platform.MaxToken)+`"}`))
		token, err := githubAt(t, server.URL).Token(t.Context())
		wants(t, token, err, strings.Repeat("x", platform.MaxToken), "")
	})
}

// TestRedirects checks that no redirect is followed, and the bearer token goes nowhere else.
func TestRedirects(t *testing.T) {
	elsewhere := serves(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the second server was asked, with Authorization %q", r.Header.Get("Authorization"))
	})
	host := strings.TrimPrefix(elsewhere.URL, "http://")
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run("I46 GitHub "+http.StatusText(status), func(t *testing.T) {
			first := serves(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL+"/?q=hidden", status) })
			token, err := githubAt(t, first.URL).Token(t.Context())
			wants(t, token, err, "", "it redirects to "+host+", which is not followed")
			if strings.Contains(err.Error(), "hidden") {
				t.Errorf("error: got %q, want the host alone", err)
			}
		})
		t.Run("I46 Google "+http.StatusText(status), func(t *testing.T) {
			first := serves(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set(flavor, "Google")
				http.Redirect(w, r, elsewhere.URL, status)
			})
			token, err := googleAt(t, first).Token(t.Context())
			wants(t, token, err, "", "it redirects to "+host+", which is not followed")
		})
	}
}

// TestSlow checks that a request to a service that does not respond ends with the context.
func TestSlow(t *testing.T) {
	for _, test := range []struct {
		name  string
		first func(w http.ResponseWriter)
	}{
		{"F15 no answer", func(http.ResponseWriter) {}},
		{"I45 half an answer", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set(flavor, "Google")
			io.WriteString(w, `{"value":"`)
			w.(http.Flusher).Flush()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ended := make(chan struct{})
			reached := make(chan struct{}, 10)
			server := serves(t, func(w http.ResponseWriter, r *http.Request) {
				test.first(w)
				reached <- struct{}{}
				<-ended
			})
			defer close(ended) // before the server closes
			for _, source := range []idtoken.Source{githubAt(t, server.URL), googleAt(t, server)} {
				for _, want := range []error{context.Canceled, context.DeadlineExceeded} {
					ctx, cancel := context.WithCancelCause(t.Context())
					if want == context.Canceled {
						go func() { <-reached; cancel(nil) }()
					} else {
						var stop context.CancelFunc
						ctx, stop = context.WithTimeout(ctx, 1)
						defer stop()
					}
					token, err := source.Token(ctx)
					wants(t, token, err, "", "no ID token from "+source.Name+" at "+strings.TrimPrefix(server.URL, "http://"))
					if !errors.Is(err, want) {
						t.Errorf("error: got %v, want %v", err, want)
					}
					cancel(nil)
				}
			}
		})
	}
}

func TestGoogle(t *testing.T) {
	const path = "/computeMetadata/v1/instance/service-accounts/default/identity"
	good := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(flavor, "Google")
		reply(200, "text/html", jwt)(w, r) // as the real one calls it
	}
	t.Run("the question", func(t *testing.T) {
		server := serves(t, func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			if r.Method != http.MethodGet || r.URL.Path != path || q.Get("audience") != audience || q.Get("format") != "full" || r.Header.Get(flavor) != "Google" {
				t.Errorf("got %s %s with %s %q, want GET %s with audience and format and %s", r.Method, r.URL, flavor, r.Header.Get(flavor), path, flavor)
			}
			if r.Header.Get("Authorization") != "" {
				t.Errorf("Authorization: got %q, want none", r.Header.Get("Authorization"))
			}
			good(w, r)
		})
		token, err := googleAt(t, server).Token(t.Context())
		wants(t, token, err, jwt, "")
	})
	t.Run("no proxy", func(t *testing.T) {
		if proxy := direct().Proxy; proxy != nil {
			t.Error("the metadata server's transport has a proxy, want none")
		}
	})
	for _, host := range []string{"a/b", "user@host", "host?x", "host:port", "a b", ":80", "host#"} {
		t.Run("no host: "+host, func(t *testing.T) {
			h := bare(t)
			h.Getenv = variables{"GCE_METADATA_HOST": host}.get
			source, _ := h.Ambient(audience)
			token, err := source.Token(t.Context())
			wants(t, token, err, "", "GCE_METADATA_HOST is not a host")
		})
	}
	flavored := func(answer http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(flavor, "Google")
			answer(w, r)
		}
	}
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		err    string
	}{
		{"I44 not Google's", reply(200, "text/html", jwt), "is not Google's metadata server"},
		{"I44 not Google's 404", reply(404, "text/html", "nothing here"), "is not Google's metadata server"},
		{"404", flavored(reply(404, "text/html", "<html>")), "answered 404 Not Found: the machine may have no service account"},
		{"503", flavored(reply(503, "text/plain", "starting")), "answered 503 Service Unavailable"},
		{"a cut connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "no ID token from Google Cloud: cannot reach 127.0.0.1:"},
		{"I44 empty", flavored(reply(200, "text/html", "")), "is empty"},
		{"I44 a page", flavored(reply(200, "text/html", "<html>\n<body>")), "contains a line break"},
		{"I45 endless", flavored(reply(200, "text/html", strings.Repeat("x", 1<<20))), "is over 64 KiB"},
		{"302 to nowhere", flavored(reply(302, "text/html", "")), "answered 302 Found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			token, err := googleAt(t, serves(t, test.answer)).Token(t.Context())
			wants(t, token, err, "", test.err)
		})
	}
}

// roundTrip is a transport without a network.
type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// FuzzGitHubAnswer checks that any response leads to an error of one line without the
// bearer token, or to a token that a header can carry.
func FuzzGitHubAnswer(f *testing.F) {
	f.Add(200, `{"value":"`+jwt+`"}`, "application/json")
	f.Add(200, `{"value":"a\nb"}`, "application/json; charset=utf-8")
	f.Add(200, `{"VALUE":"\ud800"}`, "application/json")
	f.Add(200, `{"value":null}`, "text/html")
	f.Add(404, `{"message":"\u001b]8;;`+bearer+`"}`, "application/json")
	f.Add(302, `[[[[`, "")
	f.Fuzz(func(t *testing.T, status int, body, kind string) {
		if status >= 500 || status == http.StatusTooManyRequests {
			return // asked again, after a pause
		}
		h := bare(t)
		h.Getenv = variables{"ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.example", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer}.get
		h.Transport = roundTrip(func(r *http.Request) *http.Response {
			return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
		})
		source, _ := h.Ambient(audience)
		token, err := source.Token(t.Context())
		if err != nil {
			wantsPlain(t, err)
			if token != "" || strings.Contains(err.Error(), bearer) {
				t.Errorf("%q: got %q and error %q, want no token and no bearer", body, token, err)
			}
			return
		}
		if token == "" || status != http.StatusOK || platform.HasControl(token) {
			t.Errorf("%d %q: got %q, want an error", status, body, token)
		}
	})
}
