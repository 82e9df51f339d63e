package platform

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"docker-credential-cgr/hint"
)

// verifiedName is the hint for the name of an organization.
var verifiedName = hint.Text("use the verified domain of the organization, such as example.com")

// CheckOrganization asks the issuer (GET /orgcheck) whether people can sign in through the
// organization with this name.
func CheckOrganization(ctx context.Context, transport http.RoundTripper, issuer, name string) error {
	if name == "" {
		return hint.With(errors.New("the name of the organization is empty"), verifiedName)
	}
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
		return hint.With(fmt.Errorf("the organization %s was not found, is not verified, or has no identity provider", Printable(name)), verifiedName)
	}
	return nil
}
