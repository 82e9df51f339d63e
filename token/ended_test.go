package token

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"docker-credential-cgr/platform"
)

// Which errors mean that a session has ended: the issuer's own words alone.
func TestSessionEnded(t *testing.T) {
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   bool
	}{
		{"I53 code 16", fails(401, platform.CodeUnauthenticated, "revoked"), true},
		{"I53 code 3", fails(400, platform.CodeInvalidArgument, "malformed"), true},
		{"I53 code 9", fails(400, platform.CodeFailedPrecondition, "spent"), true},
		{"I53 invalid_grant", serving(400, "application/json", `{"error":"invalid_grant"}`), true},
		{"I53 code 7", fails(403, 7, "no"), false},
		{"I53 code 14", fails(503, platform.CodeUnavailable, "later"), false},
		{"F19 401 of a proxy", serving(401, "text/html", "<html>sign in to the proxy</html>"), false},
		{"F19 407 of a proxy", serving(407, "text/html", "<html>sign in to the proxy</html>"), false},
		{"F19 400 of a proxy", serving(400, "application/json", `{"message":"bad"}`), false},
		{"I53 other error", serving(400, "application/json", `{"error":"invalid_request"}`), false},
		{"F17 no answer", closes, false},
		{"I44 captive portal", serving(200, "text/html", "<html>"), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.wants("R1", test.answer)
			_, err := f.session().STS.Refresh(t.Context(), "R1", platform.TokenRequest{Audiences: []string{registry}}, 1)
			if err == nil || sessionEnded(err) != test.want {
				t.Errorf("got %v, ended %v, want %v", err, sessionEnded(err), test.want)
			}
		})
	}
	if sessionEnded(nil) || sessionEnded(errors.New("x")) {
		t.Error("got ended for no error or another one, want not")
	}
}

// sessionEnded is Session.ended for the registry itself.
func sessionEnded(err error) bool { return (&Session{Registry: registry}).hasEnded(registry, err) }

// closes breaks the connection off without an answer.
func closes(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// serving answers with a status, a content type and a body.
func serving(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}
