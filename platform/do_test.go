package platform

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestDo(t *testing.T) {
	const user, password = "aaaa/0123456789abcdef", "p:assw0rd"
	server := serves(t, func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			t.Errorf("got %q and %q, want the pair", u, p)
		}
		if got := r.Header.Get("Accept"); got != "a/b, c/d" {
			t.Errorf("got Accept %q, want what was asked for", got)
		}
		w.Header().Set("Content-Type", "c/d")
		w.Header().Set("Content-Length", "5")
		w.Header().Set("X-More", "yes")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "words")
	})
	r := Request{Method: http.MethodGet, URL: server.URL, Username: user, Password: password, Accept: "a/b, c/d"}
	for method, body := range map[string]string{http.MethodGet: "words", http.MethodHead: ""} {
		t.Run(method, func(t *testing.T) {
			r.Method = method
			got, err := Do(t.Context(), NewTransport(), r)
			if err != nil || got.Status != 404 || got.Header.Get("X-More") != "yes" || got.Length != 5 || string(got.Body) != body || got.Date.IsZero() || "http://"+got.Host != server.URL {
				t.Errorf("got %+v, %v, want the answer as it is", got, err)
			}
		})
	}
	t.Run("I49 control characters are not sent", func(t *testing.T) {
		for _, bad := range []Request{{Username: "a\r\n", Password: "b"}, {Username: "a", Password: "b\x00"}} {
			bad.Method, bad.URL = http.MethodGet, inVain(t).URL
			if _, err := Do(t.Context(), NewTransport(), bad); err == nil {
				t.Error("got no error, want one")
			}
		}
	})
	t.Run("I48 no error holds the pair", func(t *testing.T) {
		pair := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
		server := serves(t, func(w http.ResponseWriter, _ *http.Request) {
			http.Redirect(w, &http.Request{Method: http.MethodGet}, "https://"+pair+"."+password+".example/", http.StatusFound)
		})
		r.Method, r.URL = http.MethodGet, server.URL
		_, err := Do(t.Context(), NewTransport(), r)
		var answer *ResponseError
		if !errors.As(err, &answer) || strings.Contains(err.Error(), pair) || strings.Contains(err.Error(), password) {
			t.Errorf("got %v, want a redirect without the pair", err)
		}
	})
}

func TestLimit(t *testing.T) {
	for _, test := range []struct {
		name        string
		limit       int64
		size        int
		status, got int
		cut         bool
	}{
		{"I45 usual", 0, maxBody, 200, maxBody, false},
		{"I45 over the usual", 0, maxBody + 1, 200, maxBody, true},
		{"I45 own", 10, 10, 200, 10, false},
		{"I45 over its own", 10, 11, 200, 10, true},
		{"I45 larger than usual", 2 * maxBody, maxBody + 1, 200, maxBody + 1, false},
		{"I45 of an error", 2 * maxBody, maxErrorBody + 1, 500, maxErrorBody, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := serves(t, serving(test.status, "application/json", `"`+strings.Repeat("x", test.size-2)+`"`))
			r := Request{Method: http.MethodGet, URL: server.URL, Limit: test.limit}
			got, err := Do(t.Context(), NewTransport(), r)
			if err != nil || len(got.Body) != test.got || got.Cut != test.cut {
				t.Errorf("got %d bytes, cut %v, %v, want %d, %v", len(got.Body), got.Cut, err, test.got, test.cut)
			}
			var text string
			if _, err := Send(t.Context(), NewTransport(), r, &text); (err == nil) == (test.cut || test.status != 200) {
				t.Errorf("Send got %v, want an error: %v", err, test.cut)
			}
		})
	}
}
