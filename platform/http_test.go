package platform

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

const bearer = "c2VjcmV0cmVmcmVzaHRva2Vu" // what must never be shown

// refresh is a request for a token.
func refresh(url string) Request {
	return Request{Method: http.MethodPost, URL: url, Bearer: bearer, Form: map[string][]string{"aud": {registry}}}
}

// asks posts a form to an issuer and reads its answer.
func asks(t *testing.T, url string) (token string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var answer struct {
		Token struct{ Token string } `json:"token"`
	}
	_, err = Send(ctx, NewTransport(), refresh(url+"/sts/exchange_refresh_token"), &answer)
	if err != nil && strings.Contains(err.Error(), bearer) {
		t.Errorf("I48 got %q, want no token in it", err)
	}
	if err != nil && strings.ContainsAny(err.Error(), "\n\r\x00\x1b") {
		t.Errorf("P14 got %q, want one printable line", err)
	}
	return answer.Token.Token, err
}

// serves starts an issuer that answers all requests with handler.
func serves(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// serving answers with a status, a content type and a body.
func serving(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// gatewaySaid says whether err is one of the codes that end a session.
func gatewaySaid(err error) bool {
	return HasCode(err, CodeUnauthenticated, CodeInvalidArgument, CodeFailedPrecondition)
}

const goodAnswer = `{"token":{"token":"access"},"refreshToken":null,"unknown":[{}]}`

func TestSend(t *testing.T) {
	var seen http.Header
	server := serves(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header
		serving(200, "application/json; charset=utf-8", goodAnswer)(w, r)
	})
	if got, err := asks(t, server.URL); err != nil || got != "access" {
		t.Fatalf("got %q, %v, want the token", got, err)
	}
	for name, want := range map[string]string{"Authorization": "Bearer " + bearer, "Content-Type": "application/x-www-form-urlencoded"} {
		if got := seen.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	t.Run("gzip", func(t *testing.T) {
		server := serves(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zipped(t, goodAnswer))
		})
		if got, err := asks(t, server.URL); err != nil || got != "access" {
			t.Errorf("got %q, %v, want the token", got, err)
		}
	})
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What is no answer of an issuer is called so, with host, status and type.
func TestNotTheIssuer(t *testing.T) {
	padding := strings.Repeat(" ", maxBody)
	tests := []struct{ name, kind, body string }{
		{"I44 HTML", "text/html; charset=utf-8", "<html>Welcome to the hotel</html>"},
		{"I44 HTML that says it is JSON", "application/json", "<html>"},
		{"I44 JSON that says it is HTML", "text/html", goodAnswer},
		{"I44 no content type", "", goodAnswer},
		{"I44 empty", "application/json", ""},
		{"I44 null and more", "application/json", "null null"},
		{"I44 list", "application/json", "[]"},
		{"I44 token is text", "application/json", `{"token":""}`},
		{"I44 followed by something", "application/json", goodAnswer + "x"},
		{"I44 cut", "application/json", goodAnswer[:30]},
		{"I45 over 1 MiB", "application/json", goodAnswer + padding},
		{"I45 over 1 MiB and cut", "application/json", padding + goodAnswer},
		{"I45 nested deep", "application/json", strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000)},
		{"I45 nested deep in an unknown field", "application/json", `{"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `,` + goodAnswer[1:]},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := serves(t, serving(200, test.kind, test.body))
			got, err := asks(t, server.URL)
			if err == nil {
				t.Fatalf("got %q, want an error", got)
			}
			host := strings.TrimPrefix(server.URL, "http://")
			for _, part := range []string{"not the issuer", "captive portal", host, "status 200"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want %q in it", err, part)
				}
			}
			if RefreshEndpoint.IsTemporary(err) || gatewaySaid(err) {
				t.Errorf("got retry %v and a code %v, want neither", RefreshEndpoint.IsTemporary(err), gatewaySaid(err))
			}
		})
	}
}

func TestBoundedAnswers(t *testing.T) {
	endless := func(kind string, status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			sent := 0
			for piece := strings.Repeat(" ", 64<<10); r.Context().Err() == nil; sent += len(piece) {
				if _, err := io.WriteString(w, piece); err != nil || sent > 256<<20 {
					break
				}
			}
			if sent > 128<<20 {
				t.Errorf("got %d bytes read, want about a MiB", sent)
			}
		}
	}
	t.Run("I45 endless answer", func(t *testing.T) {
		if got, err := asks(t, serves(t, endless("application/json", 200)).URL); err == nil {
			t.Errorf("got %q, want an error", got)
		}
	})
	t.Run("I45 endless error", func(t *testing.T) {
		if _, err := asks(t, serves(t, endless("text/plain", 500)).URL); err == nil || !strings.Contains(err.Error(), "500") {
			t.Errorf("got %v, want the status", err)
		}
	})
	t.Run("I45 an error's body over 4 KiB is not read on", func(t *testing.T) {
		body := strings.Repeat(" ", maxErrorBody) + `{"code":16,"message":"x"}`
		_, err := asks(t, serves(t, serving(401, "application/json", body)).URL)
		if err == nil || gatewaySaid(err) {
			t.Errorf("got %v, a code %v, want a plain 401", err, gatewaySaid(err))
		}
	})
	t.Run("I45 gzip bomb", func(t *testing.T) {
		bomb := zipped(t, strings.Repeat(" ", 8<<20)+goodAnswer)
		server := serves(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb)
		})
		if got, err := asks(t, server.URL); err == nil || !strings.Contains(err.Error(), "not the issuer") {
			t.Errorf("got %q, %v, want it HasCode", got, err)
		}
	})
	t.Run("I45 cut gzip", func(t *testing.T) {
		server := serves(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			whole := zipped(t, goodAnswer)
			_, _ = w.Write(whole[:len(whole)-4]) // the text is whole, its sum is not
		})
		if got, err := asks(t, server.URL); err == nil {
			t.Errorf("got %q, want an error", got)
		}
	})
	t.Run("I45 headers without end", func(t *testing.T) {
		server := serves(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 10<<20))
			serving(200, "application/json", goodAnswer)(w, r)
		})
		if got, err := asks(t, server.URL); err == nil {
			t.Errorf("got %q, want an error", got)
		}
	})
	for name, before := range map[string]string{"F18 silent": "", "F18 one byte at a time": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			url := rawServer(t, func(conn net.Conn) {
				_, _ = io.WriteString(conn, before)
				tick := time.NewTicker(5 * time.Millisecond)
				defer tick.Stop()
				for range tick.C {
					if before == "" {
						_, _ = conn.Read(make([]byte, 1)) // until the client leaves
						return
					}
					if _, err := io.WriteString(conn, " "); err != nil {
						return
					}
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := Send(ctx, NewTransport(), refresh(url), &struct{}{})
			if err == nil || !strings.Contains(err.Error(), "no answer in time") || !RefreshEndpoint.IsTemporary(err) {
				t.Errorf("got %v, want one that says no answer came in time", err)
			}
		})
	}
}

// Redirects are not followed: the bearer token and the body go out once.
func TestRedirects(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		other := inVain(t)
		for name, target := range map[string]string{
			"same host":    "/elsewhere?code=some-code",
			"other host":   other.URL + "/elsewhere?code=some-code",
			"https":        "https://" + strings.TrimPrefix(other.URL, "http://") + "/elsewhere?code=some-code",
			"userinfo":     "http://me:some-code@" + strings.TrimPrefix(other.URL, "http://") + "/",
			"no target":    "",
			"broken":       "http://%zz/elsewhere?code=some-code",
			"our token":    "http://" + bearer + ".evil.example/",
			"control text": "http://a%1bb.example/",
		} {
			t.Run(fmt.Sprintf("I46 %d to %s", status, name), func(t *testing.T) {
				asked := 0
				server := serves(t, func(w http.ResponseWriter, _ *http.Request) {
					asked++
					if target != "" {
						w.Header()["Location"] = []string{target}
					}
					w.WriteHeader(status)
				})
				_, err := asks(t, server.URL)
				if err == nil || strings.Contains(err.Error(), "some-code") || strings.Contains(err.Error(), "elsewhere") {
					t.Errorf("got %v, want an error that names the target's host alone", err)
				}
				if name == "other host" && !strings.Contains(err.Error(), "redirects to "+strings.TrimPrefix(other.URL, "http://")) {
					t.Errorf("got %v, want the target's host in it", err)
				}
				if asked != 1 {
					t.Errorf("got %d requests, want 1", asked)
				}
				if RefreshEndpoint.IsTemporary(err) || gatewaySaid(err) {
					t.Errorf("got retry %v and a code %v, want neither", RefreshEndpoint.IsTemporary(err), gatewaySaid(err))
				}
			})
		}
	}
}

// An error's text is shown, escaped and without our secrets.
func TestErrorTexts(t *testing.T) {
	tests := []struct{ name, kind, body, want string }{
		{"the gateway's", "application/json", `{"code":7,"message":"not for you","details":[]}`, "403 Forbidden: not for you"},
		{"blanks around", "application/json", " {\"code\" : 7,  \"message\":\"not for you\"}\n", ": not for you"},
		{"I47 terminal sequences", "application/json", `{"code":7,"message":"\u001b]52;c;aGk=\u0007\r\n\u202e\u0000Secret: x"}`, `\x1b]52;c;aGk=\a\r \u202e\x00Secret: x`},
		{"I48 our token", "application/json", `{"code":7,"message":"no ` + bearer + `!"}`, "no [secret]!"},
		{"I44 a page", "text/html", "<html>" + bearer, "403 Forbidden"},
		{"I44 no JSON", "application/json", "{", "403 Forbidden"},
		{"I47 1 MB", "application/json", `{"code":7,"message":"` + strings.Repeat("x", 1<<20) + `"}`, "403 Forbidden"},
		{"I47 3 KB", "application/json", `{"code":7,"message":"` + strings.Repeat("x", 3<<10) + `"}`, "xxx…"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := asks(t, serves(t, serving(403, test.kind, test.body)).URL)
			if err == nil || !strings.Contains(err.Error(), test.want) || utf8.RuneCountInString(err.Error()) > 400 {
				t.Errorf("got %v, want %q in it, and 400 characters at most", err, test.want)
			}
		})
	}
	t.Run("I48 our token as content type", func(t *testing.T) {
		_, err := asks(t, serves(t, serving(200, "text/"+bearer, "x")).URL)
		if err == nil || strings.Contains(strings.ToLower(err.Error()), strings.ToLower(bearer)) {
			t.Errorf("got %v, want no token in it, in whatever letter case", err)
		}
	})
}

// roundTrip is a transport that answers by itself.
type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// Whatever an issuer answers, an error is one printable line without our token,
// and a success is what the JSON says.
func FuzzSend(f *testing.F) {
	f.Add(200, "application/json", []byte(goodAnswer))
	f.Add(200, "text/html", []byte("<html>"))
	f.Add(401, "application/json", []byte(`{"code":16,"message":"spent `+bearer+`"}`))
	f.Add(400, "application/json", []byte(`{"error":"invalid_grant"}`))
	f.Add(503, "", []byte("\x1b[31m"))
	f.Add(302, "application/json", []byte{})
	f.Add(200, "application/json", []byte(`{"token":{"token":"a"},"token":{"token":"b"}}`))
	f.Fuzz(func(t *testing.T, status int, kind string, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		client := roundTrip(func(r *http.Request) *http.Response {
			header := http.Header{"Content-Type": {kind}, "Location": {"http://other.example/" + bearer}}
			return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: r}
		})
		var answer struct{ Token struct{ Token string } }
		_, err := Send(t.Context(), client, refresh("https://issuer.example/sts/exchange_refresh_token"), &answer)
		if err == nil {
			if status != 200 || !bytes.Contains(body, []byte("{")) && !bytes.Contains(body, []byte("null")) {
				t.Errorf("%d %q %q: got no error, want one", status, kind, body)
			}
			return
		}
		if text := err.Error(); strings.Contains(text, bearer) || strings.ContainsAny(text, "\n\r\x00\x1b") || len(text) > 4*maxPrintable*10 {
			t.Errorf("%d %q %q: got %q, want one short line without the token", status, kind, body, text)
		}
		if gatewaySaid(err) && (status == 200 || !bytes.Contains(body, []byte("{"))) {
			t.Errorf("%d %q %q: got a code, want that by the gateway's word alone", status, kind, body)
		}
	})
}
