package iam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

const (
	// creationGrace is how long CreateIdentityWithRoles waits, after an interrupt, for the
	// response with the identity's id: it cannot delete the identity without.
	creationGrace = 5 * time.Second
	// deletionTimeout is how long UndoCreate may take.
	deletionTimeout = 10 * time.Second
)

// CreateIdentityWithRoles creates an identity in the group with an id and gives it roles
// there. If it cannot give them all it deletes the identity again, even if ctx has ended.
func (c *Client) CreateIdentityWithRoles(ctx context.Context, parent string, identity Identity, roles []Role) (Identity, error) {
	if err := cmp.Or(identity.Check(), ctx.Err()); err != nil {
		return Identity{}, err
	}
	// The same token for all requests: a session that ends in between must not prevent the
	// deletion of what was created.
	token, err := c.Tokens.Token()
	if err != nil {
		return Identity{}, err
	}
	same := *c
	same.Tokens = oauth2.StaticTokenSource(token)
	c = &same
	creation, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(creationGrace, stop) })()
	created, err := c.CreateIdentity(creation, parent, identity)
	if err != nil {
		if platform.IsUnreachable(err) || creation.Err() != nil {
			list := hint.ListIdentities
			if identity.Type() == "pull_token" {
				list = hint.ListPullTokens
			}
			err = hint.With(fmt.Errorf("%w (it may have been created, without roles)", err), hint.Do(list))
		}
		return Identity{}, err
	}
	errs := make([]error, len(roles))
	var all sync.WaitGroup
	for i, role := range roles {
		all.Go(func() { _, errs[i] = c.Bind(ctx, parent, created.ID, role.ID) })
	}
	all.Wait() // an identity that is deleted must not be given a role afterwards
	if err := cmp.Or(errs...); err != nil {
		return Identity{}, c.UndoCreate(ctx, created, err)
	}
	return created, nil
}

// UndoCreate deletes an identity that is of no use because of err, even if ctx has ended.
// It returns err with the outcome.
func (c *Client) UndoCreate(ctx context.Context, identity Identity, err error) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), deletionTimeout)
	defer stop()
	deletion := c.DeleteIdentity(ctx, identity.ID)
	var gone *NotFoundError
	if deletion == nil || errors.As(deletion, &gone) {
		return fmt.Errorf("%w; the identity was deleted again", err)
	}
	remove := hint.DeleteIdentity
	if identity.Type() == "pull_token" {
		remove = hint.RevokePullToken
	}
	return hint.With(fmt.Errorf("%w; the identity %s is left over, because its deletion failed too: %w", err, identity.ID, deletion),
		hint.Do(remove, identity.ID))
}
