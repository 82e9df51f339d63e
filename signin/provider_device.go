package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin/prompt"
	"docker-credential-cgr/token"
)

// deviceCode is a device code and what to show of it.
type deviceCode struct {
	secret   string        // for polling
	code     string        // to type, printable
	page     string        // where to type it
	complete string        // URL of the page with the code in it; may be empty
	life     time.Duration // 0 if not known
	interval time.Duration // between two polls, at first
}

// The interval between polls (RFC 8628, sections 3.2 and 3.5).
const (
	standardInterval = 5 * time.Second // if the provider names none
	minInterval      = time.Second
	maxInterval      = time.Minute // at first
	slowDown         = 5 * time.Second
)

// parseDeviceCode parses the answer to a device authorization request (RFC 8628, section
// 3.2). Its error continues a sentence about the provider.
func (p *Provider) parseDeviceCode(answer []byte) (deviceCode, error) {
	var raw struct {
		Secret    string      `json:"device_code"`
		Code      string      `json:"user_code"`
		Page      string      `json:"verification_uri"`
		Complete  string      `json:"verification_uri_complete"`
		ExpiresIn json.Number `json:"expires_in"` // a string from some providers
		Interval  json.Number `json:"interval"`
	}
	if json.Unmarshal(answer, &raw) != nil || raw.Secret == "" || raw.Code == "" {
		return deviceCode{}, errors.New("issued no device code")
	}
	if len(raw.Secret) > platform.MaxToken || len(raw.Code) > 100 {
		return deviceCode{}, errors.New("issued a device code that is too long")
	}
	page, err := p.checkAddress(raw.Page)
	if err != nil {
		return deviceCode{}, fmt.Errorf("issued a device code whose verification_uri %w", err)
	}
	d := deviceCode{
		secret: raw.Secret, code: platform.Printable(raw.Code), page: page.String(),
		life: seconds(raw.ExpiresIn), interval: standardInterval,
	}
	if interval := seconds(raw.Interval); interval > 0 {
		d.interval = min(max(interval, minInterval), maxInterval)
	}
	if complete, err := p.checkAddress(raw.Complete); err == nil && complete.Scheme == page.Scheme && complete.Host == page.Host {
		d.complete = complete.String()
	}
	return d, nil
}

// seconds returns n seconds, at most a day, or 0 if n is not valid.
func seconds(n json.Number) time.Duration {
	const day = 24 * time.Hour
	f, err := n.Float64()
	if err != nil {
		return 0
	}
	return time.Duration(min(max(f, 0), day.Seconds()) * float64(time.Second))
}

// withDevice has the person sign in in a browser on any device, where they type a code.
func (p *Provider) withDevice(ctx context.Context, found *discovered, redeem redeemer) (*token.Grant, error) {
	d, err := p.requestDeviceCode(ctx, found.DeviceAuthURL)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, stopped(ctx)
	case err != nil:
		return nil, fmt.Errorf("the provider %s %w", p.host(), err)
	}
	wait := p.Wait
	if d.life > 0 {
		wait = min(wait, d.life)
	}
	shown := p.showDeviceCode(d, wait)
	defer shown.Close()
	w := poller{prompt: shown, wait: wait, end: p.Now().Add(wait), now: p.Now, debug: p.Debug}
	var idToken string
	pace := pace{interval: d.interval}
	err = w.poll(ctx, pace.pause, func(ctx context.Context) (err error) {
		idToken, err = p.pollDevice(ctx, found.TokenURL, d.secret)
		pace.adapt(err)
		return err
	})
	if err != nil {
		return nil, err
	}
	return redeem(ctx, idToken, "")
}

// requestDeviceCode requests a device code (RFC 8628, section 3.1).
func (p *Provider) requestDeviceCode(ctx context.Context, endpoint string) (deviceCode, error) {
	p.Debug("requesting a device code from %s", endpoint)
	answer, err := p.post(ctx, endpoint, url.Values{"client_id": {p.ClientID}, "scope": {strings.Join(scopes, " ")}})
	if err != nil {
		return deviceCode{}, refusal(err)
	}
	return p.parseDeviceCode(answer)
}

// showDeviceCode shows the page and the code and, at a terminal, both as a QR code. A person
// who enters the code of an attacker signs the attacker in (RFC 8628, section 5.4), so the
// prompt warns.
func (p *Provider) showDeviceCode(d deviceCode, wait time.Duration) *prompt.Prompt {
	lines := []string{"sign in with the code " + d.code}
	if d.complete != "" {
		lines = append(lines, "with the code filled in (check that the page shows the same one): "+d.complete)
	}
	lines = append(lines, "enter it here, on any device, only if you started this yourself:")
	shown := prompt.New(p.Screen, p.Now)
	if d.complete != "" {
		shown.Draw(d.complete)
	}
	shown.Show(lines, d.page, wait)
	return shown
}

// pace is the time between two polls.
type pace struct {
	interval time.Duration // that the provider requests
	extra    time.Duration // while the provider does not answer
}

func (p *pace) pause() time.Duration { return p.interval + p.extra }

// adapt changes the pace after a poll that returned err (RFC 8628, section 3.5).
func (p *pace) adapt(err error) {
	var temporary *temporaryError
	switch {
	case errors.As(err, &temporary):
		p.extra = min(max(p.interval, 2*p.extra), maxInterval)
		return
	case errors.Is(err, errSlowDown):
		p.interval += slowDown // for all further polls
	}
	p.extra = 0
}

// errSlowDown is errPending with the request to poll more slowly.
var errSlowDown = fmt.Errorf("%w; polling too fast", errPending)

// pollDevice polls once (RFC 8628, section 3.4) and returns the ID token. Its errors are
// those of poller.poll.
func (p *Provider) pollDevice(ctx context.Context, endpoint, secret string) (idToken string, err error) {
	answer, err := p.post(ctx, endpoint, url.Values{
		"grant_type":  {"urn:ietf:params:oauth:grant-type:device_code"},
		"device_code": {secret},
		"client_id":   {p.ClientID},
	})
	if err == nil {
		var tokens struct {
			ID string `json:"id_token"`
		}
		_ = json.Unmarshal(answer, &tokens) // verify reports a missing one
		return tokens.ID, nil
	}
	answered := fmt.Errorf("the provider %s %w", p.host(), refusal(err, secret))
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return "", &temporaryError{answered}
	}
	switch refused.ErrorCode {
	case "authorization_pending":
		return "", errPending
	case "slow_down":
		return "", errSlowDown
	case "expired_token":
		return "", notFinished("was not finished before its code expired")
	case "access_denied":
		return "", refusedBy(refused.ErrorCode, refused.ErrorDescription)
	}
	if platform.PollEndpoint.IsTemporaryStatus(refused.Response.StatusCode) {
		return "", &temporaryError{answered}
	}
	return "", failed(answered)
}

// post sends a form to the provider and returns the body of the answer. If the provider
// refuses, the error is an *oauth2.RetrieveError.
func (p *Provider) post(ctx context.Context, endpoint string, form url.Values) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	resp, err := p.sender().Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var refused struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	err = json.Unmarshal(body, &refused)
	switch {
	case resp.StatusCode != http.StatusOK || refused.Code != "": // some refuse with a 200
		return nil, &oauth2.RetrieveError{Response: resp, ErrorCode: refused.Code, ErrorDescription: refused.Description}
	case err != nil:
		return nil, errors.New("the answer is not JSON")
	}
	return body, nil
}
