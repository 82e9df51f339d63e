package account

import (
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/cli/command"
)

// chainctlStatus is the JSON of chainctl's status. Public programs read identity, expiry and
// capabilities.
type chainctlStatus struct {
	Valid        bool              `json:"valid"`
	Identity     string            `json:"identity"`
	Email        string            `json:"email,omitempty"`
	Issuer       string            `json:"issuer"`
	Expiry       *time.Time        `json:"expiry,omitempty"` // of the access token
	Capabilities map[string]string `json:"capabilities"`     // roles, by the names of organizations
	Problem      string            `json:"problem,omitempty"`
}

// chainctl returns the status as chainctl prints it.
func (st *status) chainctl(a *command.App) chainctlStatus {
	roles := map[string]string{}
	for _, o := range st.Organizations {
		roles[o.Name] = strings.Join(slices.Concat(o.Roles, o.Capabilities), ", ")
	}
	return chainctlStatus{
		Valid: st.Valid, Identity: st.Identity, Email: st.Email, Issuer: a.Config.Issuer.String(),
		Expiry: command.JSONTime(st.expires), Capabilities: roles, Problem: st.Problem,
	}
}
