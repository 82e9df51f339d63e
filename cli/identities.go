package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
)

func (a *app) newIdentities() *cobra.Command {
	c := command.Group(&cobra.Command{
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
	})
	c.AddCommand(a.newIdentitiesList(), a.newIdentitiesDescribe(), a.newIdentitiesCreate(), a.newIdentitiesUpdate(), a.newIdentitiesDelete())
	return c
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

func (r roleView) String() string {
	if r.Group.Name == "" {
		return r.Name
	}
	return r.Group.Name + ": " + r.Name // as chainctl has it
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

// expires returns when the keys of an identity expire; the zero time if it has none.
func expires(i iam.Identity) time.Time {
	if i.Static == nil {
		return time.Time{}
	}
	return i.Static.Expiration.Time
}

func expired(i iam.Identity, now time.Time) bool {
	end := expires(i)
	return !end.IsZero() && !now.Before(end)
}

// identityTypes are the values of --type, in chainctl's words.
var identityTypes = []string{"aws", "claim_match", "pull_token", "service_principal", "static"}

// identityFilter are the flags of list.
type identityFilter struct {
	parent, name       string
	types              []string
	expired, recursive bool
}

func (a *app) newIdentitiesList() *cobra.Command {
	var f identityFilter
	c := command.Formats(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List identities and their roles",
		Example: `  docker-credential-cgr identities list --type claim_match,static
  docker-credential-cgr identities list --expired -o id
  docker-credential-cgr identities list -o json | jq -r '.items[].claimMatch.subject'`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			return a.listIdentities(c.Context(), f)
		},
	}, "table", "json", "csv", "id")
	flags := c.Flags()
	command.ParentFlag(flags, &f.parent, "only those of this `ORGANIZATION` (name or ID; default: all you can see)")
	flags.StringVar(&f.name, "name", "", "only those with this `NAME`")
	flags.StringSliceVar(&f.types, "type", nil, "only those of this `TYPE`: "+strings.Join(identityTypes, ", "))
	flags.BoolVar(&f.expired, "expired", false, "only those whose keys have expired")
	flags.BoolVar(&f.recursive, "recursive", true, "include those in folders")
	return c
}

func (f identityFilter) check(c *cobra.Command) error {
	for _, kind := range f.types {
		if !slices.Contains(identityTypes, kind) {
			return command.Usagef("--type %q: use %s", kind, strings.Join(identityTypes, ", "))
		}
	}
	if c.Flags().Changed("name") {
		if err := iam.CheckName(f.name); err != nil {
			return command.Usagef("--name: %w", err)
		}
	}
	return command.CheckParent(c, f.parent)
}

func (f identityFilter) matches(i iam.Identity, parent string, now time.Time) bool {
	switch {
	case f.name != "" && i.Name != f.name:
	case len(f.types) > 0 && !slices.Contains(f.types, i.Type()):
	case f.expired && !expired(i, now):
	case !f.recursive && !isChild(i.ID, parent):
	default:
		return true
	}
	return false
}

// isChild reports whether an id is directly in the group parent, or in any organization if
// that is empty.
func isChild(id, parent string) bool {
	if parent == "" {
		return !strings.Contains(groupOf(id), "/")
	}
	return groupOf(id) == parent
}

// groupOf returns the id of the group that contains an id.
func groupOf(id string) string { return id[:max(0, strings.LastIndexByte(id, '/'))] }

func (a *app) listIdentities(ctx context.Context, f identityFilter) error {
	client, _, err := a.API(ctx)
	if err != nil {
		return err
	}
	parent, err := a.ParentID(ctx, client, f.parent)
	if err != nil {
		return err
	}
	var identities []iam.Identity
	var bindings []iam.RoleBinding
	var incomplete error
	if a.Output == "id" {
		identities, incomplete = client.Identities(ctx, iam.IdentityFilter{DescendantsOf: parent})
	} else {
		identities, bindings, incomplete = client.IdentitiesAndBindings(ctx, parent)
	}
	if incomplete != nil && !iam.IsPartial(incomplete) {
		return incomplete
	}
	identities = slices.DeleteFunc(identities, func(i iam.Identity) bool { return !f.matches(i, parent, command.Now()) })
	return errors.Join(a.printIdentities(withRoles(identities, bindings)), incomplete)
}

// parentID returns the id of the organization or folder that --parent or default.group
// names, or "" for all that the caller can see.
func (a *app) parentID(ctx context.Context, client *iam.Client, parent string) (string, error) {
	if parent = cmp.Or(parent, a.Config.Group); parent == "" {
		return "", nil
	}
	group, err := client.Organization(ctx, parent)
	return group.ID, err
}

func (a *app) printIdentities(views []identityView) error {
	return command.PrintList(a.App, views, command.List[identityView]{
		Header: []string{"ID", "NAME", "TYPE", "DESCRIPTION", "ROLES", "ISSUER", "EXPIRES"},
		Row: func(v identityView) []string {
			end := command.Day(expires(v.Identity))
			if a.Output == "table" && expired(v.Identity, command.Now()) {
				end += " (expired)"
			}
			return []string{
				v.ID, v.Name, cmp.Or(v.Type, command.NoValue), v.Description, strings.Join(v.roleTexts(), ", "),
				cmp.Or(v.issuer(), command.NoValue), end,
			}
		},
		ID: func(v identityView) string { return v.ID },
	})
}

// findIdentities returns the identities with these ids or names, each once.
func (a *app) findIdentities(ctx context.Context, client *iam.Client, parent string, args []string) ([]iam.Identity, error) {
	var found, all []iam.Identity
	for _, arg := range args {
		var identity iam.Identity
		var err error
		if iam.ValidID(arg) {
			identity, err = client.Identity(ctx, arg)
		} else {
			if all == nil {
				if all, err = a.allIdentities(ctx, client, parent); err != nil {
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

func (a *app) allIdentities(ctx context.Context, client *iam.Client, parent string) ([]iam.Identity, error) {
	id, err := a.ParentID(ctx, client, parent)
	if err != nil {
		return nil, err
	}
	return client.Identities(ctx, iam.IdentityFilter{DescendantsOf: id})
}

// identityArguments checks that there are at least one and at most so many ids or names of
// identities.
func identityArguments(most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return command.UsageHelpf(c, "the ID or NAME of an identity is missing")
		}
		if len(args) > most {
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

// named returns the name and the id of an identity.
func named(i iam.Identity) string {
	return fmt.Sprintf("%s (%s)", command.Quoted(i.Name), platform.Printable(i.ID))
}
