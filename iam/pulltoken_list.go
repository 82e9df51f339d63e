package iam

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// PullTokenFilter limits a list of pull tokens; what is empty does not. With Expired
// and ExpiresWithin both, those that either is about are listed.
type PullTokenFilter struct {
	Parent        string        // id of the organization or folder that they are below of
	Roles         bool          // look up their roles, which Repository does too
	Repository    Repository    // that they are good for
	Expired       bool          // those that have ended
	ExpiresWithin time.Duration // those that end within this time
	Now           time.Time     // what the two above are reckoned from
}

// PullTokenInfo is what the service knows of a pull token, which is not the token.
type PullTokenInfo struct {
	ID           string       `json:"id"` // of its identity
	Name         string       `json:"name"`
	Description  string       `json:"description,omitempty"`
	Organization Group        `json:"organization"` // its name is empty where the caller may not see it
	CreatedAt    time.Time    `json:"createdAt,omitzero"`
	Expires      time.Time    `json:"expires,omitzero"`  // zero where the service does not say
	LastSeen     time.Time    `json:"lastSeen,omitzero"` // last used; zero for never
	Roles        []string     `json:"roles"`             // names, sorted; none where they were not looked up
	Repositories []Repository `json:"repositories"`      // that Roles make it good for
}

// PullTokens lists pull tokens with their organizations, those that end first before
// the others. It takes the rights to list identities, groups and, for their roles, role
// bindings; its errors are those of Identities.
func (c *Client) PullTokens(ctx context.Context, f PullTokenFilter) ([]PullTokenInfo, error) {
	// All of them: a filter for what is below the organization would leave it out.
	groupsOf := begin(func() ([]Group, error) { return c.Groups(ctx, GroupFilter{}) })
	var identities []Identity
	var bindings []RoleBinding
	var incomplete error
	if f.Roles || f.Repository != "" {
		identities, bindings, incomplete = c.IdentitiesAndBindings(ctx, f.Parent)
	} else {
		identities, incomplete = c.Identities(ctx, IdentityFilter{DescendantsOf: f.Parent})
	}
	if incomplete != nil && !isPartial(incomplete) {
		return nil, whileListing(incomplete, "list pull tokens")
	}
	groups, err := groupsOf(ctx)
	if err != nil {
		return nil, err
	}
	roles := rolesByIdentity(bindings)
	byID := make(map[string]Group, len(groups))
	for _, g := range groups {
		byID[g.ID] = g
	}
	tokens := []PullTokenInfo{}
	for _, identity := range identities {
		if identity.Type() != "pull_token" {
			continue
		}
		info := pullTokenInfo(identity, roles[identity.ID])
		organization, _, _ := strings.Cut(identity.ID, "/")
		info.Organization = Group{ID: organization}
		if g, ok := byID[organization]; ok {
			info.Organization = g
		}
		if f.takes(info) {
			tokens = append(tokens, info)
		}
	}
	slices.SortStableFunc(tokens, PullTokenInfo.compare)
	return tokens, incomplete
}

func pullTokenInfo(identity Identity, roles []string) PullTokenInfo {
	info := PullTokenInfo{
		ID: identity.ID, Name: identity.Name, Description: identity.Description,
		CreatedAt: identity.CreatedAt.Time, Expires: identity.Static.Expiration.Time, LastSeen: identity.LastSeen.Time,
		Roles: append([]string{}, roles...), Repositories: []Repository{},
	}
	for _, repository := range Repositories() {
		if slices.Contains(roles, repository.Role()) {
			info.Repositories = append(info.Repositories, repository)
		}
	}
	return info
}

// rolesByIdentity gives the names of the roles that each identity has, sorted, each
// once.
func rolesByIdentity(bindings []RoleBinding) map[string][]string {
	roles := map[string][]string{}
	for _, b := range bindings {
		roles[b.Identity] = append(roles[b.Identity], b.Role.Name)
	}
	for id, names := range roles {
		slices.Sort(names)
		roles[id] = slices.Compact(names)
	}
	return roles
}

func (f PullTokenFilter) takes(t PullTokenInfo) bool {
	if f.Repository != "" && !slices.Contains(t.Repositories, f.Repository) {
		return false
	}
	if !f.Expired && f.ExpiresWithin == 0 {
		return true
	}
	if t.Expires.IsZero() {
		return false
	}
	if t.Expired(f.Now) {
		return f.Expired
	}
	return f.ExpiresWithin > 0 && !t.Expires.After(f.Now.Add(f.ExpiresWithin))
}

// Expired says whether t has ended.
func (t PullTokenInfo) Expired(now time.Time) bool {
	return !t.Expires.IsZero() && !now.Before(t.Expires)
}

// compare puts what ends first before what ends later, and what has no end last.
func (t PullTokenInfo) compare(other PullTokenInfo) int {
	if t.Expires.IsZero() != other.Expires.IsZero() {
		if t.Expires.IsZero() {
			return 1
		}
		return -1
	}
	return cmp.Or(t.Expires.Compare(other.Expires), strings.Compare(t.ID, other.ID))
}

// MatchPullToken finds the one pull token in list that has an id or a name. It gives
// an *AmbiguousError where several have the name, and a *NotFoundError where none has.
func MatchPullToken(list []PullTokenInfo, idOrName string) (PullTokenInfo, error) {
	return pick("pull token", list, idOrName, func(t PullTokenInfo) (id, name string) { return t.ID, t.Name })
}

// Revoke deletes the pull token whose identity has an id. An identity of another type
// is left alone: whoever means it has a command for that.
func (c *Client) Revoke(ctx context.Context, id string) error {
	identity, err := c.Identity(ctx, id)
	if err != nil {
		return err
	}
	if kind := identity.Type(); kind != "pull_token" {
		return fmt.Errorf("the identity %s (%s) is no pull token; to delete it, run: docker-credential-cgr identities delete %s", id, quote(identity.Name), id)
	}
	return c.DeleteIdentity(ctx, id)
}
