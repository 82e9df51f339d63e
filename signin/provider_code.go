package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin/loopback"
	"docker-credential-cgr/signin/openurl"
	"docker-credential-cgr/signin/prompt"
	"docker-credential-cgr/token"
)

// codeAnswer is what the provider sent the browser back with (RFC 6749, section
// 4.1.2). Exactly one of code and err is set.
type codeAnswer struct {
	code, state      string
	issuer           string // RFC 9207; empty where the provider sends none
	err, description string
}

// parseCodeAnswer reads the query of a callback.
func parseCodeAnswer(rawQuery string) (codeAnswer, error) {
	q, err := loopback.ParseQuery(rawQuery)
	if err != nil {
		return codeAnswer{}, err
	}
	a := codeAnswer{
		code: q.Get("code"), state: q.Get("state"), issuer: q.Get("iss"),
		err: q.Get("error"), description: q.Get("error_description"),
	}
	switch {
	case a.state == "":
		return codeAnswer{}, errors.New("it holds no state")
	case a.code != "" && a.err != "":
		return codeAnswer{}, errors.New("it holds a code and an error")
	case a.code == "" && a.err == "":
		return codeAnswer{}, errors.New("it holds neither a code nor an error")
	case platform.HasControl(a.code):
		return codeAnswer{}, errors.New("its code holds control characters")
	case len(a.code) > platform.MaxToken:
		return codeAnswer{}, errors.New("its code is too long")
	}
	return a, nil
}

// codeSignIn is a sign-in with an authorization code on its way.
type codeSignIn struct {
	*Provider
	found        *discovered
	client       *oauth2.Config
	prompt       *prompt.Prompt
	redeem       redeemer
	state, nonce string
	verifier     string             // of PKCE (RFC 7636)
	answers      chan codeAnswer    // the one that is taken
	pages        chan loopback.Page // what the browser is told in the end
	over         chan struct{}      // closed when nobody waits for an answer any more

	mu   sync.Mutex
	page *loopback.Page // what came of the answer
}

// withCode has the person sign in in a browser, which comes back to this machine
// with a code.
func (p *Provider) withCode(ctx context.Context, found *discovered, redeem redeemer) (*token.Grant, error) {
	end := p.Now().Add(p.Wait)
	s := &codeSignIn{
		Provider: p, found: found, redeem: redeem,
		state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(),
		answers: make(chan codeAnswer, 1), pages: make(chan loopback.Page, 1), over: make(chan struct{}),
	}
	s.prompt = prompt.New(p.Screen, p.Now)
	l, err := loopback.ListenForCallback(loopback.IPv4, s.take, insistsOnTLS(s.prompt, loopback.IPv4))
	if err != nil {
		return nil, err
	}
	s.client = p.config(found, l.URL())
	defer s.ask(l)()
	defer s.prompt.Close()
	answer, err := s.await(ctx, end)
	if err != nil {
		close(s.over)
		l.Close()
		return nil, err
	}
	grant, err := s.finish(ctx, answer)
	if err != nil {
		s.pages <- loopback.Page{Title: "Not signed in", Text: "See the terminal for the reason and the next step. You can close this window."}
		l.AwaitShown(ctx)
		l.Close()
		return nil, err
	}
	s.pages <- signedInPage(grant)
	grant.Finish = func() { l.AwaitShown(ctx); l.Close() }
	return grant, nil
}

// take is the listener's. What is not the answer to this sign-in leaves it waiting:
// else any page could end it (RFC 9700, section 4.7). The browser learns how it
// ended when that is known.
func (s *codeSignIn) take(rawQuery string) (loopback.Page, error) {
	answer, err := parseCodeAnswer(rawQuery)
	if err == nil {
		err = s.check(answer)
	}
	if err != nil {
		s.Debug("a callback is not taken: %v", err)
		return loopback.Page{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.page != nil {
		return *s.page, nil // the browser loads the page again
	}
	s.answers <- answer // which has room: one gets here
	select {
	case page := <-s.pages:
		s.page = &page
	case <-s.over:
		s.page = &loopback.Page{Title: "Not signed in", Text: "The sign-in had already ended. See the terminal for the next step. You can close this window."}
	}
	return *s.page, nil
}

// check says why a callback is not the answer to this sign-in.
func (s *codeSignIn) check(a codeAnswer) error {
	switch {
	case subtle.ConstantTimeCompare([]byte(a.state), []byte(s.state)) == 0:
		return errors.New("its state is of another sign-in")
	case a.issuer == "" && s.found.NamesIssuer:
		return errors.New("it names no provider, as this one always does")
	case a.issuer != "" && a.issuer != s.Issuer: // RFC 9207, section 2.4
		return fmt.Errorf("it is of another provider, %s", platform.Printable(a.issuer))
	}
	return nil
}

// ask shows the address, and opens a browser on it where one may be opened. cleanUp
// removes what the browser was opened on.
func (s *codeSignIn) ask(l *loopback.Callback) (cleanUp func()) {
	cleanUp = func() {}
	address := s.client.AuthCodeURL(s.state, oauth2.S256ChallengeOption(s.verifier), oidc.Nonce(s.nonce))
	lines := whereToOpen(l, s.Opens)
	if !s.Opens {
		lines = append(lines[:1], append([]string{"where no browser can reach this machine, set CHAINGUARD_AUTH_OIDC_FLOW=device"}, lines[1:]...)...)
	}
	s.prompt.Show(lines, address, s.Wait)
	if !s.Opens {
		return cleanUp
	}
	failed := func() { s.prompt.Say("no browser could be opened: open the address yourself") }
	remove, err := openAuthorization(address, s.IdentityTokenEnv, failed)
	if err != nil {
		s.Debug("cannot start the opener: %v", err)
		failed()
		return cleanUp
	}
	return remove
}

// openAuthorization opens a browser on an authorization address. Its state and nonce
// would let another user of the machine, who sees them in the arguments of the process,
// sign this user in as themselves, so that they go through a private file. $BROWSER
// gets the address as it is: VS Code's opens it on another machine, which has no such
// file.
func openAuthorization(address, secret string, failed func()) (remove func(), err error) {
	if os.Getenv("BROWSER") != "" {
		return func() {}, openurl.Start(address, secret, failed)
	}
	return openurl.StartPrivately(address, secret, failed)
}

// await waits for the answer until end.
func (s *codeSignIn) await(ctx context.Context, end time.Time) (codeAnswer, error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case answer := <-s.answers:
			return answer, nil
		case <-tick.C:
			s.prompt.Tick()
			// The clock on the wall counts, which goes on while a laptop sleeps.
			if !s.Now().Before(end) {
				return codeAnswer{}, timeUp(s.Wait)
			}
		case <-ctx.Done():
			return codeAnswer{}, stopped(ctx)
		}
	}
}

// finish makes a grant of the answer. The code is presented once, whatever comes of
// it: a second time would revoke what the first one brought (RFC 6749, section
// 4.1.2).
func (s *codeSignIn) finish(ctx context.Context, a codeAnswer) (*token.Grant, error) {
	if a.err != "" {
		return nil, refusedBy(a.err, a.description)
	}
	s.Debug("presenting the code at %s", s.found.TokenURL)
	exchanged, err := s.client.Exchange(s.withClient(ctx), a.code, oauth2.VerifierOption(s.verifier))
	if err != nil {
		return nil, s.ended(ctx, refusal(err, a.code, s.verifier))
	}
	idToken, _ := exchanged.Extra("id_token").(string)
	return s.redeem(ctx, idToken, s.nonce)
}
