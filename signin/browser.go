// Package signin has a person sign in at the platform's issuer or at the identity provider
// of their organization: in a browser on this machine (browser.go, provider_code.go) or on
// another device (headless.go, provider_device.go).
package signin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin/loopback"
	"docker-credential-cgr/signin/openurl"
	"docker-credential-cgr/signin/prompt"
	"docker-credential-cgr/token"
)

// Browser signs a person in at the issuer in a browser, which then calls back a listener
// on this machine.
type Browser struct {
	Issuer  string // URL, without a trailing slash
	Console string // page where people get an account
	// Provider is the UIDP of an identity provider, or the verified name of an
	// organization that has one; empty for the issuer's own providers.
	Provider string
	// Connection is email, google, github or gitlab; empty lets the person choose. It is
	// not used with a Provider.
	Connection string
	// Identity is the UIDP of the identity to assume; empty for the person's own.
	Identity string
	// Invite is the code of an invitation, with which a person can create an account.
	Invite         string
	NoRefreshToken bool
	Opens          bool // a browser may be opened
	// GiveUp ends the sign-in with ErrNoBrowser if no browser can be opened, so that the
	// caller can try another way.
	GiveUp bool
	// IdentityTokenEnv is the name of a variable with a token, which the browser must not
	// inherit; may be empty.
	IdentityTokenEnv string
	Wait             time.Duration // for the person
	Screen           prompt.Screen
	Now              func() time.Time
	Debug            func(format string, args ...any)
}

// ErrNoBrowser means that no browser can be opened on this machine.
var ErrNoBrowser = errors.New("no browser could be opened")

// browserSignIn is the state of one sign-in.
type browserSignIn struct {
	*Browser
	request token.SignInRequest
	start   time.Time
	l       *loopback.Callback
	prompt  *prompt.Prompt

	checking chan struct{} // one element for each answer that is being verified
	granted  chan *token.Grant
	refused  chan error // the first answer that reports a failure
	once     sync.Once  // for refused

	mu sync.Mutex
	// partial is what the platform has accepted so far, by account. The first account with
	// a complete sign-in counts: any program on this machine can send an answer of another
	// account.
	partial map[string]*token.Grant
	started map[string]int // how often each account has started
	// checked has the answers that were verified, by a hash of their token. The same answer
	// comes twice if the page is reloaded, and a refresh token that is redeemed twice ends
	// the session.
	checked  map[[sha256.Size]byte]func() (token.Grant, error)
	finished *token.Grant // the value of granted
}

// maxStarted bounds how often an account may start, as when the page is reloaded. An issuer
// that never issues a token for a single audience would redirect the browser forever.
const maxStarted = 5

// maxChecks bounds the answers that are verified at the same time. Any program on this
// machine can send them.
const maxChecks = 4

// refusedWait is how long a sign-in continues after an answer that reports a failure: any
// program on this machine can send one, and the person may choose another account.
const refusedWait = 10 * time.Second

// checkWait is how long a sign-in continues after its timeout while an answer is verified.
const checkWait = 30 * time.Second

// SignIn has a person sign in and returns what the issuer issued, once the platform has
// accepted it. An error that the person or the issuer caused is a *token.SignInError; with
// GiveUp it may be ErrNoBrowser.
//
// If the issuer gives no refresh token, the browser is redirected to it for one more token
// for each of r.Single.
func (b *Browser) SignIn(ctx context.Context, r token.SignInRequest) (*token.Grant, error) {
	parameters, err := b.parameters(r.Audiences)
	if err != nil {
		return nil, err
	}
	s := &browserSignIn{
		Browser: b, request: r, start: b.Now(),
		checking: make(chan struct{}, maxChecks), granted: make(chan *token.Grant, 1), refused: make(chan error, 1),
		partial: map[string]*token.Grant{}, started: map[string]int{}, checked: map[[sha256.Size]byte]func() (token.Grant, error){},
	}
	s.prompt = prompt.New(b.Screen, b.Now)
	if s.l, err = loopback.ListenForCallback(loopback.Localhost, func(rawQuery string) (loopback.Page, error) { return s.accept(ctx, rawQuery) }, warnOfTLS(s.prompt, loopback.Localhost)); err != nil {
		return nil, err
	}
	address := s.address(parameters)
	s.prompt.Show(prompt.WhereToOpen(s.l.Host, s.l.Port, b.Opens), address, b.Wait)
	defer s.prompt.Close()
	noBrowser := make(chan struct{})
	if b.Opens {
		s.open(address, noBrowser)
	}
	grant, err := s.wait(ctx, noBrowser)
	if err != nil {
		s.l.Close()
		return nil, err
	}
	grant.Finish = func() { s.l.AwaitShown(ctx); s.l.Close() }
	return grant, nil
}

// address returns the URL of the issuer's page. The parameters of its redirect URL tell the
// issuer what the callback accepts.
func (s *browserSignIn) address(parameters url.Values) string {
	parameters.Set("redirect", s.l.URL()+"?token=true&error=true")
	return s.Issuer + "/oauth?" + parameters.Encode()
}

// wait returns the grant that the platform accepted.
func (s *browserSignIn) wait(ctx context.Context, noBrowser <-chan struct{}) (*token.Grant, error) {
	tick := time.NewTicker(time.Second) // compares wall-clock times, since a laptop may sleep
	defer tick.Stop()
	end, failed := s.start.Add(s.Wait), timedOut(s.Wait)
	for {
		select {
		case grant := <-s.granted:
			return grant, nil
		case failed = <-s.refused:
			end = s.Now().Add(refusedWait)
			s.prompt.Say("%v; waiting %s for another answer", failed, refusedWait)
			s.prompt.Until(end)
		case <-noBrowser:
			return nil, ErrNoBrowser
		case <-tick.C:
			s.prompt.Tick()
			if over := s.Now().Sub(end); over >= 0 && len(s.checking) == 0 || over >= checkWait {
				return nil, failed
			}
		case <-ctx.Done():
			select {
			case grant := <-s.granted: // at the same instant
				return grant, nil
			default:
			}
			return nil, stopped(ctx)
		}
	}
}

// accept handles the query of a callback. After an error the sign-in continues: only an
// answer that the platform has accepted ends it.
func (s *browserSignIn) accept(ctx context.Context, rawQuery string) (loopback.Page, error) {
	c, err := parseCallback(rawQuery)
	if err != nil {
		return loopback.Page{}, err
	}
	if c.token == "" {
		s.once.Do(func() { s.refused <- s.refusal(c) })
		return loopback.Page{More: true, Title: "Not signed in", Text: "Sign-in failed: " + platform.Printable(c.err) + ". See the terminal for what to do next. To try again, go back in this window."}, nil
	}
	grant, err := s.read(c)
	if err == nil {
		grant, err = s.check(ctx, c, grant)
	}
	var o loopback.Page
	if err == nil {
		o, err = s.add(grant)
	}
	if err != nil {
		s.Debug("a callback was not accepted: %v", err)
		s.prompt.SayOnce("a callback was not accepted: %v; waiting for another one", err)
	}
	return o, err
}

// check verifies an answer, once for each token.
func (s *browserSignIn) check(ctx context.Context, c callback, grant *token.Grant) (*token.Grant, error) {
	key := sha256.Sum256([]byte(cmp.Or(c.refreshToken, c.token)))
	s.mu.Lock()
	verify, again := s.checked[key]
	if !again {
		verify = sync.OnceValues(func() (token.Grant, error) {
			s.checking <- struct{}{}
			defer func() { <-s.checking }()
			err := s.request.Verify(ctx, grant)
			return *grant, err
		})
		s.checked[key] = verify
	}
	s.mu.Unlock()
	accepted, err := verify()
	accepted.AccessTokens = slices.Clone(accepted.AccessTokens)
	return &accepted, err
}

// missing returns the audiences that need one more token before grant is complete.
func (s *browserSignIn) missing(grant *token.Grant) []string {
	if grant.RefreshToken != "" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.request.Single), func(audience string) bool {
		return slices.ContainsFunc(grant.AccessTokens, func(t token.AccessToken) bool { return t.Only(audience) })
	})
}

// continued returns the partial grant of subject that t completes, or nil if t starts a
// sign-in. The caller holds mu.
func (s *browserSignIn) continued(subject string, t token.AccessToken) *token.Grant {
	if former := s.partial[subject]; former != nil && t.Only(s.missing(former)[0]) {
		return former
	}
	return nil
}

// add adds an answer that the platform has accepted and returns where the browser goes
// next. The first complete answer counts.
func (s *browserSignIn) add(answer *token.Grant) (loopback.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished != nil {
		return signedInPage(s.finished), nil
	}
	if answer.RefreshToken == "" {
		former := s.continued(answer.Subject, answer.AccessTokens[0])
		switch {
		case former != nil:
			answer.AccessTokens = append(former.AccessTokens, answer.AccessTokens...)
		case !slices.Contains(answer.AccessTokens[0].Audiences, s.request.Audiences[0]):
			return loopback.Page{}, errors.New("it is for an audience that has a token already")
		case s.started[answer.Subject] == maxStarted:
			return loopback.Page{}, fmt.Errorf("the issuer issues no token for %s alone", strings.Join(s.missing(answer), " or "))
		default:
			s.started[answer.Subject]++
		}
	}
	if missing := s.missing(answer); len(missing) > 0 {
		parameters, err := s.parameters(missing[:1])
		if err != nil {
			return loopback.Page{}, err
		}
		s.partial[answer.Subject] = answer
		return loopback.Page{Next: s.address(parameters)}, nil
	}
	s.finished = answer
	s.granted <- answer
	return signedInPage(answer), nil
}

// parameters returns the parameters of the issuer's page, except the redirect.
func (b *Browser) parameters(audiences []string) (url.Values, error) {
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
	return q, setConnection(q, b.Provider, b.Connection)
}

// open opens a browser. If that fails, it tells the person and, with GiveUp, closes
// noBrowser.
func (s *browserSignIn) open(address string, noBrowser chan<- struct{}) {
	failed := func() {
		if s.GiveUp {
			s.prompt.Say("no browser could be opened")
			close(noBrowser)
			return
		}
		s.prompt.Say("no browser could be opened: open the address yourself")
	}
	if err := openurl.Start(address, s.IdentityTokenEnv, failed); err != nil {
		s.Debug("cannot start the browser: %v", err)
		failed()
	}
}

// read returns the grant of a callback if its token can be for this sign-in. The issuer's
// flow has no state parameter that would prove it. The platform verifies the token, and its
// clock decides whether it is valid.
func (s *browserSignIn) read(c callback) (*token.Grant, error) {
	claims, err := platform.ParseClaims(c.token)
	if err != nil {
		return nil, err
	}
	t := token.AccessToken{Secret: c.token, Audiences: claims.Audiences, Expires: claims.Expires}
	s.mu.Lock()
	continued := s.continued(claims.Subject, t) != nil
	s.mu.Unlock()
	switch {
	case strings.TrimRight(claims.Issuer, "/") != s.Issuer:
		return nil, fmt.Errorf("its token is of another issuer, %s", platform.Printable(claims.Issuer))
	case !continued && !slices.Contains(claims.Audiences, s.request.Audiences[0]):
		return nil, fmt.Errorf("its token is not for %s", s.request.Audiences[0])
	case claims.Subject == "":
		return nil, errors.New("its token has no subject")
	case s.Identity != "" && claims.Subject != s.Identity:
		return nil, fmt.Errorf("its token is of %s, not of the requested identity", platform.Printable(claims.Subject))
	}
	return &token.Grant{
		Subject: claims.Subject, Email: claims.Email,
		RefreshToken: c.refreshToken, AccessTokens: []token.AccessToken{t},
	}, nil
}

// refusal returns the error for a callback without a token.
func (b *Browser) refusal(c callback) error {
	if c.status == http.StatusNotFound {
		return hint.With(&token.SignInError{Why: "found no account"}, hint.Text("get an account at %s", b.Console), hint.Do(hint.SignIn))
	}
	why := "was refused"
	if c.err != "" {
		why += ": " + platform.Printable(c.err)
	}
	if c.status != 0 {
		why += fmt.Sprintf(" (status %d)", c.status)
	}
	return notFinished("%s", why)
}

// signedInPage returns the last page of a sign-in.
func signedInPage(grant *token.Grant) loopback.Page {
	return loopback.Page{Good: true, Title: "Signed in", Text: "You are signed in as " + grant.Account().String() + ". You can close this window and go back to the terminal."}
}
