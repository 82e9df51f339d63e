package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"docker-credential-cgr/platform"
)

// Ping checks, without a credential, that the registry responds, and not a proxy or
// another server. Its challenge must name a URL on the registry itself: Docker sends its
// credentials there.
func (c *Client) Ping(ctx context.Context) error {
	response, err := c.do(ctx, platform.Request{Method: http.MethodGet, URL: c.at("/v2/")}, Error{Step: StepPing})
	if err == nil {
		return fmt.Errorf("%s answered 200 to a request without a credential, which the registry never does: a proxy may have answered", response.Host)
	}
	var refused *Error
	if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
		return err
	}
	if err := c.checkChallenge(response.Header.Values("WWW-Authenticate")); err != nil {
		return fmt.Errorf("%s asks for credentials in a way that cannot be trusted: %w; nothing was sent", response.Host, err)
	}
	return nil
}

// challenge matches a WWW-Authenticate header as the registry writes it
// (https://distribution.github.io/distribution/spec/auth/token). Compiled when it is first
// needed, since `get` starts without it.
var challenge = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^Bearer +realm="([^"\\]*)"(?: *, *(?:service|scope|error)="[^"\\]*")*$`)
})

// checkChallenge checks that the challenge has a realm with the registry's scheme, host
// and port.
func (c *Client) checkChallenge(headers []string) error {
	m := challenge().FindStringSubmatch(strings.Join(headers, ", "))
	if m == nil {
		return errors.New("its WWW-Authenticate header is not one Bearer challenge with a realm")
	}
	realm, err := url.Parse(m[1])
	if err != nil {
		return fmt.Errorf("its realm %q is not a URL", platform.Printable(m[1]))
	}
	if realm.Scheme != c.URL.Scheme || realm.User != nil || !strings.EqualFold(platform.HostPort(realm), platform.HostPort(c.URL)) {
		return fmt.Errorf("its realm %q is not on %s://%s", platform.Printable(realm.Redacted()), c.URL.Scheme, c.URL.Host)
	}
	return nil
}
