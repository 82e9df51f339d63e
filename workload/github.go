package workload

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"

	"docker-credential-cgr/platform"
)

// github: a job with the permission id-token: write may ask for a token of any
// audience (GitHub, "OpenID Connect reference").
func (h Host) github(audience string) (Source, bool) {
	const name = "GitHub Actions"
	address, bearer := h.Getenv("ACTIONS_ID_TOKEN_REQUEST_URL"), h.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	if address == "" || bearer == "" {
		return Source{}, false
	}
	return Source{Name: name, Token: func(ctx context.Context) (string, error) {
		target, err := githubURL(address, audience)
		if err != nil {
			return "", err
		}
		bearer, err := checked("the variable ACTIONS_ID_TOKEN_REQUEST_TOKEN", bearer)
		if err != nil {
			return "", err
		}
		var answer struct{ Value string }
		request := platform.Request{Method: http.MethodGet, URL: target.String(), Bearer: bearer}
		err = retry(ctx, name, target.Host, func(ctx context.Context) error {
			_, err := platform.Send(ctx, h.Transport, request, &answer)
			return err
		})
		if err != nil {
			return "", err
		}
		return checked(name, answer.Value)
	}}, true
}

// githubURL adds an audience to the address that GitHub gave the job. The job's
// bearer token goes there, so it must be https, or the loopback interface.
func githubURL(address, audience string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.Hostname() == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, errors.New("no ID token from GitHub Actions: ACTIONS_ID_TOKEN_REQUEST_URL is no https address")
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "audience=" + url.QueryEscape(audience)
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
