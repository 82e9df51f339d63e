package iam

import (
	"context"
	"errors"
	"fmt"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/spelling"
)

// CreateIdentityWith makes an identity in the group of an id, as CreateIdentity does,
// and gives it roles there, by their names. Nothing is made before all of them have
// been found; a *NotFoundError names those that come near.
//
// Where the identity cannot be given a role it is deleted again, also when ctx has
// ended. The error says so, or else the command by which an owner deletes it.
func (c *Client) CreateIdentityWith(ctx context.Context, parent string, identity Identity, names []string) (Identity, error) {
	if err := identity.Check(); err != nil {
		return Identity{}, err
	}
	c, err := c.withOneToken()
	if err != nil {
		return Identity{}, err
	}
	var waits []func(context.Context) (Role, error)
	for _, name := range names {
		waits = append(waits, begin(func() (Role, error) { return c.roleOrNear(ctx, name) }))
	}
	roles := make([]Role, len(names))
	for i, wait := range waits {
		if roles[i], err = wait(ctx); err != nil {
			return Identity{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return Identity{}, err
	}
	creation, stop := outlasting(ctx, creationGrace)
	defer stop()
	created, err := c.CreateIdentity(creation, parent, identity)
	if err != nil {
		if platform.Unanswered(err) || creation.Err() != nil {
			err = fmt.Errorf("%w (whether it was made is not known; it has no role; to see: docker-credential-cgr identities list)", err)
		}
		return Identity{}, err
	}
	if err := c.bindAll(ctx, parent, created.ID, roles); err != nil {
		return Identity{}, forOwner(c.takeBack(ctx, created.ID, err))
	}
	return created, nil
}

// roleOrNear is Role, but that its *NotFoundError names the roles that come near.
func (c *Client) roleOrNear(ctx context.Context, name string) (Role, error) {
	role, err := c.Role(ctx, name)
	var missing *NotFoundError
	if !errors.As(err, &missing) {
		return role, err
	}
	if all, err := c.Roles(ctx, ""); err == nil { // else it goes without
		missing.Near = spelling.Near(name, roleNames(all))
	}
	return Role{}, missing
}

// forOwner names the command that deletes an identity which is left over: the one in
// a *LeftOverError is for pull tokens alone.
func forOwner(err error) error {
	var left *LeftOverError
	if !errors.As(err, &left) {
		return err
	}
	return fmt.Errorf("%w; the identity %s is left over, because the deletion failed too: %w; for an owner to run: docker-credential-cgr identities delete %s",
		left.Err, left.ID, left.Deletion, left.ID)
}
