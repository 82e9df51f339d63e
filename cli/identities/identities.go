// Package identities has the commands that manage identities.
package identities

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
)

// New returns the command identities.
func New(a *command.App) *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "identities",
		Aliases: []string{"identity", "ids", "id"},
		Short:   "Manage the identities that CI jobs assume",
		Long: `Create, list, change and delete identities. An identity lets a job pull without a
password: it defines which ID tokens are accepted, and its roles define what the job is
allowed to do. Pull tokens are identities too.`,
		Example: `  docker-credential-cgr identities create github my-workflow --github-repo my-org/my-repo \
    --github-ref refs/heads/main --role registry.pull
  docker-credential-cgr identities list
  docker-credential-cgr identities describe my-workflow`,
	}, newList(a), newDescribe(a), newCreate(a), newUpdate(a), newDelete(a))
}

// identityView is an identity as commands print it.
type identityView struct {
	iam.Identity
	Type     string     `json:"type,omitempty"`
	Roles    []roleView `json:"roles,omitzero"` // nil if unknown
	Warnings []string   `json:"warnings,omitempty"`
}

// roleView is a role that an identity has in a group and everything below it.
type roleView struct {
	ID    string    `json:"id,omitempty"` // empty if unknown
	Name  string    `json:"name"`
	Group iam.Group `json:"group"`
}

// String returns the role as in chainctl.
func (r roleView) String() string {
	if r.Group.Name == "" {
		return r.Name
	}
	return r.Group.Name + ": " + r.Name
}

// withRoles returns identities with their roles, sorted by name.
func withRoles(identities []iam.Identity, bindings []iam.RoleBinding) []identityView {
	roles := map[string][]roleView{}
	for _, b := range bindings {
		roles[b.Identity] = append(roles[b.Identity], roleView{b.Role.ID, b.Role.Name, b.Group})
	}
	views := make([]identityView, len(identities))
	for i, identity := range identities {
		views[i] = identityView{Identity: identity, Type: identity.Type(), Roles: append([]roleView{}, roles[identity.ID]...)}
		slices.SortStableFunc(views[i].Roles, func(a, b roleView) int { return strings.Compare(a.String(), b.String()) })
	}
	slices.SortStableFunc(views, func(a, b identityView) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return views
}

func (v identityView) roleTexts() []string {
	texts := make([]string, len(v.Roles))
	for i, role := range v.Roles {
		texts[i] = role.String()
	}
	return texts
}

// issuer returns the issuer of the tokens that v accepts, or "".
func (v identityView) issuer() string {
	switch {
	case v.ClaimMatch != nil:
		return cmp.Or(v.ClaimMatch.Issuer, v.ClaimMatch.IssuerPattern)
	case v.Static != nil:
		return v.Static.Issuer
	}
	return ""
}

// expires returns when the keys of an identity expire, or the zero time if it has none.
func expires(i iam.Identity) time.Time {
	if i.Static == nil {
		return time.Time{}
	}
	return i.Static.Expiration.Time
}

func isExpired(i iam.Identity) bool {
	end := expires(i)
	return !end.IsZero() && !command.Now().Before(end)
}

// describeShort returns the name and the ID of an identity.
func describeShort(i iam.Identity) string {
	return fmt.Sprintf("%s (%s)", command.Quoted(i.Name), platform.Printable(i.ID))
}

// groupOf returns the ID of the group that contains an ID.
func groupOf(id string) string { return id[:max(0, strings.LastIndexByte(id, '/'))] }

// find returns the identities with these IDs or names, each once.
func find(ctx context.Context, a *command.App, client *iam.Client, parent string, args []string) ([]iam.Identity, error) {
	var found, all []iam.Identity
	for _, arg := range args {
		var identity iam.Identity
		var err error
		if iam.ValidID(arg) {
			identity, err = client.Identity(ctx, arg)
		} else {
			if all == nil {
				if all, err = a.Identities(ctx, client, parent); err != nil {
					return nil, err
				}
			}
			identity, err = iam.MatchIdentity(all, arg)
		}
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(found, func(i iam.Identity) bool { return i.ID == identity.ID }) {
			found = append(found, identity)
		}
	}
	return found, nil
}

// identityArgs requires from one to limit IDs or names of identities.
func identityArgs(limit int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return command.UsageHelpf(c, "the ID or NAME of an identity is missing")
		}
		if len(args) > limit {
			return command.UsageHelpf(c, "%s takes one ID or NAME, and was given %d", c.Name(), len(args))
		}
		for _, arg := range args {
			if err := iam.CheckName(arg); err != nil && !iam.ValidID(arg) {
				return command.Usagef("this is neither the id nor the name of an identity: %w", err)
			}
		}
		return nil
	}
}

// printChanged prints a new or changed identity, as text only its ID.
func printChanged(a *command.App, v identityView, id string) error {
	if a.Output == "json" {
		return a.PrintJSON(v)
	}
	return a.PrintIDs(id)
}
