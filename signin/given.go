package signin

import (
	"context"
	"errors"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

// WithToken gives a sign-in that asks nobody: it exchanges an ID token that idToken
// gives, of the identity provider with the UIDP provider, for an access token of
// whom it is for. Without a provider it is one of the issuer's own.
func WithToken(sts *platform.STS, provider string, idToken func(context.Context) (string, error)) func(context.Context, []string) (*token.Grant, error) {
	return func(ctx context.Context, audiences []string) (*token.Grant, error) {
		text, err := idToken(ctx)
		if err != nil {
			return nil, err
		}
		return exchange(ctx, sts, text, platform.Ask{Audiences: audiences, IdentityProvider: provider})
	}
}

// exchange exchanges an ID token for an access token of all audiences that are
// asked for, and says whose it is.
func exchange(ctx context.Context, sts *platform.STS, idToken string, ask platform.Ask) (*token.Grant, error) {
	exchanged, err := sts.Exchange(ctx, idToken, ask, exchangeTries)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, stopped(ctx)
	case err != nil:
		return nil, failed(err)
	}
	claims, _ := platform.ParseClaims(exchanged.AccessToken) // which Exchange has read
	if claims.Subject == "" {
		return nil, failed(errors.New("the token names nobody"))
	}
	return &token.Grant{Token: exchanged, Subject: claims.Subject, Email: claims.Email}, nil
}
