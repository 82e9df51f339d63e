package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/kubernetes"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/pulltoken"
)

// printPullToken prints a new pull token in the format of --output.
func (a *app) printPullToken(t pulltoken.Credential, group iam.Group, repositories []pulltoken.Repository) error {
	if a.Output != "kubernetes" {
		a.Mask(t.Token)
	}
	switch a.Output {
	case "docker":
		if term.IsTerminal(int(a.Stdout.Fd())) {
			a.Warn("if you paste this into a shell, the token gets into its history; use a pipe: … -o docker | ssh HOST sh")
		}
		return a.Print("%s", dockerScript(a.Config.Registry.Host, t))
	case "env":
		return a.Print("%s", envScript(t, repositories))
	case "json":
		return a.PrintJSON(struct {
			IdentityID   string                 `json:"identity_id"`
			Token        string                 `json:"token"`
			Name         string                 `json:"name"`
			Organization string                 `json:"organization"`
			Repositories []pulltoken.Repository `json:"repositories"`
			Expires      *time.Time             `json:"expires"`
		}{t.Identity.ID, t.Token, t.Identity.Name, group.Name, repositories, command.JSONTime(t.Expires)})
	case "kubernetes":
		return a.showSecret(kubernetes.Secret{
			Name: t.Identity.Name, Registry: a.Config.Registry.Host,
			Username: t.Identity.ID, Password: t.Token, Expires: t.Expires,
		}, "yaml")
	}
	return a.Print("%s", pullTokenText(a.Config.Registry.Host, t, group, repositories))
}

// dockerScript returns a script that logs Docker in, without the token as an argument. It
// begins with a space because many shells leave such lines out of their history.
func dockerScript(host string, t pulltoken.Credential) string {
	return fmt.Sprintf(" docker login %s --username %s --password-stdin <<'EOF'\n%s\nEOF\n", hint.Quote(host), hint.Quote(t.Identity.ID), t.Token)
}

// envScript returns a script for eval that sets the same variables as chainctl. Each type of
// library has its own; images and packages share theirs.
func envScript(t pulltoken.Credential, repositories []pulltoken.Repository) string {
	var prefixes []string
	for _, r := range repositories {
		prefix := "CHAINGUARD_"
		if r != pulltoken.OCI && r != pulltoken.APK {
			prefix += strings.ToUpper(string(r)) + "_"
		}
		if !slices.Contains(prefixes, prefix) {
			prefixes = append(prefixes, prefix)
		}
	}
	var b strings.Builder
	for _, prefix := range prefixes {
		fmt.Fprintf(&b, "export %sIDENTITY_ID=%s\nexport %sTOKEN=%s\n", prefix, hint.Quote(t.Identity.ID), prefix, hint.Quote(t.Token))
	}
	return b.String()
}

// pullTokenText returns what chainctl prints, which scripts parse.
func pullTokenText(host string, t pulltoken.Credential, group iam.Group, repositories []pulltoken.Repository) string {
	var b strings.Builder
	if slices.Contains(repositories, pulltoken.OCI) {
		fmt.Fprintf(&b, "To use this pull token in another environment, run this command:\n\n    docker login \"%s\" --username \"%s\" --password \"%s\"\n", host, t.Identity.ID, t.Token)
	}
	titles := map[pulltoken.Repository]string{pulltoken.APK: "APK", pulltoken.Java: "Java", pulltoken.Python: "Python", pulltoken.JavaScript: "JavaScript"}
	var others []string
	for _, r := range repositories {
		if title, ok := titles[r]; ok {
			others = append(others, title)
		}
	}
	if len(others) == 0 {
		return b.String()
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "Creating new %s registry pull-token in %s\n\nTo use this pull token in another environment, supply the following for Basic authorization:\n\nUsername: %s\nPassword: %s\n",
		strings.Join(others, ", "), platform.Printable(group.Name), t.Identity.ID, t.Token)
	return b.String()
}
