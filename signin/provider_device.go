package signin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin/prompt"
	"docker-credential-cgr/token"
)

// The interval between polls, in seconds (RFC 8628, section 3.2).
const (
	standardInterval = 5  // if the provider names none
	maxInterval      = 60 // unless the provider asks to slow down
)

// withDevice has the person sign in in a browser on any device, where they type a code.
func (p *Provider) withDevice(ctx context.Context, found *discovered, redeem redeemer) (*token.Grant, error) {
	client := p.config(found, "")
	code, err := p.requestDeviceCode(ctx, client)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, stopped(ctx)
	case err != nil:
		return nil, fmt.Errorf("the provider %s %w", p.host(), err)
	}
	wait := p.Wait
	if life := time.Until(code.Expiry).Round(time.Second); life > 0 {
		wait = min(wait, life)
	}
	code.Expiry = time.Time{} // the waiter ends in time
	shown := p.showDeviceCode(code, wait)
	defer shown.Close()
	w := waiter{prompt: shown, wait: wait, end: p.Now().Add(wait), now: p.Now}
	var idToken string
	err = w.poll(ctx, func(ctx context.Context) error {
		tokens, err := client.DeviceAccessToken(p.withClient(ctx), code)
		if err != nil {
			return p.pollError(code, err)
		}
		idToken, _ = tokens.Extra("id_token").(string)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return redeem(ctx, idToken, "")
}

// requestDeviceCode requests a device code (RFC 8628, section 3.1). Its error continues a
// sentence about the provider.
func (p *Provider) requestDeviceCode(ctx context.Context, client *oauth2.Config) (*oauth2.DeviceAuthResponse, error) {
	p.Debug("requesting a device code from %s", client.Endpoint.DeviceAuthURL)
	code, err := client.DeviceAuth(p.withClient(ctx))
	switch {
	case err != nil:
		return nil, refusal(err)
	case code.DeviceCode == "" || code.UserCode == "":
		return nil, errors.New("issued no device code")
	case len(code.DeviceCode) > platform.MaxToken || len(code.UserCode) > 100:
		return nil, errors.New("issued a device code that is too long")
	}
	page, err := p.checkAddress(code.VerificationURI)
	if err != nil {
		return nil, fmt.Errorf("issued a device code whose verification_uri %w", err)
	}
	complete, err := p.checkAddress(code.VerificationURIComplete)
	if err != nil || complete.Scheme != page.Scheme || complete.Host != page.Host {
		code.VerificationURIComplete = ""
	}
	if code.Interval <= 0 {
		code.Interval = standardInterval
	}
	code.Interval = min(code.Interval, maxInterval)
	return code, nil
}

// showDeviceCode shows the page and the code and, at a terminal, both as a QR code. A person
// who enters the code of an attacker signs the attacker in (RFC 8628, section 5.4), so the
// prompt warns.
func (p *Provider) showDeviceCode(code *oauth2.DeviceAuthResponse, wait time.Duration) *prompt.Prompt {
	shown := prompt.New(p.Screen, p.Now)
	lines := []string{"sign in with the code " + platform.Printable(code.UserCode)}
	if complete := code.VerificationURIComplete; complete != "" {
		lines = append(lines, "with the code filled in (check that the page shows the same one): "+complete)
		shown.Draw(complete)
	}
	lines = append(lines, "enter it here, on any device, only if you started this yourself:")
	shown.Show(lines, code.VerificationURI, wait)
	return shown
}

// pollError returns the error for the provider's final answer, or a *temporaryError. After
// that the next polls come more slowly (RFC 8628, section 3.5).
func (p *Provider) pollError(code *oauth2.DeviceAuthResponse, err error) error {
	answered := fmt.Errorf("the provider %s %w", p.host(), refusal(err, code.DeviceCode))
	var refused *oauth2.RetrieveError
	switch {
	case !errors.As(err, &refused) || platform.PollEndpoint.IsTemporaryStatus(refused.Response.StatusCode):
		p.Debug("a poll failed: %v", answered)
		code.Interval = min(2*code.Interval, maxInterval)
		return &temporaryError{answered}
	case refused.ErrorCode == "expired_token":
		return notFinished("was not finished before its code expired")
	case refused.ErrorCode == "access_denied":
		return refusedBy(refused.ErrorCode, refused.ErrorDescription)
	}
	return failed(answered)
}
