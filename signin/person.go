package signin

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"docker-credential-cgr/hint"
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
