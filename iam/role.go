package iam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"docker-credential-cgr/spelling"
)

// Role is a set of capabilities. The built-in ones belong to no organization.
type Role struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Description  string   `json:"description,omitempty"`
	Capabilities []string `json:"capabilities,omitempty"`
}

// builtIn reports whether the platform defines the role: its id is not in a group.
func (r Role) builtIn() bool { return !strings.Contains(r.ID, "/") }

// Roles lists the roles that the caller may see, or only those with a name if it is not
// empty.
func (c *Client) Roles(ctx context.Context, name string) ([]Role, error) {
	return list[Role](ctx, c, rolesCall(name))
}

func rolesCall(name string) call {
	return call{
		doing: "list roles", capability: CapabilityListRoles,
		path: "/iam/v1/roles", query: filter("name", name),
	}
}

// Role returns the role with a name. A built-in role comes before one of an organization
// with the same name, which anyone may have created. A *NotFoundError has similar names.
func (c *Client) Role(ctx context.Context, name string) (Role, error) {
	role, _, err := c.RoleAndDate(ctx, name)
	var missing *NotFoundError
	if errors.As(err, &missing) {
		if all, err := c.Roles(ctx, ""); err == nil { // otherwise there are no suggestions
			missing.Near = spelling.Near(name, namesOf(all, func(r Role) string { return r.Name }))
		}
	}
	return role, err
}

// RolesByName returns the roles with these names, which it requests all at once.
func (c *Client) RolesByName(ctx context.Context, names []string) ([]Role, error) {
	roles, errs := make([]Role, len(names)), make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { roles[i], errs[i] = c.Role(ctx, name) })
	}
	all.Wait()
	return roles, cmp.Or(errs...)
}

// RoleAndDate returns the role with a name, and the platform's clock, or the zero time if
// it is unknown.
func (c *Client) RoleAndDate(ctx context.Context, name string) (role Role, date time.Time, err error) {
	if name == "" {
		return Role{}, date, errors.New("the name of a role is empty")
	}
	call := rolesCall(name)
	call.date = &date
	roles, err := list[Role](ctx, c, call)
	if err != nil {
		return Role{}, date, err
	}
	role, err = pickRole(roles, name)
	return role, date, err
}

func pickRole(roles []Role, name string) (Role, error) {
	roles = slices.DeleteFunc(roles, func(r Role) bool { return r.Name != name })
	if i := slices.IndexFunc(roles, Role.builtIn); i >= 0 {
		return roles[i], nil
	}
	switch len(roles) {
	case 0:
		return Role{}, &NotFoundError{What: "role", Name: name}
	case 1:
		return roles[0], nil
	}
	return Role{}, fmt.Errorf("%d organizations have a role with the name %s", len(roles), quote(name))
}

// RoleBinding is a role that an identity has in a group and everything below it.
type RoleBinding struct {
	ID                string `json:"id"`
	Group             Group  `json:"group"`
	Identity          string `json:"identity"` // id
	Role              Role   `json:"role"`
	Email             string `json:"email,omitempty"`             // verified; a person's
	EmailUnverified   string `json:"emailUnverified,omitempty"`   // a person's
	ClaimMatchIssuer  string `json:"claimMatchIssuer,omitempty"`  // a workload's
	ClaimMatchSubject string `json:"claimMatchSubject,omitempty"` // a workload's
	CreatedAt         Time   `json:"createdAt,omitzero"`
}

// RoleBindings lists the role bindings that the caller may see in the organization of the
// group with an id, or in all if it is empty: an identity in a folder may have its roles in
// the organization. Its errors are those of Identities.
func (c *Client) RoleBindings(ctx context.Context, group string) ([]RoleBinding, error) {
	return listAllowed[RoleBinding](ctx, c, bindingsCall(group), group, c.startWhoAmI(ctx))
}

func bindingsCall(group string) call {
	organization, _, _ := strings.Cut(group, "/")
	return call{
		doing: "list role bindings", capability: CapabilityListBindings,
		path: "/iam/v1/rolebindings", query: filter("uidp.descendantsOf", organization),
	}
}

// Bind gives an identity a role in a group; all three are ids. It returns the id of the
// role binding.
func (c *Client) Bind(ctx context.Context, group, identity, role string) (string, error) {
	if err := cmp.Or(checkID("a group", group), checkID("an identity", identity), checkID("a role", role)); err != nil {
		return "", err
	}
	var binding struct {
		ID string `json:"id"`
	}
	err := c.do(ctx, call{
		doing: fmt.Sprintf("give the identity %s the role %s in %s", identity, role, group), capability: CapabilityCreateBindings,
		method: http.MethodPost, path: "/iam/v1/rolebindings/" + group,
		body: map[string]string{"identity": identity, "role": role},
	}, &binding)
	return binding.ID, err
}
