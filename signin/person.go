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

// connections has the issuer's name of each way to sign in.
var connections = map[string]string{"": "", "email": "", "google": "google-oauth2", "github": "github", "gitlab": "gitlab"}

// setConnection adds the identity provider or the way to sign in to the parameters of the
// issuer's page.
func setConnection(q url.Values, provider, way string) error {
	connection, known := connections[way]
	switch {
	case !known:
		return hint.With(fmt.Errorf("cannot sign in with %q", way), hint.Text("use email, google, github or gitlab"))
	case provider != "":
		q.Set("idp_id", provider)
	case connection != "":
		q.Set("connection", connection)
	}
	return nil
}

// verifiedName is the hint for the name of an organization.
var verifiedName = hint.Text("use the verified domain of the organization, such as example.com")

// CheckOrganization asks the issuer (GET /orgcheck) whether people can sign in through the
// organization with this name.
func CheckOrganization(ctx context.Context, transport http.RoundTripper, issuer, name string) error {
	if name == "" {
		return hint.With(errors.New("the name of the organization is empty"), verifiedName)
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
		return hint.With(fmt.Errorf("the organization %s was not found, is not verified, or has no identity provider", platform.Printable(name)), verifiedName)
	}
	return nil
}

// whereToOpen returns the lines of the prompt that say on which machine the address must be
// opened, so that the browser reaches l. opens means that a browser is being opened.
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

// sshServer returns the address of this machine for the other end of an SSH session.
// SSH_CONNECTION has the client's address and port, then the server's (ssh(1)).
func sshServer(connection string) string {
	if fields := strings.Fields(connection); len(fields) == 4 {
		return platform.Printable(fields[2])
	}
	return "THIS-HOST"
}

// warnOfTLS returns a function that warns, once, that the browser uses TLS for host.
func warnOfTLS(p *prompt.Prompt, host string) func() {
	return func() {
		p.SayOnce("the browser insists on https, and there is no certificate for %s: allow http for it in the browser, or use another browser", host)
	}
}

// timedOut returns the error of a sign-in that was not finished in time.
func timedOut(wait time.Duration) error {
	return notFinished("was not finished within %s", prompt.Minutes(wait))
}

// stopped returns the error of a sign-in whose context ended.
func stopped(ctx context.Context) error {
	return hint.With(fmt.Errorf("the sign-in was stopped: %w", context.Cause(ctx)), hint.Do(hint.SignIn))
}

// notFinished returns a *token.SignInError with the hint to sign in again.
func notFinished(format string, args ...any) error {
	return hint.With(&token.SignInError{Why: fmt.Sprintf(format, args...)}, hint.Do(hint.SignIn))
}
