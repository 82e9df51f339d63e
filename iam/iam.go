// Package iam is a client of the platform API: who somebody is, and the
// organizations, roles, identities and role bindings that they may see and change.
package iam

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"docker-credential-cgr/platform"
)

// Client calls the platform API. What it gives is as the service wrote it: names
// and descriptions may hold anything, and are for platform.Printable before they
// are shown.
//
// Its errors say in one printable line what could not be done. They wrap the
// service's answer, a *platform.AnswerError, where there was one; a missing
// capability is a *CapabilityError, what is not there a *NotFoundError. An error of
// Tokens comes back as it is.
type Client struct {
	URL       string // of the API, without a trailing slash
	Transport http.RoundTripper
	Tokens    oauth2.TokenSource // of access tokens for the API's audience
}

// maxList bounds the answer to a list, in bytes. Lists come whole, and an identity
// with its keys takes 1 to 2 KB.
const maxList = 64 << 20

// call is one request to the API, and the words for what goes wrong with it.
type call struct {
	doing      string // what is tried, to follow "cannot"
	capability string // that it takes; empty where everybody may
	what, name string // what a "not found" did not find; empty where it is in the answer's own words

	method string
	path   string
	query  url.Values
	body   any
	limit  int64      // of the answer, in bytes; 0 for the usual
	date   *time.Time // where the service's clock goes, if it says; nil for nowhere
}

// do makes the call and reads what came back into answer.
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

// list reads a list of the API.
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

// filter makes the query of a list from pairs of a name and a value, without those
// that have no value.
func filter(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}
