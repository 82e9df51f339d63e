package command

import (
	"github.com/spf13/pflag"
)

// forFlag is the flag that names the organization whose session a command uses.
const forFlag = "for"

// ForFlag adds the flag for the organization whose session a command uses.
func ForFlag(flags *pflag.FlagSet, usage string) { flags.String(forFlag, "", usage) }

// UseOrganization makes the next session that of an organization if it has one of its own.
func (a *App) UseOrganization(name string) {
	if _, found := a.Config.FindOrganization(name); found {
		a.useOrganization(name, false)
	}
}

func (a *App) useOrganization(name string, keepIdentity bool) {
	a.SessionOrganization = name
	if !keepIdentity {
		o, _ := a.Config.FindOrganization(name)
		a.Config.Identity = o.Identity
	}
}

// service is the name of the store. Each organization with a session of its own has its own
// store, so that nothing of one session is used for another.
func (a *App) service() string {
	if a.SessionOrganization == "" {
		return Name
	}
	return Name + "@" + a.SessionOrganization
}
