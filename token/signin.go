package token

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
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// SignInError is a sign-in to which somebody, or the clock, said no.
type SignInError struct {
	Why  string // ends a sentence that begins "the sign-in at 12:00"
	Hint string
}

func (e *SignInError) Error() string {
	text := "the sign-in " + e.Why
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Browser signs a person in through the issuer's page in a browser.
type Browser struct {
	Issuer  string        // URL, without a trailing slash
	Console string        // page where people get an account
	Force   bool          // open a browser even where none seems to be
	Wait    time.Duration // for the person
	Out     io.Writer     // where the person reads
	Now     func() time.Time
	Debug   func(format string, args ...any)
}

// shownLimit is how long to wait for the browser to fetch the last page.
const shownLimit = 2 * time.Second

// SignIn has a person sign in for audiences and gives what the issuer hands out.
// Its errors for what the person or the issuer did are *SignInError.
func (b *Browser) SignIn(ctx context.Context, audiences []string) (*Grant, error) {
	start := b.Now()
	granted := make(chan *Grant, 1)
	refused := make(chan error, 1)
	l, err := listen(func(c callback) (outcome, error) {
		if c.token == "" {
			err := b.refusal(c)
			refused <- err
			return outcome{title: "Not signed in", text: "Sign-in failed: " + Printable(c.err) + ". The terminal says what to do next. You can close this window."}, nil
		}
		grant, err := b.grant(c, audiences, start)
		if err != nil {
			b.Debug("a callback is not taken: %v", err)
			if errors.Is(err, errOtherTime) {
				b.say("an answer was not taken: %v; is this machine's clock right?", err)
			}
			return outcome{}, err
		}
		granted <- grant
		return outcome{good: true, title: "Signed in", text: "You are signed in as " + grant.account().String() + ". You can close this window and go back to the terminal."}, nil
	}, sync.OnceFunc(func() {
		b.say("the browser insists on https, which nobody can certify for localhost: allow http for localhost in it, or use another browser")
	}))
	if err != nil {
		return nil, err
	}
	closing := true
	defer func() {
		if closing {
			l.close()
		}
	}()

	b.invite(b.address(l.url(), audiences), l.port, start)

	// The clock on the wall counts, which goes on while a laptop sleeps.
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case grant := <-granted:
			closing = false
			grant.Finish = func() { b.awaitShown(ctx, l); l.close() }
			return grant, nil
		case err := <-refused:
			b.awaitShown(ctx, l)
			return nil, err
		case <-tick.C:
			if b.Now().Sub(start) >= b.Wait {
				return nil, &SignInError{Why: "was not finished within " + minutes(b.Wait), Hint: "to try again, run: docker-credential-cgr login"}
			}
		case <-ctx.Done():
			select {
			case grant := <-granted: // at the same instant: it is not thrown away
				return grant, nil
			default:
			}
			return nil, fmt.Errorf("the sign-in was stopped: %w; to sign in, run: docker-credential-cgr login", context.Cause(ctx))
		}
	}
}

// address is the page that the person signs in at.
func (b *Browser) address(redirect string, audiences []string) string {
	return b.Issuer + "/oauth?" + url.Values{
		"exit":                 {"redirect"},
		"redirect":             {redirect},
		"client_id":            {"auth0"},
		"audience":             {strings.Join(audiences, ",")},
		"create_refresh_token": {"true"},
		"skip_registration":    {"true"},
	}.Encode()
}

// invite shows the address and opens a browser on it where there seems to be one.
func (b *Browser) invite(address string, port int, start time.Time) {
	opens := b.Force || browserUsable(os.Getenv)
	switch {
	case opens:
		b.say("opening your browser to sign in; if no window comes, open this address yourself:")
	case os.Getenv("SSH_CONNECTION") != "":
		b.say("to sign in over SSH, run on your own machine: ssh -N -L %d:localhost:%d %s", port, port, sshServer(os.Getenv("SSH_CONNECTION")))
		b.say("then open this address in the browser there:")
	default:
		b.say("to sign in, open this address in a browser on this machine:")
	}
	fmt.Fprintf(b.Out, "\n    %s\n\n", address)
	b.say("waiting for the sign-in until %s (%s); Ctrl-C stops it", start.Add(b.Wait).Local().Format("15:04:05"), minutes(b.Wait))
	if !opens {
		return
	}
	failed := func() { b.say("no browser could be opened: open the address above yourself") }
	if err := startBrowser(address, failed); err != nil {
		b.Debug("cannot start the opener: %v", err)
		failed()
	}
}

func (b *Browser) say(format string, args ...any) {
	fmt.Fprintf(b.Out, "docker-credential-cgr: "+format+"\n", args...)
}

func (b *Browser) awaitShown(ctx context.Context, l *listener) {
	select {
	case <-l.shown:
	case <-time.After(shownLimit):
	case <-ctx.Done():
	}
}

// grant checks that a callback's token can be the answer to this sign-in. The
// flow has no state that would bind the two (the issuer's design): what the token
// says of itself is what there is to look at.
func (b *Browser) grant(c callback, audiences []string, start time.Time) (*Grant, error) {
	claims, err := parseClaims(c.token)
	if err != nil {
		return nil, err
	}
	now := b.Now()
	switch {
	case strings.TrimRight(claims.Issuer, "/") != b.Issuer:
		return nil, fmt.Errorf("its token is of another issuer, %s", Printable(claims.Issuer))
	case !slices.Contains(claims.Audiences, audiences[0]):
		return nil, fmt.Errorf("its token is not for %s", audiences[0])
	case claims.Subject == "":
		return nil, errors.New("its token names nobody")
	case !claims.Issued.IsZero() && claims.Issued.Before(start.Add(-clockSlack)):
		return nil, fmt.Errorf("%w: it was made before this sign-in began", errOtherTime)
	case !claims.Expires.IsZero() && claims.Expires.Before(now.Add(-clockSlack)):
		return nil, fmt.Errorf("%w: it has expired", errOtherTime)
	}
	return &Grant{
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
		return &SignInError{Why: "found no account", Hint: "get one at " + b.Console + ", then run: docker-credential-cgr login"}
	}
	why := "was refused"
	if c.err != "" {
		why += ": " + Printable(c.err)
	}
	if c.status != 0 {
		why += fmt.Sprintf(" (status %d)", c.status)
	}
	return &SignInError{Why: why, Hint: "to try again, run: docker-credential-cgr login"}
}

// sshServer names this machine as the other end of an SSH session knows it:
// SSH_CONNECTION holds the client's address and port, then the server's (ssh(1)).
func sshServer(connection string) string {
	if fields := strings.Fields(connection); len(fields) == 4 {
		return Printable(fields[2])
	}
	return "THIS-HOST"
}

func minutes(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return d.String()
}

// silent keeps net/http's server off standard error, which is the user's.
var silent = log.New(io.Discard, "", 0)
