// Package signin is how a person signs in with the platform's issuer.
package signin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
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

// Browser signs a person in through the issuer's page in a browser, which then
// comes back to a listener on this machine.
type Browser struct {
	Issuer  string // URL, without a trailing slash
	Console string // page where people get an account
	// Provider is the UIDP of an identity provider, or the verified name of an
	// organization that has one; empty for the issuer's own providers.
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
	Screen           prompt.Screen
	Now              func() time.Time
	Debug            func(format string, args ...any)
}

// ErrNoBrowser says that no browser could be opened here.
var ErrNoBrowser = errors.New("no browser could be opened here")

// browserSignIn is one sign-in in a browser on its way.
type browserSignIn struct {
	*Browser
	request token.SignInRequest
	start   time.Time
	l       *loopback.Callback
	prompt  *prompt.Prompt

	checking chan struct{} // one element for each answer that the platform may be asked about at once
	granted  chan *token.Grant
	refused  chan error // the first answer that says that the sign-in failed
	once     sync.Once  // for refused

	mu sync.Mutex
	// partial is what the platform has accepted so far, by account. The account counts
	// whose sign-in is complete first: anyone on this machine can send an answer of
	// their own account.
	partial map[string]*token.Grant
	begun   map[string]int // how often each account has begun
	// checked are the answers that the platform was asked about, by a hash of their
	// token. Of two that are the same, as when a page is loaded again, one is checked:
	// a refresh token that is redeemed twice ends the session.
	checked  map[[sha256.Size]byte]func() (token.Grant, error)
	finished *token.Grant // the value of granted
}

// maxBegun is how often an account may begin a sign-in, as who loads the page anew
// does. An issuer that never gives a token for one audience alone would send the
// browser around for ever.
const maxBegun = 5

// maxChecks is how many answers the platform is asked about at the same time.
// Anyone on this machine can send one.
const maxChecks = 4

// refusedWait is how long a sign-in waits for another answer after one that says
// that it failed: anyone on this machine can send that, and the person may go back
// and choose another account.
const refusedWait = 10 * time.Second

// checkWait is how long an answer that the platform is being asked about keeps a
// sign-in going whose time is up.
const checkWait = 30 * time.Second

// SignIn has a person sign in and returns what the issuer hands out, once the
// platform has accepted it. Its errors for what the person or the issuer did are
// *token.SignInError; with GiveUp it may be ErrNoBrowser.
//
// Where the issuer gives no refresh token, the same window is sent on to it for a
// token of its own for each of r.Single.
func (b *Browser) SignIn(ctx context.Context, r token.SignInRequest) (*token.Grant, error) {
	parameters, err := b.parameters(r.Audiences)
	if err != nil {
		return nil, err
	}
	opens := b.Force || openurl.Usable(os.Getenv, os.Geteuid())
	if !opens && b.GiveUp {
		return nil, ErrNoBrowser
	}
	s := &browserSignIn{
		Browser: b, request: r, start: b.Now(),
		checking: make(chan struct{}, maxChecks), granted: make(chan *token.Grant, 1), refused: make(chan error, 1),
		partial: map[string]*token.Grant{}, begun: map[string]int{}, checked: map[[sha256.Size]byte]func() (token.Grant, error){},
	}
	s.prompt = prompt.New(b.Screen, b.Now)
	if s.l, err = loopback.ListenForCallback(loopback.Localhost, func(rawQuery string) (loopback.Page, error) { return s.take(ctx, rawQuery) }, insistsOnTLS(s.prompt, loopback.Localhost)); err != nil {
		return nil, err
	}
	address := s.address(parameters)
	s.prompt.Show(whereToOpen(s.l, opens), address, b.Wait)
	defer s.prompt.Close()
	noBrowser := make(chan struct{})
	if opens {
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

// address returns the issuer's page. The redirect's parameters tell the issuer
// what the callback takes.
func (s *browserSignIn) address(parameters url.Values) string {
	parameters.Set("redirect", s.l.URL()+"?token=true&error=true")
	return s.Issuer + "/oauth?" + parameters.Encode()
}

// wait returns the grant that the platform accepted, or why there is none.
func (s *browserSignIn) wait(ctx context.Context, noBrowser <-chan struct{}) (*token.Grant, error) {
	// The clock on the wall counts, which goes on while a laptop sleeps.
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	end, failed := s.start.Add(s.Wait), timeUp(s.Wait)
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
			case grant := <-s.granted: // at the same instant: it is not thrown away
				return grant, nil
			default:
			}
			return nil, stopped(ctx)
		}
	}
}

// take looks at the query of a callback. Its error leaves the sign-in waiting: what
// anyone on this machine can send ends it only when the platform has accepted it.
func (s *browserSignIn) take(ctx context.Context, rawQuery string) (loopback.Page, error) {
	c, err := parseCallback(rawQuery)
	if err != nil {
		return loopback.Page{}, err
	}
	if c.token == "" {
		s.once.Do(func() { s.refused <- s.refusal(c) })
		return loopback.Page{More: true, Title: "Not signed in", Text: "Sign-in failed: " + platform.Printable(c.err) + ". See the terminal for the next step. To try again, go back in this window."}, nil
	}
	grant, err := s.read(c)
	if err == nil {
		grant, err = s.check(ctx, c, grant)
	}
	var o loopback.Page
	if err == nil {
		o, err = s.accept(grant)
	}
	if err != nil {
		s.Debug("an answer is not accepted: %v", err)
		s.prompt.SayOnce("an answer was not accepted: %v; waiting for another one", err)
	}
	return o, err
}

// check asks the platform whether it accepts an answer, once for each token.
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

// missing returns the audiences for which the browser is sent on to the issuer, for a
// token of their own, before grant is complete.
func (s *browserSignIn) missing(grant *token.Grant) []string {
	if grant.RefreshToken != "" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.request.Single), func(audience string) bool {
		return slices.ContainsFunc(grant.AccessTokens, func(t token.AccessToken) bool { return t.Only(audience) })
	})
}

// continued returns the partial grant of subject that t is the next token of, or nil
// where t begins a sign-in. The caller holds mu.
func (s *browserSignIn) continued(subject string, t token.AccessToken) *token.Grant {
	if former := s.partial[subject]; former != nil && t.Only(s.missing(former)[0]) {
		return former
	}
	return nil
}

// accept adds an answer that the platform has accepted, and returns where the
// browser goes next. Of two complete answers the first one counts.
func (s *browserSignIn) accept(answer *token.Grant) (loopback.Page, error) {
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
			return loopback.Page{}, errors.New("its audience was answered already")
		case s.begun[answer.Subject] == maxBegun:
			return loopback.Page{}, fmt.Errorf("the issuer gives no token for %s alone", strings.Join(s.missing(answer), " or "))
		default:
			s.begun[answer.Subject]++
		}
	}
	if missing := s.missing(answer); len(missing) > 0 {
		parameters, err := s.parameters(missing[:1])
		if err != nil {
			return loopback.Page{}, err // not possible: it was made once
		}
		s.partial[answer.Subject] = answer
		return loopback.Page{Next: s.address(parameters)}, nil
	}
	s.finished = answer
	s.granted <- answer
	return signedInPage(answer), nil
}

// parameters are those of the page that the person signs in at, but for the
// redirect.
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
	return q, choose(q, b.Provider, b.Connection)
}

// open opens a browser on address. Where that fails, the person is told, and
// with GiveUp noBrowser is closed.
func (s *browserSignIn) open(address string, noBrowser chan<- struct{}) {
	failed := func() {
		if s.GiveUp && !s.Force {
			s.prompt.Say("no browser could be opened")
			close(noBrowser)
			return
		}
		s.prompt.Say("no browser could be opened: open the address yourself")
	}
	if err := openurl.Start(address, s.IdentityTokenEnv, failed); err != nil {
		s.Debug("cannot start the opener: %v", err)
		failed()
	}
}

// read checks that a callback's token can be the answer to this sign-in, so that
// the platform is not asked about every stranger's. The flow has no state that
// would bind the two (the issuer's design). The token's times are the platform's
// to judge, whose clock counts.
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
		return nil, errors.New("its token names nobody")
	case s.Identity != "" && claims.Subject != s.Identity:
		return nil, fmt.Errorf("its token is of %s, not of the identity that was asked for", platform.Printable(claims.Subject))
	}
	return &token.Grant{
		Subject: claims.Subject, Email: claims.Email,
		RefreshToken: c.refreshToken, AccessTokens: []token.AccessToken{t},
	}, nil
}

// refusal makes an error of a callback without a token.
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
