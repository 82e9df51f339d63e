package token

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
	Warn      func(format string, args ...any)
	Debug     func(format string, args ...any)
}

// stepLimit bounds one request.
const stepLimit = 8 * time.Second

// Refresh spends a refresh token for an access token of one audience
// (POST /sts/exchange_refresh_token). The answer's RefreshToken is empty where
// the one that was sent stays good. Its Expiry is by this machine's clock, zero
// where the token names no end that can be. It asks at most tries times, and only
// where the service could not say.
//
// A token beside an error holds no access token that may be used, but the refresh
// token that has replaced the one sent: it must not be lost.
func (s *STS) Refresh(ctx context.Context, refresh, audience string, tries int) (*oauth2.Token, error) {
	var answer struct {
		Token   struct{ Token string } `json:"token"`
		Refresh struct{ Token string } `json:"refreshToken"`
	}
	var date time.Time
	for try := 1; ; try++ {
		s.Debug("refreshing at %s for audience %s (try %d)", s.Issuer, audience, try)
		stepCtx, cancel := context.WithTimeout(ctx, stepLimit)
		var err error
		date, err = postForm(stepCtx, s.Transport, s.Issuer+"/sts/exchange_refresh_token", refresh, url.Values{"aud": {audience}}, &answer)
		cancel()
		if err == nil {
			break
		}
		s.Debug("refresh failed: %v", err)
		if try >= tries || !worthRetrying(err) || ctx.Err() != nil {
			return nil, err
		}
		pause := 100*time.Millisecond + rand.N(100*time.Millisecond)
		select {
		case <-ctx.Done():
			return nil, networkError(s.host(), ctx.Err(), nil)
		case <-time.After(pause):
		}
	}

	token := &oauth2.Token{AccessToken: answer.Token.Token, RefreshToken: answer.Refresh.Token, TokenType: "Bearer"}
	if hasControl(token.AccessToken) || hasControl(token.RefreshToken) {
		return nil, fmt.Errorf("%s answered with a token that holds control characters", s.host())
	}
	if token.AccessToken == "" {
		return token, notTheIssuer(s.host(), http.StatusOK, "no token in it")
	}
	if err := s.check(token, audience, date); err != nil {
		token.AccessToken = ""
		return token, err
	}
	return token, nil
}

// host names the issuer in messages.
func (s *STS) host() string {
	return strings.TrimPrefix(strings.TrimPrefix(s.Issuer, "https://"), "http://")
}

// check reads the token's claims, refuses one that is for somebody or something
// else than was asked (RFC 9700, section 4.10), and sets its Expiry.
func (s *STS) check(token *oauth2.Token, audience string, date time.Time) error {
	c, err := parseClaims(token.AccessToken)
	if err != nil {
		return fmt.Errorf("%s answered with an access token that is %w", s.host(), err)
	}
	if strings.TrimRight(c.Issuer, "/") != s.Issuer {
		return fmt.Errorf("%s gave a token of another issuer, %s: not used", s.host(), Printable(c.Issuer))
	}
	if !slices.Contains(c.Audiences, audience) {
		return fmt.Errorf("%s gave a token for %s, where one for %s was asked: not used", s.host(), Printable(strings.Join(c.Audiences, ", ")), audience)
	}
	now := s.Now()
	if skew := date.Sub(now); !date.IsZero() && skew.Abs() > clockSlack {
		s.Warn("this machine's clock is %s off the issuer's: set it right", skew.Abs().Round(time.Second))
	}
	token.Expiry = localTime(c.Expires, date, now)
	return nil
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

// worthRetrying says whether another try may bring what this one did not. The
// codes are those for which the vendor's own client tries again.
func worthRetrying(err error) bool {
	var answer *answerError
	if errors.As(err, &answer) {
		switch answer.Status {
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		switch answer.Code {
		case codeUnavailable, codeInternal, codeDeadlineExceeded:
			return true
		}
		return false
	}
	var network *networkFailure
	return errors.As(err, &network)
}

// refused says whether the service itself, and not some proxy's page, answered
// with one of codes.
func refused(err error, codes ...int) bool {
	var answer *answerError
	return errors.As(err, &answer) && slices.Contains(codes, answer.Code)
}

// hasControl finds what would break, or add to, an HTTP header.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}
