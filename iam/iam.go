// Package iam is a client of the platform API for accounts, organizations, roles,
// identities and role bindings.
package iam

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"docker-credential-cgr/platform"
)

// Client calls the platform API. It returns names and descriptions as the platform sends
// them: they may contain anything, so callers must print them with platform.Printable.
//
// Its errors are one printable line. They wrap the platform's response, a
// *platform.ResponseError, if there is one. A missing capability is a *CapabilityError, and
// something that does not exist a *NotFoundError. Errors of Tokens are returned unchanged.
type Client struct {
	URL       string // of the API, without a trailing slash
	Transport http.RoundTripper
	Tokens    oauth2.TokenSource // of access tokens for the API's audience

	// OnOrganizations, if it is not nil, is called with all organizations when they were
	// listed. OnIdentities is called with all identities at or below an ID ("" for any)
	// when they were listed, created, changed or deleted.
	OnOrganizations func([]Group)
	OnIdentities    func(below string, all []Identity)
}

// maxList is the maximum size of a list, in bytes. Lists are not paged, and an identity
// with its keys has 1 to 2 KB.
const maxList = 64 << 20

// call is one request to the API, and what its errors say.
type call struct {
	doing      string // what it does, to follow "cannot"
	capability string // that it requires; may be empty
	what, name string // what a response "not found" is about; may be empty

	method string
	path   string
	query  url.Values
	body   any
	limit  int64      // of the response, in bytes; 0 for the default
	date   *time.Time // set to the platform's clock if the response has it; may be nil
}

// do sends the request and decodes the response into answer.
func (c *Client) do(ctx context.Context, call call, answer any) error {
	token, err := c.Tokens.Token()
	if err != nil {
		return err
	}
	target := c.URL + call.path
	if len(call.query) > 0 {
		target += "?" + call.query.Encode()
	}
	date, err := platform.Send(ctx, c.Transport, platform.Request{
		Method: call.method, URL: target, Bearer: token.AccessToken, JSON: call.body, Limit: call.limit,
	}, answer)
	if call.date != nil {
		*call.date = date
	}
	return call.explain(err)
}

// list returns a list of the API.
func list[T any](ctx context.Context, c *Client, call call) ([]T, error) {
	call.method, call.limit = http.MethodGet, maxList
	var answer struct {
		Items []T `json:"items"`
	}
	if err := c.do(ctx, call, &answer); err != nil {
		return nil, err
	}
	return answer.Items, nil
}

// filter returns the query of a list from pairs of a name and a value, without those that
// have no value.
func filter(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}
