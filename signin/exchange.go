package signin

import (
	"context"
	"errors"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

// WithToken returns a sign-in without a person: it exchanges an ID token for access tokens.
// provider is the UIDP of the identity provider that issued it; empty for the issuer's own.
func WithToken(sts *platform.STS, provider string, idToken func(context.Context) (string, error)) func(context.Context, token.SignInRequest) (*token.Grant, error) {
	return func(ctx context.Context, r token.SignInRequest) (*token.Grant, error) {
		text, err := idToken(ctx)
		if err != nil {
			return nil, err
		}
		return exchange(ctx, sts, text, platform.TokenRequest{IdentityProvider: provider}, r)
	}
}

// exchange exchanges an ID token for an access token for all audiences of r and, unless a
// refresh token comes with it, for one more for each of r.Single.
func exchange(ctx context.Context, sts *platform.STS, idToken string, ask platform.TokenRequest, r token.SignInRequest) (*token.Grant, error) {
	grant := &token.Grant{}
	requests := [][]string{r.Audiences}
	for _, audience := range r.Single {
		requests = append(requests, []string{audience})
	}
	for _, audiences := range requests {
		ask.Audiences = audiences
		exchanged, err := sts.Exchange(ctx, idToken, ask, exchangeTries)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, stopped(ctx)
		case err != nil:
			return nil, failed(err)
		}
		claims, _ := platform.ParseClaims(exchanged.AccessToken) // Exchange has parsed them
		switch {
		case claims.Subject == "":
			return nil, failed(errors.New("the token has no subject"))
		case grant.Subject == "":
			grant.Subject, grant.Email = claims.Subject, claims.Email
		case claims.Subject != grant.Subject:
			return nil, failed(errors.New("the platform issued tokens of two accounts"))
		}
		grant.AccessTokens = append(grant.AccessTokens, token.AccessToken{
			Secret: exchanged.AccessToken, Audiences: claims.Audiences, Expires: exchanged.Expiry,
		})
		if grant.RefreshToken = exchanged.RefreshToken; grant.RefreshToken != "" {
			break
		}
	}
	return grant, nil
}
