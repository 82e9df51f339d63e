// Package signin is how a person signs in with the platform's issuer.
package signin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

// Browser signs a person in through the issuer's page in a browser, which then
// comes back to a listener on this machine.
type Browser struct {
	Issuer  string // URL, without a trailing slash
	Console string // page where people get an account
	// Provider is the UIDP of an identity provider, or the verified name of an
	// organisation that has one; empty for the issuer's own providers.
	Provider string
	// Connection is email, google, github or gitlab; empty lets the person choose.
	// A Provider goes before it.
	Connection string
	// Identity is the UIDP of the identity to assume; empty for the person's own.
	Identity string
	// Invite is an invitation's code. Somebody who has one may get an account.
	Invite         string
	NoRefreshToken bool
	Force          bool // open a browser even where none seems to be
	// GiveUp ends the sign-in with ErrNoBrowser where no browser can be opened,
	// for a caller that knows another way. Force goes before it.
	GiveUp bool
	// IdentityTokenEnv is the name of a variable that holds a token, so that the
	// browser does not inherit it; may be empty.
	IdentityTokenEnv string
	Wait             time.Duration // for the person
	Out              io.Writer     // where the person reads
	Now              func() time.Time
	Debug            func(format string, args ...any)
}

// ErrNoBrowser says that no browser could be opened here.
var ErrNoBrowser = errors.New("no browser could be opened here")

// SignIn has a person sign in for audiences and gives what the issuer hands out.
// Its errors for what the person or the issuer did are *token.SignInError; with
// GiveUp it may be ErrNoBrowser.
func (b *Browser) SignIn(ctx context.Context, audiences []string) (*token.Grant, error) {
	parameters, err := b.parameters(audiences)
	if err != nil {
		return nil, err
	}
	opens := b.Force || Usable(os.Getenv, os.Geteuid())
	if !opens && b.GiveUp {
		return nil, ErrNoBrowser
	}
	start := b.Now()
	granted := make(chan *token.Grant, 1)
	refused := make(chan error, 1)
	l, err := listen(localhost, func(rawQuery string) (outcome, error) {
		c, err := parseCallback(rawQuery)
		if err != nil {
			return outcome{}, err
		}
		if c.token == "" {
			err := b.refusal(c)
			refused <- err
			return outcome{title: "Not signed in", text: "Sign-in failed: " + platform.Printable(c.err) + ". The terminal says what to do next. You can close this window."}, nil
		}
		grant, err := b.grant(c, audiences, start)
		if err != nil {
			b.Debug("a callback is not taken: %v", err)
			if errors.Is(err, errOtherTime) {
				say(b.Out, "an answer was not taken: %v; is this machine's clock right?", err)
			}
			return outcome{}, err
		}
		granted <- grant
		return signedInAs(grant), nil
	}, insistsOnTLS(b.Out, localhost))
	if err != nil {
		return nil, err
	}
	closing := true
	defer func() {
		if closing {
			l.close()
		}
	}()

	// Its parameters tell the issuer what the callback takes.
	parameters.Set("redirect", l.url()+"?token=true&error=true")
	address := b.Issuer + "/oauth?" + parameters.Encode()
	sayWhere(b.Out, l, opens)
	showAddress(b.Out, address, start.Add(b.Wait), b.Wait)
	noBrowser := make(chan struct{})
	if opens {
		b.open(address, noBrowser)
	}

	// The clock on the wall counts, which goes on while a laptop sleeps.
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case grant := <-granted:
			closing = false
			grant.Finish = func() { l.awaitShown(ctx); l.close() }
			return grant, nil
		case err := <-refused:
			l.awaitShown(ctx)
			return nil, err
		case <-noBrowser:
			return nil, ErrNoBrowser
		case <-tick.C:
			if b.Now().Sub(start) >= b.Wait {
				return nil, timeUp(b.Wait)
			}
		case <-ctx.Done():
			select {
			case grant := <-granted: // at the same instant: it is not thrown away
				return grant, nil
			default:
			}
			return nil, stopped(ctx)
		}
	}
}

// parameters are those of the page that the person signs in at, but for the
// redirect.
func (b *Browser) parameters(audiences []string) (url.Values, error) {
	if b.NoRefreshToken {
		// The token that comes is what Docker is given: no key to anything else.
		audiences = audiences[:1]
	}
	q := url.Values{
		"exit":     {"redirect"},
		"audience": {strings.Join(audiences, ",")},
	}
	if b.Provider == "" {
		q.Set("client_id", "auth0")
	}
	if b.Identity != "" {
		q.Set("identity", b.Identity)
	}
	if !b.NoRefreshToken {
		q.Set("create_refresh_token", "true")
	}
	if b.Invite != "" {
		q.Set("invite", b.Invite)
	} else {
		q.Set("skip_registration", "true")
	}
	return q, choose(q, b.Provider, b.Connection)
}

// open opens a browser on address. Where that fails, the person is told, and
// with GiveUp noBrowser is closed.
func (b *Browser) open(address string, noBrowser chan<- struct{}) {
	failed := func() {
		if b.GiveUp && !b.Force {
			say(b.Out, "no browser could be opened: the address above is not used any more")
			close(noBrowser)
			return
		}
		say(b.Out, "no browser could be opened: open the address above yourself")
	}
	if err := startBrowser(address, b.IdentityTokenEnv, failed); err != nil {
		b.Debug("cannot start the opener: %v", err)
		failed()
	}
}

// grant checks that a callback's token can be the answer to this sign-in. The
// flow has no state that would bind the two (the issuer's design): what the token
// says of itself is what there is to look at.
func (b *Browser) grant(c callback, audiences []string, start time.Time) (*token.Grant, error) {
	claims, err := platform.ParseClaims(c.token)
	if err != nil {
		return nil, err
	}
	now := b.Now()
	switch {
	case strings.TrimRight(claims.Issuer, "/") != b.Issuer:
		return nil, fmt.Errorf("its token is of another issuer, %s", platform.Printable(claims.Issuer))
	case !slices.Contains(claims.Audiences, audiences[0]):
		return nil, fmt.Errorf("its token is not for %s", audiences[0])
	case claims.Subject == "":
		return nil, errors.New("its token names nobody")
	case b.Identity != "" && claims.Subject != b.Identity:
		return nil, fmt.Errorf("its token is of %s, not of the identity that was asked for", platform.Printable(claims.Subject))
	case !claims.Issued.IsZero() && claims.Issued.Before(start.Add(-platform.ClockSlack)):
		return nil, fmt.Errorf("%w: it was made before this sign-in began", errOtherTime)
	case !claims.Expires.IsZero() && claims.Expires.Before(now.Add(-platform.ClockSlack)):
		return nil, fmt.Errorf("%w: it has expired", errOtherTime)
	}
	return &token.Grant{
		Token: &oauth2.Token{
			AccessToken: c.token, RefreshToken: c.refreshToken, TokenType: "Bearer", Expiry: claims.Expires,
		},
		Subject: claims.Subject,
		Email:   claims.Email,
	}, nil
}

// errOtherTime is a token that this machine's clock does not allow.
var errOtherTime = errors.New("its token is not of this time")

// refusal makes an error of a callback without a token.
func (b *Browser) refusal(c callback) error {
	if c.status == http.StatusNotFound {
		return &token.SignInError{Why: "found no account", Hint: "get one at " + b.Console + ", then run: docker-credential-cgr login"}
	}
	why := "was refused"
	if c.err != "" {
		why += ": " + platform.Printable(c.err)
	}
	if c.status != 0 {
		why += fmt.Sprintf(" (status %d)", c.status)
	}
	return &token.SignInError{Why: why, Hint: retryHint}
}

// silent keeps net/http's server off standard error, which is the user's.
var silent = log.New(io.Discard, "", 0)
