package iam

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
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

// Roles returns the roles with these names, and the platform's clock, or the zero time if it
// is unknown. A built-in role comes before one of an organization with the same name, which
// anyone may have created. A *NotFoundError has similar names.
func (c *Client) Roles(ctx context.Context, names []string) (roles []Role, date time.Time, err error) {
	if len(names) == 0 {
		return nil, date, nil
	}
	all, err := list[Role](ctx, c, call{doing: "list roles", capability: CapabilityListRoles, path: "/iam/v1/roles", date: &date})
	if err != nil {
		return nil, date, err
	}
	roles = make([]Role, len(names))
	for i, name := range names {
		if roles[i], err = pickRole(all, name); err != nil {
			return nil, date, err
		}
	}
	return roles, date, nil
}

func pickRole(all []Role, name string) (Role, error) {
	var own []Role // of organizations
	for _, r := range all {
		switch {
		case r.Name != name:
		case r.builtIn():
			return r, nil
		default:
			own = append(own, r)
		}
	}
	switch len(own) {
	case 0:
		near := spelling.Near(name, namesOf(all, func(r Role) string { return r.Name }))
		return Role{}, &NotFoundError{What: "role", Name: name, Near: near}
	case 1:
		return own[0], nil
	}
	return Role{}, fmt.Errorf("%d organizations have a role with the name %s", len(own), quote(name))
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
