package signin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin/loopback"
	"docker-credential-cgr/signin/prompt"
	"docker-credential-cgr/token"
)

// connections are the names by which the issuer knows the ways that people name.
var connections = map[string]string{"": "", "email": "", "google": "google-oauth2", "github": "github", "gitlab": "gitlab"}

// choose adds to the parameters of the issuer's page where the person signs in.
func choose(q url.Values, provider, way string) error {
	connection, known := connections[way]
	switch {
	case !known:
		return fmt.Errorf("there is no way to sign in called %q; use email, google, github or gitlab", way)
	case provider != "":
		q.Set("idp_id", provider)
	case connection != "":
		q.Set("connection", connection)
	}
	return nil
}

// CheckOrganization asks the issuer (GET /orgcheck) whether name can be the
// Provider of a sign-in. Its error says what the name must be, or why the issuer
// could not be asked.
func CheckOrganization(ctx context.Context, transport http.RoundTripper, issuer, name string) error {
	if name == "" {
		return errors.New("the organization's name is empty; give its verified domain, such as example.com")
	}
	var found bool
	_, err := platform.Send(ctx, transport, platform.Request{
		Method: http.MethodGet,
		URL:    issuer + "/orgcheck?" + url.Values{"name": {name}}.Encode(),
		Plain:  true,
	}, &found)
	if err != nil {
		return fmt.Errorf("cannot check the organization %s: %w", platform.Printable(name), err)
	}
	if !found {
		return fmt.Errorf("the organization %s was not found, is not verified, or has no identity provider; give its verified domain, such as example.com", platform.Printable(name))
	}
	return nil
}

// whereToOpen returns the lines that say where the address that is shown with them
// has to be opened, so that the browser comes back to l. opens says that a browser
// is about to open on it.
func whereToOpen(l *loopback.Callback, opens bool) []string {
	connection := os.Getenv("SSH_CONNECTION")
	switch {
	case opens:
		return []string{"sign in in your browser", "if no window opens, open this address yourself:"}
	case connection != "":
		return []string{
			"sign in over SSH",
			fmt.Sprintf("on your own machine, run: ssh -N -L %d:%s:%d %s", l.Port, l.Host, l.Port, sshServer(connection)),
			"then open this address in the browser there:",
		}
	}
	return []string{"sign in", "open this address in a browser on this machine:"}
}

// sshServer names this machine as the other end of an SSH session knows it:
// SSH_CONNECTION holds the client's address and port, then the server's (ssh(1)).
func sshServer(connection string) string {
	if fields := strings.Fields(connection); len(fields) == 4 {
		return platform.Printable(fields[2])
	}
	return "THIS-HOST"
}

// insistsOnTLS returns what is called when a browser that comes back to host speaks
// TLS. It says so once.
func insistsOnTLS(p *prompt.Prompt, host string) func() {
	return func() {
		p.SayOnce("the browser insists on https, which nobody can certify for %s: allow http for it in the browser, or use another one", host)
	}
}

// timeUp is the end of a sign-in that nobody finished.
func timeUp(wait time.Duration) error {
	return notFinished("was not finished within %s", prompt.Minutes(wait))
}

// stopped is the end of a sign-in whose context ended.
func stopped(ctx context.Context) error {
	return hint.With(fmt.Errorf("the sign-in was stopped: %w", context.Cause(ctx)), hint.Do(hint.SignIn))
}

// notFinished returns a *token.SignInError with the hint to sign in again.
func notFinished(format string, args ...any) error {
	return hint.With(&token.SignInError{Why: fmt.Sprintf(format, args...)}, hint.Do(hint.SignIn))
}
