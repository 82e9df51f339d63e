package helper

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/token"
)

// headersTimeout bounds the work for a program that asks for headers. Bazel and MCP clients
// end their helpers after ten seconds.
const headersTimeout = 8 * time.Second

// headersMargin is how long before its end clients should stop using a token.
const headersMargin = time.Minute

// credentialFor returns the audience of an HTTP request to address, a URL, and the credential
// for it. It never starts a sign-in. If the address is not of the platform, the error is
// a *ForeignError.
//
// A pull token, or another credential that the user stored, is only for the registry and its
// subdomains. MCP servers and the platform API accept access tokens.
func (h *Helper) credentialFor(address string) (audience string, c token.Credential, err error) {
	if h.Config.Registry == nil {
		return "", c, h.ConfigErr
	}
	audience, ours := audienceOf(h.Config, address)
	switch {
	case !ours && h.ConfigErr != nil && h.Config.API == nil:
		return "", c, h.ConfigErr
	case !ours:
		err := &ForeignError{Address: address, Registry: h.Config.Registry.Host}
		if h.Config.API != nil {
			err.API = h.Config.API.Host
		}
		return "", c, err
	case h.ConfigErr != nil:
		return "", c, h.ConfigErr
	case h.Config.IdentityID != "" && isHost(audience):
		return audience, token.Credential{Username: h.Config.IdentityID, Secret: h.Config.Token}, nil
	}
	var name string       // of the organization
	if isHost(audience) { // the paths of the API and of MCP servers have none
		name = organization(h.Config, address)
	}
	session, err := h.Session(name, false)
	if err != nil {
		return "", c, err
	}
	session.LockTimeout = headersTimeout
	ctx, cancel := context.WithTimeout(h.Context, headersTimeout)
	defer cancel()
	c, err = session.Credential(ctx, audience, false)
	return audience, c, WithAudienceHint(session, audience, err)
}

// authorization returns the value of the Authorization header for a credential: Bearer for an
// access token, or else Basic (RFC 7617).
func authorization(c token.Credential) string {
	if c.Username == token.Username {
		return "Bearer " + c.Secret
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Secret))
}

// isHost reports whether an audience is a host and not a URL.
func isHost(audience string) bool { return !strings.Contains(audience, "://") }

// WithAudienceHint adds the hint to sign in for an audience to an error of s.Credential, if the
// user is signed in, but the session cannot get a token for it.
func WithAudienceHint(s *token.Session, audience string, err error) error {
	var notSignedIn *token.NotSignedInError
	if !errors.As(err, &notSignedIn) || audience == s.Registry || audience == s.API {
		return err
	}
	if stored, readErr := s.Contents(); readErr != nil || !stored.Account.Valid(s.Now()) || stored.Account.Renewable {
		return err
	}
	return hint.With(err, hint.Do(hint.SignIn, "--audience", audience))
}

// WriteHeaders writes the HTTP headers for a request to address to out, as a JSON object from
// names to values. MCP clients run such a program for each connection. If the address is not
// of the platform, the error is a *ForeignError.
func (h *Helper) WriteHeaders(address string, out io.Writer) error {
	_, c, err := h.credentialFor(address)
	if err != nil {
		return err
	}
	return writeError(json.NewEncoder(out).Encode(map[string]string{"Authorization": authorization(c)}))
}

// writeError returns the error of a command whose answer could not be written.
func writeError(err error) error {
	if err != nil {
		return fmt.Errorf("cannot write the answer: %w", err)
	}
	return nil
}

// isBazelRequest reports whether the input of get is a request of Bazel, which uses the same
// verb as Docker. No server's name begins with a brace.
func isBazelRequest(input []byte) bool {
	input = bytes.TrimLeft(input, " \t\r\n")
	return len(input) > 0 && input[0] == '{'
}

// bazelError is the error of a request of Bazel, which shows its user standard error.
type bazelError struct{ error }

func (e *bazelError) Unwrap() error { return e.error }

// errBazelRequest does not quote the input.
var errBazelRequest = errors.New(`the request is not JSON of the form {"uri":"…"}`)

// bazelAnswer is the answer to a request of Bazel
// (https://github.com/EngFlow/credential-helper-spec).
type bazelAnswer struct {
	Headers map[string][]string `json:"headers"`
	Expires string              `json:"expires,omitempty"` // RFC 3339; without it, clients choose
}

// answerBazel writes the headers for the address in a request of Bazel to out. There are none
// for hosts that are not of the platform.
func (h *Helper) answerBazel(input []byte, out io.Writer) error {
	var request struct {
		URI jsonField `json:"uri"`
	}
	if !utf8.Valid(input) || json.Unmarshal(input, &request) != nil || request.URI.text == "" {
		return &bazelError{errBazelRequest}
	}
	answer := bazelAnswer{Headers: map[string][]string{}}
	_, c, err := h.credentialFor(request.URI.text)
	var foreign *ForeignError
	switch {
	case errors.As(err, &foreign):
	case err != nil:
		return &bazelError{err}
	default:
		answer.Headers["Authorization"] = []string{authorization(c)}
		if !c.Expires.IsZero() {
			answer.Expires = c.Expires.Add(-headersMargin).UTC().Format(time.RFC3339)
		}
	}
	return json.NewEncoder(out).Encode(answer)
}
