package command

import "docker-credential-cgr/hint"

// actions are the commands for the actions that hints suggest.
var actions = [...]string{
	hint.SignIn:          "login",
	hint.ConfigureDocker: "configure-docker",
	hint.ReplaceHelper:   "configure-docker --replace",
	hint.ShowStatus:      "status",
	hint.ListSettings:    "config view",
	hint.SetSetting:      "config set",
	hint.UnsetSetting:    "config unset",
	hint.ListIdentities:  "identities list",
	hint.DeleteIdentity:  "identities delete",
	hint.ListPullTokens:  "pull-token list",
	hint.RevokePullToken: "pull-token revoke",
	hint.ShowHistory:     "images history",
	hint.ListImages:      "images list",
}

// HintText returns the command to paste, or the sentence, of a hint. The command that signs in
// does so for the organization whose session is used.
func (a *App) HintText(h hint.Hint) string {
	if h.Action == 0 {
		return h.Text
	}
	text := Name + " " + actions[h.Action]
	if h.Action == hint.SignIn && a.SessionOrganization != "" {
		text += " --" + forFlag + " " + hint.Quote(a.SessionOrganization)
	}
	if h.Arguments != "" {
		text += " " + h.Arguments
	}
	return text
}

// UnsetPair returns the hint for a pull token in the environment, which takes precedence
// over what is stored.
func UnsetPair() hint.Hint { return hint.Unset("CHAINGUARD_IDENTITY_ID", "CHAINGUARD_TOKEN") }
