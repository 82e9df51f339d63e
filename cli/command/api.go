package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/oauth2"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

// API returns a client of the platform API, and its session, which may ask the user to sign
// in.
func (a *App) API(ctx context.Context) (*iam.Client, *token.Session, error) {
	s, err := a.SignInSession()
	if err != nil {
		return nil, nil, err
	}
	return a.Client(ctx, s), s, nil
}

// Client returns a client of the platform API with the token of a session. Names that it
// lists can be completed from then on.
func (a *App) Client(ctx context.Context, s *token.Session) *iam.Client {
	// If several requests need the token at once, one gets it.
	tokens := oauth2.ReuseTokenSource(nil, s.TokenSource(ctx, s.API))
	client := &iam.Client{URL: a.Config.API.String(), Transport: a.Transport(), Tokens: tokens}
	a.rememberNames(client)
	return client
}

// ParentID returns the ID of the organization or folder that --parent or default.group
// names, or "" if neither is set.
func (a *App) ParentID(ctx context.Context, client *iam.Client, parent string) (string, error) {
	if parent = cmp.Or(parent, a.Config.Group); parent == "" {
		return "", nil
	}
	group, err := client.Organization(ctx, parent)
	return group.ID, err
}

// Organization returns the organization or folder that --parent or default.group names. If
// neither is set, it returns the only organization, or lets the user choose one.
func (a *App) Organization(ctx context.Context, client *iam.Client, parent string) (iam.Group, error) {
	group, err := client.Organization(ctx, cmp.Or(parent, a.Config.Group))
	var several *iam.ManyError
	switch {
	case !errors.As(err, &several):
		return group, err
	case !a.CanAsk():
		return group, UsageError{err}
	}
	fmt.Fprintf(a.Stderr, "%s: which organization is it for?\n", Name)
	for i, g := range several.Groups {
		fmt.Fprintf(a.Stderr, "%4d  %s (%s)\n", i+1, platform.Printable(g.Name), platform.Printable(g.ID))
	}
	fmt.Fprint(a.Stderr, "number: ")
	answer, err := a.readLine(ctx)
	if err != nil {
		return iam.Group{}, err
	}
	n, err := strconv.Atoi(answer)
	if err != nil || n < 1 || n > len(several.Groups) {
		return iam.Group{}, Usagef("enter a number from 1 to %d", len(several.Groups))
	}
	return several.Groups[n-1], nil
}

// Identities returns the identities of the organization or folder that --parent or
// default.group names, or else all that the user can see.
func (a *App) Identities(ctx context.Context, client *iam.Client, parent string) ([]iam.Identity, error) {
	id, err := a.ParentID(ctx, client, parent)
	if err != nil {
		return nil, err
	}
	return client.Identities(ctx, id)
}
