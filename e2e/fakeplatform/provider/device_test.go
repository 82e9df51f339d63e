package provider_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/fakeplatform/provider"
)

// poll asks once, and gives the error's code, or the ID token. The library's own loop would wait.
func (c client) poll(t *testing.T, deviceCode string) (code, idToken string) {
	t.Helper()
	token, err := c.Exchange(t.Context(), "",
		oauth2.SetAuthURLParam("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
		oauth2.SetAuthURLParam("device_code", deviceCode))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused):
		return refused.ErrorCode, ""
	case err != nil:
		t.Fatal(err)
	}
	return "", rawIDToken(token)
}

func (c client) device(t *testing.T) *oauth2.DeviceAuthResponse {
	t.Helper()
	answer, err := c.DeviceAuth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestDeviceFlow(t *testing.T) {
	p := start(t)
	c := discover(t, p)
	device := c.device(t)
	if device.VerificationURI != p.Provider.Issuer+"/device" || device.Interval != 5 || time.Until(device.Expiry) < 9*time.Minute {
		t.Errorf("got %+v", device)
	}
	if code, _ := c.poll(t, device.DeviceCode); code != "authorization_pending" {
		t.Errorf("got %q before anybody decided", code)
	}
	if err := fakeplatform.Approve(t.Context(), device.VerificationURIComplete, fakeplatform.Ada, "wrong", "lovelace"); err != nil {
		t.Fatal(err)
	}
	code, raw := c.poll(t, device.DeviceCode)
	idToken, err := c.idToken(t.Context(), raw)
	if err != nil {
		t.Fatalf("got %q and an ID token that is wrong: %v", code, err)
	}
	var claims struct{ Email string }
	if err := idToken.Claims(&claims); err != nil || claims.Email != fakeplatform.Ada {
		t.Errorf("got the ID token of %q (%v)", claims.Email, err)
	}
	if code, raw := c.poll(t, device.DeviceCode); code == "" || raw != "" {
		t.Error("the device code is good twice")
	}
	if !slices.Contains(p.Issued(), device.DeviceCode) || !slices.Contains(p.Issued(), raw) {
		t.Error("Issued does not know what was handed out")
	}
	if p.Count("provider.device") != 1 || p.Count("provider.poll") != 3 || p.Count("provider.code") != 0 {
		t.Errorf("got %d device requests and %d polls, want 1 and 3", p.Count("provider.device"), p.Count("provider.poll"))
	}
}

func TestDeviceDenied(t *testing.T) {
	c := discover(t, start(t))
	device := c.device(t)
	if _, err := fakeplatform.Deny(t.Context(), device.VerificationURIComplete); err == nil || !strings.Contains(err.Error(), "denied") {
		t.Errorf("the page after a denial: %v", err)
	}
	if code, _ := c.poll(t, device.DeviceCode); code != "access_denied" {
		t.Errorf("got %q, want access_denied", code)
	}
}

func TestDeviceAutoApprove(t *testing.T) {
	c := discover(t, start(t, fakeplatform.WithAutoApprove()))
	device := c.device(t)
	if err := fakeplatform.Approve(t.Context(), device.VerificationURIComplete, ""); err != nil {
		t.Fatal(err)
	}
	if _, raw := c.poll(t, device.DeviceCode); raw == "" {
		t.Error("got no ID token after the visit")
	}
}

func TestUserCodePage(t *testing.T) {
	p := start(t)
	device := discover(t, p).device(t)
	letters := strings.ReplaceAll(device.UserCode, "-", "")
	tests := map[string]struct {
		typed  string
		status int
		shows  string
	}{
		"nothing":          {"", 200, `id="user_code"`},
		"the code":         {device.UserCode, 200, `value="` + device.UserCode + `"`},
		"in small letters": {strings.ToLower(letters), 200, `value="` + device.UserCode + `"`},
		"with spaces":      {letters[:4] + " " + letters[4:], 200, `value="` + device.UserCode + `"`},
		"another code":     {"XXXX-XXXX", 404, `id="error"`},
		"no code":          {"<script>", 404, `id="error"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status, text := fetch(t, device.VerificationURI+"?"+url.Values{"user_code": {test.typed}}.Encode())
			if status != test.status || !strings.Contains(text, test.shows) {
				t.Errorf("got %d %s, want %d with %s", status, text, test.status, test.shows)
			}
		})
	}
}

// TestDevicePolledTooEarly is RFC 8628 section 3.5: what was told is held to, and slowing down is for good.
func TestDevicePolledTooEarly(t *testing.T) {
	p := start(t)
	c := discover(t, p)
	tests := map[string]struct {
		interval any // nil leaves it out
		want     string
	}{
		"a minute":     {60, "slow_down"},
		"an hour":      {3600, "slow_down"},
		"0":            {0, "authorization_pending"},
		"none":         {nil, "authorization_pending"},
		"not a number": {"5", "authorization_pending"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p.Change(func(b *fakeplatform.Behavior) {
				b.Provider.Device = func(answer map[string]any) {
					if answer["interval"] = test.interval; test.interval == nil {
						delete(answer, "interval")
					}
				}
			})
			code := deviceCode(t, p)
			if got, _ := c.poll(t, code); got != "authorization_pending" {
				t.Errorf("got %q at first", got)
			}
			if got, _ := c.poll(t, code); got != test.want {
				t.Errorf("got %q at once after it, want %q", got, test.want)
			}
		})
	}
}

// deviceCode asks by hand: a library refuses answers that are wrong.
func deviceCode(t *testing.T, p *fakeplatform.Platform) string {
	t.Helper()
	return deviceAnswer(t, p)["device_code"].(string)
}

func deviceAnswer(t *testing.T, p *fakeplatform.Platform) map[string]any {
	t.Helper()
	resp, err := http.PostForm(p.Provider.Issuer+"/device_authorization",
		url.Values{"client_id": {provider.ClientID}, "scope": {"openid email"}})
	return object(t, resp, err)
}
