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

// STS is the issuer's security token service: forms in, JSON out, over HTTP/1.1.
type STS struct {
	Issuer    string // its URL, without a trailing slash
	Transport http.RoundTripper
	Now       func() time.Time
	Warn      func(error)
	Debug     func(format string, args ...any)
}

// TokenRequest is what a token is asked for. An empty field is not sent.
type TokenRequest struct {
	Audiences []string // all of which the token must be good for
	// Identity is the UIDP of the identity that the token must be of; empty for a
	// person. It is sent with an exchange only: a refresh token is of one already.
	Identity string
	// IdentityProvider is the UIDP of the provider that issued the ID token, where
	// that is an organization's own. It is sent with an exchange only.
	IdentityProvider string
	Scopes           []string // groups, by UIDP, that the token is limited to
	Capabilities     []string // that the token is limited to
}

// form is the part of ask that every request for a token has.
func (a TokenRequest) form() url.Values {
	form := url.Values{}
	for name, values := range map[string][]string{"aud": a.Audiences, "scopes": a.Scopes, "cap": a.Capabilities} {
		if len(values) > 0 {
			form[name] = values
		}
	}
	return form
}

// ClockSlack is how far this machine's clock may be off before that is said, and
// before a time that cannot be right by it counts as wrong.
const ClockSlack = 5 * time.Minute

// stepLimit bounds one request.
const stepLimit = 8 * time.Second

// Refresh spends a refresh token for an access token
// (POST /sts/exchange_refresh_token). The answer's RefreshToken is empty where
// the one that was sent stays good. Its Expiry is by this machine's clock, zero
// where the token names no end that can be. It asks at most tries times, and only
// where the service could not say.
//
// A token beside an error holds no access token that may be used, but the refresh
// token that has replaced the one sent: it must not be lost.
func (s *STS) Refresh(ctx context.Context, refreshToken string, ask TokenRequest, tries int) (*oauth2.Token, error) {
	s.Debug("refreshing at %s for %s", s.Issuer, strings.Join(ask.Audiences, ", "))
	var answer struct {
		Token   struct{ Token string } `json:"token"`
		Refresh struct{ Token string } `json:"refreshToken"`
	}
	date, err := s.post(ctx, "/sts/exchange_refresh_token", refreshToken, ask.form(), tries, refreshAgain, &answer)
	if err != nil {
		return nil, err
	}
	return s.received(answer.Token.Token, answer.Refresh.Token, refreshToken, ask, date)
}

// Exchange gives an access token, and perhaps a refresh token, for an ID token of
// a person or a workload (POST /sts/exchange). The ID token is handed on as it is:
// only what cannot be sent is refused. Expiry and tries are as Refresh has them.
func (s *STS) Exchange(ctx context.Context, idToken string, ask TokenRequest, tries int) (*oauth2.Token, error) {
	switch {
	case idToken == "":
		return nil, errors.New("the ID token is empty: nothing was sent")
	case len(idToken) > MaxToken:
		return nil, fmt.Errorf("the ID token has %d bytes, which no token has: nothing was sent", len(idToken))
	case HasControl(idToken):
		return nil, errors.New("the ID token holds control characters, such as a line end: nothing was sent")
	}
	s.Debug("exchanging an ID token at %s for %s", s.Issuer, strings.Join(ask.Audiences, ", "))
	form := ask.form()
	if ask.Identity != "" {
		form.Set("identity", ask.Identity)
	}
	if ask.IdentityProvider != "" {
		form.Set("identity_provider", ask.IdentityProvider)
	}
	var answer struct {
		Token   string `json:"token"`
		Refresh string `json:"refreshToken"`
	}
	date, err := s.post(ctx, "/sts/exchange", idToken, form, tries, exchangeAgain, &answer)
	if err != nil {
		return nil, err
	}
	token, err := s.received(answer.Token, answer.Refresh, idToken, ask, date)
	if err != nil {
		return nil, err
	}
	return token, nil
}

// post asks the token service for a token, at most tries times, and again only
// after errors for which again says so. It gives the service's clock.
func (s *STS) post(ctx context.Context, path, bearer string, form url.Values, tries int, again func(error) bool, answer any) (time.Time, error) {
	request := Request{Method: http.MethodPost, URL: s.Issuer + path, Bearer: bearer, Form: form}
	for try := 1; ; try++ {
		stepCtx, cancel := context.WithTimeout(ctx, stepLimit)
		date, err := Send(stepCtx, s.Transport, request, answer)
		cancel()
		if err == nil {
			return date, nil
		}
		s.Debug("try %d failed: %v", try, err)
		if try >= tries || !again(err) || ctx.Err() != nil {
			return time.Time{}, err
		}
		pause := 100*time.Millisecond + rand.N(100*time.Millisecond)
		select {
		case <-ctx.Done():
			return time.Time{}, networkError(s.Host(), ctx.Err(), nil)
		case <-time.After(pause):
		}
	}
}

// received makes a token of what the service answered to ask. What was sent shows
// in no error, although the token may hold it.
func (s *STS) received(access, refresh, sent string, ask TokenRequest, date time.Time) (*oauth2.Token, error) {
	token := &oauth2.Token{AccessToken: access, RefreshToken: refresh, TokenType: "Bearer"}
	if HasControl(access) || HasControl(refresh) {
		return nil, fmt.Errorf("%s answered with a token that holds control characters", s.Host())
	}
	if access == "" {
		return token, notTheIssuer(s.Host(), http.StatusOK, "no token in it")
	}
	if err := s.check(token, sent, ask, date); err != nil {
		token.AccessToken = ""
		return token, err
	}
	return token, nil
}

// Host names the issuer in messages.
func (s *STS) Host() string {
	return strings.TrimPrefix(strings.TrimPrefix(s.Issuer, "https://"), "http://")
}

// check reads the token's claims, refuses one that is for somebody or something
// else than was asked (RFC 9700, section 4.10), and sets its Expiry.
func (s *STS) check(token *oauth2.Token, sent string, ask TokenRequest, date time.Time) error {
	c, err := ParseClaims(token.AccessToken)
	if err != nil {
		return fmt.Errorf("%s answered with an access token that is %w", s.Host(), err)
	}
	if strings.TrimRight(c.Issuer, "/") != s.Issuer {
		return fmt.Errorf("%s gave a token of another issuer, %s: not used", s.Host(), Printable(c.Issuer, sent))
	}
	for _, audience := range ask.Audiences {
		if !slices.Contains(c.Audiences, audience) {
			return fmt.Errorf("%s gave a token for %s, where one for %s was asked: not used", s.Host(), Printable(strings.Join(c.Audiences, ", "), sent), audience)
		}
	}
	for _, audience := range c.Audiences {
		if !slices.Contains(ask.Audiences, audience) {
			return fmt.Errorf("%s gave a token for %s too, which was not asked for: not used", s.Host(), Printable(audience, sent))
		}
	}
	if ask.Identity != "" && c.Subject != ask.Identity {
		return fmt.Errorf("%s gave a token of %s, where one of %s was asked: not used", s.Host(), Printable(c.Subject, sent), Printable(ask.Identity))
	}
	token.Expiry = s.LocalTime(c.Expires, date)
	return nil
}

// LocalTime returns a time of the platform's, whose clock said date, by this
// machine's clock. It warns where the two differ by more than ClockSlack.
func (s *STS) LocalTime(t, date time.Time) time.Time {
	now := s.Now()
	if skew := date.Sub(now); !date.IsZero() && skew.Abs() > ClockSlack {
		s.Warn(fmt.Errorf("this machine's clock is %s off the issuer's", skew.Abs().Round(time.Second)))
	}
	return localTime(t, date, now)
}

// localTime carries a time by the server's clock over to ours. A Date header is
// exact to a second and travels a while, so a small difference counts as none.
func localTime(t, serverNow, now time.Time) time.Time {
	if t.IsZero() || serverNow.IsZero() {
		return t
	}
	if skew := serverNow.Sub(now); skew.Abs() > 30*time.Second {
		return t.Add(-skew)
	}
	return t
}

// exchangeAgain says whether another try of an exchange may bring what this one
// did not. The codes, here and below, are those for which the vendor's own client
// tries again.
func exchangeAgain(err error) bool {
	var answer *ResponseError
	if !errors.As(err, &answer) {
		return IsUnreachable(err)
	}
	return answer.Status == http.StatusBadGateway || answer.Status == http.StatusServiceUnavailable || answer.Code == CodeUnavailable
}

// refreshAgain says the same of a refresh.
func refreshAgain(err error) bool {
	var answer *ResponseError
	return exchangeAgain(err) ||
		errors.As(err, &answer) && (answer.Status == http.StatusGatewayTimeout || answer.Code == CodeInternal || answer.Code == CodeDeadlineExceeded)
}

// HasCode says whether err is an answer of the service itself, and not of some
// proxy, with one of the gRPC codes given.
func HasCode(err error, codes ...int) bool {
	var answer *ResponseError
	return errors.As(err, &answer) && slices.Contains(codes, answer.Code)
}

// HasControl says whether text holds what would break, or add to, an HTTP header.
func HasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}
