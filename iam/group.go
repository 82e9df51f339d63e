package iam

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"docker-credential-cgr/spelling"
)

// Group is an organization, or a folder in one.
type Group struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Verified    bool   `json:"verified,omitempty"` // the name is a domain that the organization has proven to own
	Kind        string `json:"kind,omitempty"`     // newer deployments only
	Status      string `json:"status,omitempty"`   // newer deployments only
}

// Groups lists the groups that the caller may see.
func (c *Client) Groups(ctx context.Context) ([]Group, error) { return c.groups(ctx, nil) }

func (c *Client) groups(ctx context.Context, query url.Values) ([]Group, error) {
	return list[Group](ctx, c, call{
		doing: "list organizations and folders", capability: CapabilityListGroups, path: "/iam/v1/groups", query: query,
	})
}

// Organizations lists the organizations that the caller may see.
func (c *Client) Organizations(ctx context.Context) ([]Group, error) {
	groups, err := c.groups(ctx, filter("uidp.inRoot", "true"))
	groups = slices.DeleteFunc(groups, func(g Group) bool { return strings.Contains(g.ID, "/") })
	if err == nil && c.OnOrganizations != nil {
		c.OnOrganizations(groups)
	}
	return groups, err
}

// Organization returns the organization with a name, the organization or folder with an
// id, or the only organization for "". A *NotFoundError has similar names; a *ManyError
// has those to choose from.
func (c *Client) Organization(ctx context.Context, nameOrID string) (Group, error) {
	switch {
	case ValidID(nameOrID):
		return c.groupByID(ctx, nameOrID)
	case len(nameOrID) > maxName:
		return Group{}, fmt.Errorf("an organization's name of %d bytes is too long: at most %d", len(nameOrID), maxName)
	}
	organizations, err := c.Organizations(ctx)
	if err != nil {
		return Group{}, err
	}
	matching := organizations
	if nameOrID != "" {
		matching = slices.DeleteFunc(slices.Clone(organizations), func(g Group) bool { return g.Name != nameOrID })
	}
	switch len(matching) {
	case 0:
		names := namesOf(organizations, func(g Group) string { return g.Name })
		return Group{}, &NotFoundError{What: "organization", Name: nameOrID, Near: spelling.Near(nameOrID, names)}
	case 1:
		return matching[0], nil
	}
	return Group{}, &ManyError{Name: nameOrID, Groups: matching}
}

func (c *Client) groupByID(ctx context.Context, id string) (Group, error) {
	groups, err := c.groups(ctx, filter("id", id))
	if err != nil {
		return Group{}, err
	}
	return Find("organization", groups, id, func(g Group) (id, name string) { return g.ID, g.Name })
}

// namesOf returns the name of each item.
func namesOf[T any](items []T, name func(T) string) []string {
	names := make([]string, len(items))
	for i, item := range items {
		names[i] = name(item)
	}
	return names
}

// MatchingOrganization returns the verified organization of the domain of the caller's e-mail
// address. The error is a *NotFoundError if there is none.
func (c *Client) MatchingOrganization(ctx context.Context) (Group, error) {
	var answer struct {
		Group Group `json:"group"`
	}
	err := c.do(ctx, call{
		doing: "find the organization of your e-mail domain", what: "organization of your e-mail domain",
		method: http.MethodGet, path: "/iam/v1/groups:lookupGroup",
	}, &answer)
	if err == nil && !ValidID(answer.Group.ID) {
		err = &NotFoundError{What: "organization of your e-mail domain"}
	}
	return answer.Group, err
}

// RequestAccess asks the owners of the organization with an id, which MatchingOrganization
// returned, to add the caller.
func (c *Client) RequestAccess(ctx context.Context, id string) error {
	return c.do(ctx, call{
		doing: "ask for access", what: "organization", name: id,
		method: http.MethodPost, path: "/iam/v1/groups/" + id + ":requestGroupAccess", body: struct{}{},
	}, &struct{}{})
}
