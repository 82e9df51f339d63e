package platform

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"docker-credential-cgr/hint"
)

// CheckOrganization asks the issuer (GET /orgcheck) whether people can sign in through the
// organization with this name.
func CheckOrganization(ctx context.Context, transport http.RoundTripper, issuer, name string) error {
	var found bool
	_, err := Send(ctx, transport, Request{
		Method: http.MethodGet,
		URL:    issuer + "/orgcheck?" + url.Values{"name": {name}}.Encode(),
		Plain:  true,
	}, &found)
	if err != nil {
		return fmt.Errorf("cannot check the organization %s: %w", Printable(name), err)
	}
	if !found {
		return hint.With(fmt.Errorf("the organization %s was not found, is not verified, or has no identity provider", Printable(name)),
			hint.Text("use the verified domain of the organization, such as example.com"))
	}
	return nil
}
