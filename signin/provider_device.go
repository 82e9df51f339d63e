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

// deviceCode is a device code that people can be shown.
type deviceCode struct {
	secret   string        // what is polled with
	code     string        // what people type, printable
	page     string        // where they type it
	complete string        // page with the code in it, or empty
	life     time.Duration // 0 where it is not known
	interval time.Duration // between two polls, to begin with
}

// The interval between polls (RFC 8628, sections 3.2 and 3.5).
const (
	standardInterval = 5 * time.Second // where the provider names none
	leastInterval    = time.Second
	mostInterval     = time.Minute // that it may begin with
	slowDown         = 5 * time.Second
)

// parseDeviceCode reads the answer to a device authorization request (RFC 8628,
// section 3.2). Its error says what the provider did.
func (p *Provider) parseDeviceCode(answer []byte) (deviceCode, error) {
	var raw struct {
		Secret    string      `json:"device_code"`
		Code      string      `json:"user_code"`
		Page      string      `json:"verification_uri"`
		Complete  string      `json:"verification_uri_complete"`
		ExpiresIn json.Number `json:"expires_in"` // which some write as a string
		Interval  json.Number `json:"interval"`
	}
	if json.Unmarshal(answer, &raw) != nil || raw.Secret == "" || raw.Code == "" {
		return deviceCode{}, errors.New("gave no device code")
	}
	if len(raw.Secret) > platform.MaxToken || len(raw.Code) > 100 {
		return deviceCode{}, errors.New("gave a device code that is too long")
	}
	page, err := p.checkAddress(raw.Page)
	if err != nil {
		return deviceCode{}, fmt.Errorf("gave a device code whose verification_uri %w", err)
	}
	d := deviceCode{
		secret: raw.Secret, code: platform.Printable(raw.Code), page: page.String(),
		life: seconds(raw.ExpiresIn), interval: standardInterval,
	}
	if interval := seconds(raw.Interval); interval > 0 {
		d.interval = min(max(interval, leastInterval), mostInterval)
	}
	if complete, err := p.checkAddress(raw.Complete); err == nil && complete.Scheme == page.Scheme && complete.Host == page.Host {
		d.complete = complete.String()
	}
	return d, nil
}

// seconds is n seconds, a day at most, and 0 where n is no span of time.
func seconds(n json.Number) time.Duration {
	const day = 24 * time.Hour
	f, err := n.Float64()
	if err != nil {
		return 0
	}
	return time.Duration(min(max(f, 0), day.Seconds()) * float64(time.Second))
}

// withDevice has the person sign in in a browser on any device, with a code that
// they type there.
func (p *Provider) withDevice(ctx context.Context, found *discovered, redeem redeemer) (*token.Grant, error) {
	d, err := p.askDeviceCode(ctx, found.DeviceAuthURL)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, stopped(ctx)
	case err != nil: // before anybody was asked
		return nil, fmt.Errorf("the provider %s %w", p.host(), err)
	}
	wait := p.Wait
	if d.life > 0 {
		wait = min(wait, d.life)
	}
	shown := p.showDeviceCode(d, wait)
	defer shown.Close()
	w := waiting{prompt: shown, wait: wait, end: p.Now().Add(wait), now: p.Now, debug: p.Debug}
	var idToken string
	pace := pace{interval: d.interval}
	err = w.poll(ctx, pace.pause, func(ctx context.Context) (err error) {
		idToken, err = p.pollDevice(ctx, found.TokenURL, d.secret)
		pace.heed(err)
		return err
	})
	if err != nil {
		return nil, err
	}
	return redeem(ctx, idToken, "")
}

// askDeviceCode asks for a device code (RFC 8628, section 3.1).
func (p *Provider) askDeviceCode(ctx context.Context, endpoint string) (deviceCode, error) {
	p.Debug("asking %s for a device code", endpoint)
	answer, err := p.post(ctx, endpoint, url.Values{"client_id": {p.ClientID}, "scope": {strings.Join(scopes, " ")}})
	if err != nil {
		return deviceCode{}, refusal(err)
	}
	return p.parseDeviceCode(answer)
}

// showDeviceCode shows the page and the code, and both in one as a QR code on a
// terminal. Whoever gets a stranger to enter a code is signed in as the stranger
// (RFC 8628, section 5.4), so people are told.
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

// pace is how fast polls may come.
type pace struct {
	interval time.Duration // that the provider asks for
	late     time.Duration // on top of it, while it does not answer
}

func (p *pace) pause() time.Duration { return p.interval + p.late }

// heed sets the pace after a poll that brought err (RFC 8628, section 3.5).
func (p *pace) heed(err error) {
	var trouble *passing
	switch {
	case errors.As(err, &trouble):
		p.late = min(max(p.interval, 2*p.late), mostInterval)
		return
	case errors.Is(err, errSlowDown):
		p.interval += slowDown // for good
	}
	p.late = 0
}

// errSlowDown is errNotYet, with the demand to poll more slowly.
var errSlowDown = fmt.Errorf("%w; the polls come too fast", errNotYet)

// pollDevice asks once whether somebody has approved (RFC 8628, section 3.4), and
// gives their ID token. Its errors are those that waiting.poll knows.
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
		_ = json.Unmarshal(answer, &tokens) // where there is none, verify says so
		return tokens.ID, nil
	}
	said := fmt.Errorf("the provider %s %w", p.host(), refusal(err, secret))
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return "", &passing{said}
	}
	switch refused.ErrorCode {
	case "authorization_pending":
		return "", errNotYet
	case "slow_down":
		return "", errSlowDown
	case "expired_token":
		return "", notFinished("was not finished before its code expired")
	case "access_denied":
		return "", refusedBy(refused.ErrorCode, refused.ErrorDescription)
	}
	if statusMayPass(refused.Response.StatusCode) {
		return "", &passing{said}
	}
	return "", failed(said)
}

// post sends a form to the provider, once, and gives the answer's body. Where that
// is a refusal, the error is an *oauth2.RetrieveError.
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
	var words struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	err = json.Unmarshal(body, &words) // a page has none
	switch {
	case resp.StatusCode != http.StatusOK || words.Code != "": // some refuse with a 200
		return nil, &oauth2.RetrieveError{Response: resp, ErrorCode: words.Code, ErrorDescription: words.Description}
	case err != nil:
		return nil, errors.New("it is not the JSON of one")
	}
	return body, nil
}
