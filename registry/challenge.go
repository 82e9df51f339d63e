package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"docker-credential-cgr/platform"
)

// Challenge asks the registry, without a credential, where tokens are had, and checks
// that it is itself: a client that follows the answer sends its credential there. It
// gives that URL and the name of the service.
func (c *Client) Challenge(ctx context.Context) (realm *url.URL, service string, err error) {
	answer, err := c.do(ctx, platform.Request{Method: http.MethodGet, URL: c.at("/v2/")}, Error{Step: StepPing})
	var refused *Error
	if err == nil {
		return nil, "", fmt.Errorf("%s answered 200 to a request without a credential, which the registry never does: a proxy may have answered", answer.Host)
	}
	if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
		return nil, "", err
	}
	realm, service, err = c.readChallenge(answer.Header.Values("WWW-Authenticate"))
	if err != nil {
		return nil, "", fmt.Errorf("%s asks for credentials in a way that cannot be trusted: %w; nothing was sent", answer.Host, err)
	}
	return realm, service, nil
}

// readChallenge reads the one Bearer challenge of the headers.
func (c *Client) readChallenge(headers []string) (realm *url.URL, service string, err error) {
	challenges, err := parseChallenges(strings.Join(headers, ", "))
	if err != nil {
		return nil, "", err
	}
	var bearer []challenge
	for _, ch := range challenges {
		if ch.scheme == "bearer" {
			bearer = append(bearer, ch)
		}
	}
	if len(bearer) != 1 {
		return nil, "", fmt.Errorf("it has %d Bearer challenges, not one", len(bearer))
	}
	realm, err = c.checkRealm(bearer[0].params["realm"])
	return realm, platform.Printable(bearer[0].params["service"]), err
}

// checkRealm lets through a realm on the registry's own host and port, by its own
// scheme, which is https but for a registry on loopback that was configured so.
func (c *Client) checkRealm(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("it names no realm")
	}
	realm, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("its realm %q is no URL", platform.Printable(text))
	}
	if realm.Scheme != c.URL.Scheme || realm.User != nil || !strings.EqualFold(hostPort(realm), hostPort(c.URL)) {
		return nil, fmt.Errorf("its realm %q is not on %s://%s", platform.Printable(realm.Redacted()), c.URL.Scheme, c.URL.Host)
	}
	return realm, nil
}

// hostPort is the host of a URL with its port, the scheme's own too.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Hostname() + ":" + port
}

// challenge is one way to authenticate that a server offers, its scheme and the names
// of its parameters in lower case.
type challenge struct {
	scheme string
	params map[string]string
}

var errChallenge = errors.New("its WWW-Authenticate header is malformed")

// parseChallenges reads a WWW-Authenticate header (RFC 9110, section 11.6.1): schemes,
// each with parameters, name=token or name="text", all between commas. A parameter
// that is there twice is an error, for who reads it last would go elsewhere.
func parseChallenges(header string) ([]challenge, error) {
	var found []challenge
	rest := header
	for {
		rest = strings.TrimLeft(rest, " \t,")
		if rest == "" {
			return found, nil
		}
		name, after := cutToken(rest)
		if name == "" {
			return nil, errChallenge
		}
		value, afterValue, isParam, err := cutValue(after)
		if err != nil {
			return nil, err
		}
		name = strings.ToLower(name)
		if !isParam {
			found = append(found, challenge{name, map[string]string{}})
			// The next word is a parameter after a space, another scheme after a comma.
			if after != "" && !strings.ContainsRune(" \t,", rune(after[0])) {
				return nil, errChallenge
			}
			rest = after
			continue
		}
		if len(found) == 0 {
			return nil, errChallenge
		}
		params := found[len(found)-1].params
		if _, twice := params[name]; twice {
			return nil, fmt.Errorf("it has %q twice", name)
		}
		params[name] = value
		rest = afterValue
		if rest != "" && !strings.ContainsRune(" \t,", rune(rest[0])) {
			return nil, errChallenge
		}
	}
}

// cutToken cuts a token (RFC 9110, section 5.6.2) off the start of text.
func cutToken(text string) (name, rest string) {
	i := 0
	for i < len(text) && isTokenByte(text[i]) {
		i++
	}
	return text[:i], text[i:]
}

func isTokenByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

// cutValue cuts "=" and a token or a quoted string off the start of text, where a
// parameter's name was before; isParam says whether there was one.
func cutValue(text string) (value, rest string, isParam bool, err error) {
	text, isParam = strings.CutPrefix(strings.TrimLeft(text, " \t"), "=")
	if !isParam {
		return "", "", false, nil
	}
	text, quoted := strings.CutPrefix(strings.TrimLeft(text, " \t"), `"`)
	if !quoted {
		value, rest = cutToken(text)
		if value == "" {
			return "", "", true, errChallenge
		}
		return value, rest, true, nil
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return out.String(), text[i+1:], true, nil
		case text[i] == '\\' && i+1 < len(text):
			i++
		}
		out.WriteByte(text[i])
	}
	return "", "", true, errChallenge // the string has no end
}
