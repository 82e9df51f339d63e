package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin/loopback"
	"docker-credential-cgr/signin/openurl"
	"docker-credential-cgr/signin/prompt"
	"docker-credential-cgr/token"
)

// codeAnswer is what the provider redirected the browser with (RFC 6749, section 4.1.2): a
// code or an error.
type codeAnswer struct {
	code, state      string
	issuer           string // RFC 9207; empty if the provider sends none
	err, description string
}

// parseCodeAnswer parses the query of a callback.
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
		return codeAnswer{}, errors.New("it has no state")
	case a.code != "" && a.err != "":
		return codeAnswer{}, errors.New("it has a code and an error")
	case a.code == "" && a.err == "":
		return codeAnswer{}, errors.New("it has neither a code nor an error")
	case platform.HasControl(a.code):
		return codeAnswer{}, errors.New("its code has control characters")
	case len(a.code) > platform.MaxToken:
		return codeAnswer{}, errors.New("its code is too long")
	}
	return a, nil
}

// codeSignIn is the state of a sign-in with an authorization code.
type codeSignIn struct {
	*Provider
	found        *discovered
	client       *oauth2.Config
	prompt       *prompt.Prompt
	redeem       redeemer
	state, nonce string
	verifier     string // of PKCE (RFC 7636)

	once  sync.Once     // for the fields below
	done  chan struct{} // closed when they are set
	grant *token.Grant
	err   error
}

// withCode has the person sign in in a browser, which calls back with a code.
func (p *Provider) withCode(ctx context.Context, found *discovered, redeem redeemer) (*token.Grant, error) {
	end := p.Now().Add(p.Wait)
	s := &codeSignIn{
		Provider: p, found: found, redeem: redeem, done: make(chan struct{}),
		state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(),
	}
	s.prompt = prompt.New(p.Screen, p.Now)
	accept := func(rawQuery string) (loopback.Page, error) { return s.accept(ctx, rawQuery) }
	l, err := loopback.ListenForCallback(loopback.IPv4, accept, warnOfTLS(s.prompt, loopback.IPv4))
	if err != nil {
		return nil, err
	}
	finish := func() { l.AwaitShown(ctx); l.Close() }
	s.client = p.config(found, l.URL())
	defer s.show(l)()
	defer s.prompt.Close()
	w := waiter{prompt: s.prompt, wait: p.Wait, end: end, now: p.Now}
	if err := w.await(ctx, s.done); err != nil {
		s.end(func() (*token.Grant, error) { return nil, err })
	}
	if s.err != nil {
		finish()
		return nil, s.err
	}
	s.grant.Finish = finish
	return s.grant, nil
}

// accept handles the query of a callback. If it does not belong to this sign-in, the sign-in
// continues: otherwise any page could end it (RFC 9700, section 4.7). The browser waits for
// the outcome, and gets the same one if it loads the page again.
func (s *codeSignIn) accept(ctx context.Context, rawQuery string) (loopback.Page, error) {
	answer, err := parseCodeAnswer(rawQuery)
	if err == nil {
		err = s.check(answer)
	}
	if err != nil {
		s.Debug("a callback was not accepted: %v", err)
		return loopback.Page{}, err
	}
	s.end(func() (*token.Grant, error) { return s.finish(ctx, answer) })
	if s.err != nil {
		return loopback.Page{Title: "Not signed in", Text: "See the terminal for the reason and what to do next. You can close this window."}, nil
	}
	return signedInPage(s.grant), nil
}

// end ends the sign-in with the result of the first call. Other calls wait for that.
func (s *codeSignIn) end(result func() (*token.Grant, error)) {
	s.once.Do(func() {
		s.grant, s.err = result()
		close(s.done)
	})
}

// check returns an error unless a callback belongs to this sign-in.
func (s *codeSignIn) check(a codeAnswer) error {
	switch {
	case subtle.ConstantTimeCompare([]byte(a.state), []byte(s.state)) == 0:
		return errors.New("its state is of another sign-in")
	case a.issuer == "" && s.found.NamesIssuer:
		return errors.New("it does not name the provider")
	case a.issuer != "" && a.issuer != s.Issuer: // RFC 9207, section 2.4
		return fmt.Errorf("it is of another provider, %s", platform.Printable(a.issuer))
	}
	return nil
}

// show shows the address and opens a browser if one may be opened. cleanUp removes the file
// that the browser was opened on.
func (s *codeSignIn) show(l *loopback.Callback) (cleanUp func()) {
	cleanUp = func() {}
	address := s.client.AuthCodeURL(s.state, oauth2.S256ChallengeOption(s.verifier), oidc.Nonce(s.nonce))
	lines := prompt.WhereToOpen(l.Host, l.Port, s.Opens)
	if !s.Opens {
		lines = slices.Insert(lines, 1, "if no browser can reach this machine, set CHAINGUARD_AUTH_OIDC_FLOW=device")
	}
	s.prompt.Show(lines, address, s.Wait)
	if !s.Opens {
		return cleanUp
	}
	failed := func() { s.prompt.Say("no browser could be opened: open the address yourself") }
	remove, err := openAuthorization(address, s.IdentityTokenEnv, failed)
	if err != nil {
		s.Debug("cannot start the browser: %v", err)
		failed()
		return cleanUp
	}
	return remove
}

// openAuthorization opens a browser on an authorization URL. Other users of this machine
// can see the arguments of a process, and with the state and nonce one of them could sign
// this user in to their own account. So the URL is passed in a private file. $BROWSER gets
// the URL itself: VS Code's opens it on another machine, which does not have the file.
func openAuthorization(address, secret string, failed func()) (remove func(), err error) {
	if os.Getenv("BROWSER") != "" {
		return func() {}, openurl.Start(address, secret, failed)
	}
	return openurl.StartPrivately(address, secret, failed)
}

// finish redeems the code of the answer, once: a second time would revoke the tokens (RFC
// 6749, section 4.1.2).
func (s *codeSignIn) finish(ctx context.Context, a codeAnswer) (*token.Grant, error) {
	if a.err != "" {
		return nil, refusedBy(a.err, a.description)
	}
	s.Debug("redeeming the code at %s", s.found.TokenURL)
	exchanged, err := s.client.Exchange(s.withClient(ctx), a.code, oauth2.VerifierOption(s.verifier))
	if err != nil {
		return nil, s.ended(ctx, refusal(err, a.code, s.verifier))
	}
	idToken, _ := exchanged.Extra("id_token").(string)
	return s.redeem(ctx, idToken, s.nonce)
}
