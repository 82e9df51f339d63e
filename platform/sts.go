package platform

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// STS is the issuer's security token service. It takes forms and returns JSON.
type STS struct {
	Issuer    string // its URL, without a trailing slash
	Transport http.RoundTripper
	Now       func() time.Time
	Warn      func(error)
	Debug     func(format string, args ...any)
}

// TokenRequest describes the token to request. An empty field is not sent.
type TokenRequest struct {
	Audiences []string // the token must have exactly these
	// Identity is the UIDP of the identity to assume, or "" for a user's token. Only an
	// exchange sends it: a refresh token belongs to one identity.
	Identity string
	// IdentityProvider is the UIDP of the provider that issued the ID token, if it is an
	// organization's own. Only an exchange sends it.
	IdentityProvider string
	Scopes           []string // UIDPs of the groups that the token is limited to
	Capabilities     []string // that the token is limited to
}

// form returns the parameters that an exchange and a refresh share.
func (r TokenRequest) form() url.Values {
	form := url.Values{}
	for name, values := range map[string][]string{"aud": r.Audiences, "scopes": r.Scopes, "cap": r.Capabilities} {
		if len(values) > 0 {
			form[name] = values
		}
	}
	return form
}

// ClockSlack is the difference to a server's clock from which on a user is warned and a
// time in the future counts as wrong.
const ClockSlack = 5 * time.Minute

// stepTimeout is how long one request may take.
const stepTimeout = 8 * time.Second

// Refresh redeems a refresh token for an access token
// (POST /sts/exchange_refresh_token). The result's RefreshToken is empty if the one that
// was sent stays valid. Its Expiry is by this machine's clock, and zero if the token has
// none. Refresh sends at most tries requests, a further one only after a temporary error.
//
// A token returned with an error has no access token, but the refresh token that has
// replaced the one that was sent. The caller must store it.
func (s *STS) Refresh(ctx context.Context, refreshToken string, r TokenRequest, tries int) (*oauth2.Token, error) {
	s.Debug("refreshing at %s for %s", s.Issuer, strings.Join(r.Audiences, ", "))
	var answer struct {
		Token   struct{ Token string } `json:"token"`
		Refresh struct{ Token string } `json:"refreshToken"`
	}
	date, err := s.post(ctx, "/sts/exchange_refresh_token", refreshToken, r.form(), tries, RefreshEndpoint, &answer)
	if err != nil {
		return nil, err
	}
	return s.newToken(answer.Token.Token, answer.Refresh.Token, refreshToken, r, date)
}

// Exchange redeems the ID token of a user or a workload for an access token, and perhaps
// a refresh token (POST /sts/exchange). It does not check the ID token, but refuses one
// that a request cannot contain. Expiry and tries are as in Refresh.
func (s *STS) Exchange(ctx context.Context, idToken string, r TokenRequest, tries int) (*oauth2.Token, error) {
	switch {
	case idToken == "":
		return nil, errors.New("the ID token is empty: nothing was sent")
	case len(idToken) > MaxToken:
		return nil, fmt.Errorf("the ID token is too long (%d bytes): nothing was sent", len(idToken))
	case HasControl(idToken):
		return nil, errors.New("the ID token has control characters, such as a line end: nothing was sent")
	}
	s.Debug("exchanging an ID token at %s for %s", s.Issuer, strings.Join(r.Audiences, ", "))
	form := r.form()
	if r.Identity != "" {
		form.Set("identity", r.Identity)
	}
	if r.IdentityProvider != "" {
		form.Set("identity_provider", r.IdentityProvider)
	}
	var answer struct {
		Token   string `json:"token"`
		Refresh string `json:"refreshToken"`
	}
	date, err := s.post(ctx, "/sts/exchange", idToken, form, tries, ExchangeEndpoint, &answer)
	if err != nil {
		return nil, err
	}
	token, err := s.newToken(answer.Token, answer.Refresh, idToken, r, date)
	if err != nil {
		return nil, err
	}
	return token, nil
}

// post requests a token, at most tries times, and returns the service's clock.
func (s *STS) post(ctx context.Context, path, bearer string, form url.Values, tries int, endpoint Endpoint, answer any) (date time.Time, err error) {
	request := Request{Method: http.MethodPost, URL: s.Issuer + path, Bearer: bearer, Form: form}
	// The jitter spreads the requests of processes that failed at the same time.
	retry := Retry{Endpoint: endpoint, Tries: tries, Pause: 100*time.Millisecond + rand.N(100*time.Millisecond), Debug: s.Debug}
	err = retry.Do(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, stepTimeout)
		defer cancel()
		date, err = Send(ctx, s.Transport, request, answer)
		return err
	})
	return date, err
}

// newToken returns the token in a response. Its errors do not contain the token that was
// sent, which the response may repeat.
func (s *STS) newToken(access, refresh, sent string, r TokenRequest, date time.Time) (*oauth2.Token, error) {
	token := &oauth2.Token{AccessToken: access, RefreshToken: refresh, TokenType: "Bearer"}
	if HasControl(access) || HasControl(refresh) {
		return nil, fmt.Errorf("%s returned a token with control characters", s.Host())
	}
	if access == "" {
		return token, notTheIssuer(s.Host(), http.StatusOK, "no token in it")
	}
	if err := s.check(token, sent, r, date); err != nil {
		token.AccessToken = ""
		return token, err
	}
	return token, nil
}

// Host returns the issuer's host, for messages.
func (s *STS) Host() string {
	return strings.TrimPrefix(strings.TrimPrefix(s.Issuer, "https://"), "http://")
}

// check checks that the token has the claims that were requested (RFC 9700, section
// 4.10), and sets its Expiry.
func (s *STS) check(token *oauth2.Token, sent string, r TokenRequest, date time.Time) error {
	c, err := ParseClaims(token.AccessToken)
	if err != nil {
		return fmt.Errorf("%s returned an access token that is %w", s.Host(), err)
	}
	if strings.TrimRight(c.Issuer, "/") != s.Issuer {
		return fmt.Errorf("%s returned a token of another issuer, %s", s.Host(), Printable(c.Issuer, sent))
	}
	for _, audience := range r.Audiences {
		if !slices.Contains(c.Audiences, audience) {
			return fmt.Errorf("%s returned a token for %s instead of %s", s.Host(), Printable(strings.Join(c.Audiences, ", "), sent), audience)
		}
	}
	for _, audience := range c.Audiences {
		if !slices.Contains(r.Audiences, audience) {
			return fmt.Errorf("%s returned a token that is also for %s", s.Host(), Printable(audience, sent))
		}
	}
	if r.Identity != "" && c.Subject != r.Identity {
		return fmt.Errorf("%s returned a token of %s instead of %s", s.Host(), Printable(c.Subject, sent), Printable(r.Identity))
	}
	token.Expiry = s.LocalTime(c.Expires, date)
	return nil
}

// LocalTime converts a time by the platform's clock, which shows date, to this machine's
// clock. It warns if the two differ by more than ClockSlack.
func (s *STS) LocalTime(t, date time.Time) time.Time {
	now := s.Now()
	if skew := date.Sub(now); !date.IsZero() && skew.Abs() > ClockSlack {
		s.Warn(fmt.Errorf("this machine's clock is %s off the issuer's", skew.Abs().Round(time.Second)))
	}
	return localTime(t, date, now)
}

// localTime converts a time by the server's clock to this machine's. It ignores a small
// difference: a Date header is exact to a second and takes a while to arrive.
func localTime(t, serverNow, now time.Time) time.Time {
	if t.IsZero() || serverNow.IsZero() {
		return t
	}
	if skew := serverNow.Sub(now); skew.Abs() > 30*time.Second {
		return t.Add(-skew)
	}
	return t
}

// HasCode reports whether err is a response of the service itself, and not of a proxy,
// with one of the gRPC codes.
func HasCode(err error, codes ...int) bool {
	var answer *ResponseError
	return errors.As(err, &answer) && slices.Contains(codes, answer.Code)
}

// HasControl reports whether text has control characters, which would break, or add to,
// an HTTP header.
func HasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}
