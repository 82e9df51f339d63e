package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"docker-credential-cgr/spelling"
)

// Group is an organization, or a folder in one.
type Group struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Verified    bool   `json:"verified,omitempty"` // the name is a domain that the organization has proved
	Kind        string `json:"kind,omitempty"`     // newer deployments only
	Status      string `json:"status,omitempty"`   // newer deployments only
}

// GroupFilter limits a list of groups; what is empty does not.
type GroupFilter struct {
	ID            string // exactly
	Name          string // exactly
	InRoot        bool   // organizations only
	DescendantsOf string // id of the group that they are below of
}

// Groups lists the groups that the caller may see.
func (c *Client) Groups(ctx context.Context, f GroupFilter) ([]Group, error) {
	inRoot := ""
	if f.InRoot {
		inRoot = "true"
	}
	return list[Group](ctx, c, call{
		doing: "list organizations and folders", capability: CapabilityListGroups,
		path:  "/iam/v1/groups",
		query: filter("id", f.ID, "name", f.Name, "uidp.inRoot", inRoot, "uidp.descendantsOf", f.DescendantsOf),
	})
}

// Organizations lists the organizations that the caller may see.
func (c *Client) Organizations(ctx context.Context) ([]Group, error) {
	groups, err := c.Groups(ctx, GroupFilter{InRoot: true})
	return slices.DeleteFunc(groups, func(g Group) bool { return strings.Contains(g.ID, "/") }), err
}

// Organization finds an organization by what somebody typed: its name, its id (a
// folder's will do), or nothing where there is only one. A *NotFoundError names the
// organizations that come near; a *ManyError has those that fit, for somebody to
// choose from.
func (c *Client) Organization(ctx context.Context, nameOrID string) (Group, error) {
	if len(nameOrID) > maxName && !ValidID(nameOrID) {
		return Group{}, fmt.Errorf("an organization's name of %d bytes is too long: at most %d", len(nameOrID), maxName)
	}
	if ValidID(nameOrID) {
		return c.groupByID(ctx, nameOrID)
	}
	organizations, err := c.Organizations(ctx)
	if err != nil {
		return Group{}, err
	}
	fit := organizations
	if nameOrID != "" {
		fit = slices.DeleteFunc(slices.Clone(organizations), func(g Group) bool { return g.Name != nameOrID })
	}
	switch len(fit) {
	case 0:
		return Group{}, &NotFoundError{What: "organization", Name: nameOrID, Near: spelling.Near(nameOrID, namesOf(organizations, func(g Group) string { return g.Name }))}
	case 1:
		return fit[0], nil
	}
	return Group{}, &ManyError{Name: nameOrID, Groups: fit}
}

func (c *Client) groupByID(ctx context.Context, id string) (Group, error) {
	groups, err := c.Groups(ctx, GroupFilter{ID: id})
	if err != nil {
		return Group{}, err
	}
	for _, g := range groups {
		if g.ID == id {
			return g, nil
		}
	}
	return Group{}, &NotFoundError{What: "organization", Name: id}
}

// namesOf returns the name of each item.
func namesOf[T any](items []T, name func(T) string) []string {
	names := make([]string, len(items))
	for i, item := range items {
		names[i] = name(item)
	}
	return names
}
