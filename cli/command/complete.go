package command

import (
	"math"

	"github.com/spf13/cobra"

	"docker-credential-cgr/config"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/names"
	"docker-credential-cgr/state"
	"docker-credential-cgr/token/store"
)

// names returns the cache of names for the configured issuer and an identity. It is not in
// the keychain, which completion does not open.
func (a *App) names(identity string) names.Cache {
	records := store.Records{Issuer: a.Config.Issuer.String(), Identity: identity}
	dir := state.NewDir(Name, func() (string, error) { return state.StoreDir(Name) })
	return names.Cache{Dir: dir, Note: records.LockName() + ".names", Now: Now}
}

// rememberNames stores the names that a client lists, for completion.
func (a *App) rememberNames(client *iam.Client) {
	if a.Config.Keychain == config.KeychainNone {
		return
	}
	cache := a.names(a.Config.Identity)
	client.OnOrganizations = func(groups []iam.Group) {
		items := make([]names.Item, len(groups))
		for i, g := range groups {
			items[i] = names.Item{ID: g.ID, Name: g.Name}
		}
		a.debugNames(cache.PutOrganizations(items))
	}
	client.OnIdentities = func(below string, all []iam.Identity) {
		items := make([]names.Item, len(all))
		for i, identity := range all {
			items[i] = names.Item{ID: identity.ID, Name: identity.Name, Type: identity.Type()}
		}
		a.debugNames(cache.PutIdentities(below, items))
	}
}

func (a *App) debugNames(err error) {
	if err != nil {
		a.Debug("cannot store names for completion: %v", err)
	}
}

// ForgetNames removes the names of the account, which signs out or may be another one now.
func (a *App) ForgetNames() {
	for _, identity := range []string{"", a.Config.Identity} {
		a.debugNames(a.names(identity).Clear())
	}
}

// CompleteNames returns the completion of up to limit names or IDs of items that have a
// property. It reads the cache and sends no request.
func (a *App) CompleteNames(limit int, has func(names.Item) bool) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		// Completion does not run Load.
		if err := a.Load(c, nil); err != nil || a.Config.Issuer == nil || len(args) >= limit {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var items []names.Item
		for _, item := range a.names(a.Config.Identity).Items() {
			if has(item) {
				items = append(items, item)
			}
		}
		return names.Complete(items, typed, args), cobra.ShellCompDirectiveNoFileComp
	}
}

// addCompletions completes the values of flags of a command.
func (a *App) addCompletions(c *cobra.Command) {
	for flag, has := range map[string]func(names.Item) bool{
		"parent": names.Item.IsOrganization, forFlag: names.Item.IsOrganization, "group": names.Item.IsOrganization, "identity": IsJobIdentity,
	} {
		if c.Flags().Lookup(flag) != nil {
			_ = c.RegisterFlagCompletionFunc(flag, a.CompleteNames(math.MaxInt, has)) // the flag exists
		}
	}
}

// IsIdentity reports whether an item is an identity.
func IsIdentity(i names.Item) bool { return !i.IsOrganization() }

// IsJobIdentity reports whether an item is an identity that is not a pull token's.
func IsJobIdentity(i names.Item) bool { return IsIdentity(i) && !IsPullToken(i) }

// IsPullToken reports whether an item is the identity of a pull token.
func IsPullToken(i names.Item) bool { return i.Type == "pull_token" }
