package account

import (
	"fmt"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// organizationsSetting is the setting with the organizations that have sessions of their own.
const organizationsSetting = "auth.organizations"

// checkForFlags checks the flags that go with --for before anything is done.
func checkForFlags(a *command.App, c *cobra.Command) error {
	if a.SessionOrganization == "" {
		return nil
	}
	if command.AnyChanged(c, "identity-token", "identity-token-env") {
		return hint.With(command.Usagef("--for does not go with --identity-token and --identity-token-env: all identities of this machine have one ID token"),
			hint.Do(hint.SetSetting, "auth.identity-token", "PATH"))
	}
	return checkOrganizationsInFile(a)
}

// checkOrganizationsInFile returns an error if the settings file does not decide which
// organizations have sessions of their own.
func checkOrganizationsInFile(a *command.App) error {
	variable := config.Variable(organizationsSetting)
	for _, s := range a.Config.Settings {
		if s.Property == organizationsSetting && s.Source == variable {
			return hint.With(fmt.Errorf("%s is set, so a change of the settings file would have no effect", variable), hint.Unset(variable))
		}
	}
	return nil
}

// storeOrganization writes the organization of --for, with its identity, into the settings file.
func storeOrganization(a *command.App) error {
	return config.AddOrganization(a.Config.File, config.Organization{Name: a.SessionOrganization, Identity: a.Config.Identity})
}

// forgetOrganization removes the organization of --for from the settings file.
func forgetOrganization(a *command.App) error {
	if _, found := a.Config.FindOrganization(a.SessionOrganization); !found {
		return nil
	}
	if err := checkOrganizationsInFile(a); err != nil {
		a.WarnError(err)
		return nil
	}
	return config.RemoveOrganization(a.Config.File, a.SessionOrganization)
}

// organizationSession is the session of an organization in the output of status.
type organizationSession struct {
	Organization string `json:"organization"`
	Valid        bool   `json:"valid"`
	Account      string `json:"account,omitempty"` // e-mail address or ID
	sessionEnd
}

// organizationSessions returns the sessions of organizations, as they are stored.
func organizationSessions(a *command.App) ([]organizationSession, error) {
	var sessions []organizationSession
	for _, o := range a.Config.Organizations {
		of := *a
		of.UseOrganization(o.Name)
		s, err := of.Session()
		if err != nil {
			return nil, err
		}
		contents, err := s.Contents()
		if err != nil {
			return nil, err
		}
		account := contents.Account
		session := organizationSession{Organization: o.Name, Valid: account.Valid(s.Now()), Account: account.String()}
		session.Until, session.Renewable = command.JSONTime(account.Until), account.Renewable
		if s.IDToken != nil {
			session.Valid, session.Account, session.Until, session.Renewable = true, o.Identity, nil, true
		}
		for _, t := range contents.Tokens {
			if t.UserStored && t.Valid && t.Host == s.Registry {
				session.Valid, session.Account = true, t.Username
				session.Until, session.Renewable = command.JSONTime(t.Expires), false
			}
		}
		sessions = append(sessions, session)
	}
	return sessions, nil
}

// text describes the session on one line.
func (o organizationSession) text() string {
	switch {
	case !o.Valid:
		return platform.Printable(o.Organization) + ", not signed in"
	case o.Until == nil:
		return platform.Printable(o.Organization) + ", " + platform.Printable(o.Account)
	}
	return fmt.Sprintf("%s, %s, %s", platform.Printable(o.Organization), platform.Printable(o.Account), o.sessionEnd.text())
}

// warnOtherSessions names the organizations whose sessions a sign-out leaves.
func warnOtherSessions(a *command.App) {
	for _, o := range a.Config.Organizations {
		a.WarnHint(hint.Text("%s logout --for %s", command.Name, o.Name), "the session for %s stays", o.Name)
	}
}
