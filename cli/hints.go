package cli

import "docker-credential-cgr/hint"

// commands are the commands behind what errors suggest.
var commands = map[hint.Action]string{
	hint.SignIn:          "login",
	hint.ConfigureDocker: "configure-docker",
	hint.ReplaceHelper:   "configure-docker --replace",
	hint.ShowStatus:      "status",
	hint.OpenConsole:     "console",
	hint.ListSettings:    "config view",
	hint.SetSetting:      "config set",
	hint.UnsetSetting:    "config unset",
	hint.ListIdentities:  "identities list",
	hint.DeleteIdentity:  "identities delete",
	hint.ListPullTokens:  "pull-token list",
	hint.RevokePullToken: "pull-token revoke",
	hint.ShowHistory:     "images history",
}

// command returns a hint as the command to paste or the sentence that it is.
func command(h hint.Hint) string {
	verb, found := commands[h.Action]
	if !found {
		return h.Text
	}
	text := name + " " + verb
	if h.Argument != "" {
		text += " " + h.Argument
	}
	return text
}
