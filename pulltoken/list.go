package pulltoken

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
)

// Filter limits a list of pull tokens; empty fields do not. With both Expired and
// ExpiresWithin, those that match either are listed.
type Filter struct {
	Parent        string        // id of the organization or folder above them
	Roles         bool          // look up their roles, as Repository does too
	Repository    Repository    // that they are valid for
	Expired       bool          // those that have expired
	ExpiresWithin time.Duration // those that expire within this time
	Now           time.Time     // for the two above
}

// Info is what the platform knows about a pull token.
type Info struct {
	ID           string       `json:"id"` // of its identity
	Name         string       `json:"name"`
	Description  string       `json:"description,omitempty"`
	Organization iam.Group    `json:"organization"` // without a name if the caller may not see it
	CreatedAt    time.Time    `json:"createdAt,omitzero"`
	Expires      time.Time    `json:"expires,omitzero"`  // zero if unknown
	LastSeen     time.Time    `json:"lastSeen,omitzero"` // last used; zero for never
	Roles        []string     `json:"roles"`             // names, sorted; empty if they were not looked up
	Repositories []Repository `json:"repositories"`      // that Roles make it valid for
}

// List lists pull tokens with their organizations, those that expire first at the top. It
// requires the capabilities to list identities, groups and, for the roles, role bindings;
// its errors are those of iam.Client.Identities.
func List(ctx context.Context, client *iam.Client, f Filter) ([]Info, error) {
	var (
		identities         []iam.Identity
		bindings           []iam.RoleBinding
		groups             []iam.Group
		incomplete, failed error
		all                sync.WaitGroup
	)
	// All groups: a filter for those below the organization would leave it out.
	all.Go(func() { groups, failed = client.Groups(ctx) })
	if f.Roles || f.Repository != "" {
		identities, bindings, incomplete = client.IdentitiesAndBindings(ctx, f.Parent)
	} else {
		identities, incomplete = client.Identities(ctx, f.Parent)
	}
	all.Wait()
	if incomplete != nil && !iam.IsPartial(incomplete) {
		var missing *iam.CapabilityError
		if errors.As(incomplete, &missing) && missing.Capability == iam.CapabilityListIdentities {
			missing.Doing = "list pull tokens"
		}
		return nil, incomplete
	}
	if failed != nil {
		return nil, failed
	}
	roles := rolesByIdentity(bindings)
	infos := []Info{}
	for _, identity := range identities {
		if identity.Type() != "pull_token" {
			continue
		}
		if info := newInfo(identity, roles[identity.ID], groups); f.matches(info) {
			infos = append(infos, info)
		}
	}
	slices.SortStableFunc(infos, Info.compare)
	return infos, incomplete
}

func newInfo(identity iam.Identity, roles []string, groups []iam.Group) Info {
	info := Info{
		ID: identity.ID, Name: identity.Name, Description: identity.Description,
		CreatedAt: identity.CreatedAt.Time, Expires: identity.Static.Expiration.Time, LastSeen: identity.LastSeen.Time,
		Roles: append([]string{}, roles...), Repositories: repositoriesOf(roles),
	}
	info.Organization.ID, _, _ = strings.Cut(identity.ID, "/")
	if i := slices.IndexFunc(groups, func(g iam.Group) bool { return g.ID == info.Organization.ID }); i >= 0 {
		info.Organization = groups[i]
	}
	return info
}

// rolesByIdentity returns the names of the roles of each identity, sorted, each once.
func rolesByIdentity(bindings []iam.RoleBinding) map[string][]string {
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

func (f Filter) matches(t Info) bool {
	if f.Repository != "" && !slices.Contains(t.Repositories, f.Repository) {
		return false
	}
	switch {
	case !f.Expired && f.ExpiresWithin == 0:
		return true
	case t.Expires.IsZero():
		return false
	case !f.Now.Before(t.Expires):
		return f.Expired
	}
	return f.ExpiresWithin > 0 && !t.Expires.After(f.Now.Add(f.ExpiresWithin))
}

// compare sorts pull tokens by when they expire. Those that never do are last.
func (t Info) compare(other Info) int {
	if t.Expires.IsZero() != other.Expires.IsZero() {
		if t.Expires.IsZero() {
			return 1
		}
		return -1
	}
	return cmp.Or(t.Expires.Compare(other.Expires), strings.Compare(t.ID, other.ID))
}

// Find returns the pull tokens in list that have these ids or names, each once. A name that
// several have is an *iam.AmbiguousError, one that none has an *iam.NotFoundError.
func Find(list []Info, idsOrNames ...string) ([]Info, error) {
	var found []Info
	for _, idOrName := range idsOrNames {
		t, err := iam.Find("pull token", list, idOrName, func(t Info) (id, name string) { return t.ID, t.Name })
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(found, func(f Info) bool { return f.ID == t.ID }) {
			found = append(found, t)
		}
	}
	return found, nil
}

// Revoke deletes the pull token whose identity has an id. It does not delete identities of
// other types.
func Revoke(ctx context.Context, client *iam.Client, id string) error {
	identity, err := client.Identity(ctx, id)
	if err != nil {
		return err
	}
	if identity.Type() != "pull_token" {
		err := fmt.Errorf("the identity %s (%s) is not a pull token", id, quote(identity.Name))
		return hint.With(err, hint.Do(hint.DeleteIdentity, id))
	}
	return client.DeleteIdentity(ctx, id)
}

// ExpiresSoon is the number of days left below which a pull token needs attention.
const ExpiresSoon = 7

// DaysLeft returns the days until t expires, rounded so that a new token of 30 days has 30
// and one with less than a day has none. It is negative once t has expired, and nil if
// that is unknown.
func (t Info) DaysLeft(now time.Time) *int {
	if t.Expires.IsZero() {
		return nil
	}
	left := t.Expires.Sub(now).Hours() / 24
	days := int(math.Round(left))
	if left < 1 {
		days = int(math.Floor(left))
	}
	return &days
}
