package pulltoken

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// DockerScript returns a script that logs Docker in to a registry, without the token as an
// argument. It begins with a space because many shells then leave it out of their history.
func (c Credential) DockerScript(registry string) string {
	return fmt.Sprintf(" docker login %s --username %s --password-stdin <<'EOF'\n%s\nEOF\n",
		hint.POSIX.Quote(registry), hint.POSIX.Quote(c.Identity.ID), c.Token)
}

// EnvScript returns a script of a shell that sets the same variables as chainctl. Each type of
// library has its own; images and packages share theirs.
func (c Credential) EnvScript(shell hint.Shell, repositories []Repository) (string, error) {
	var prefixes []string
	for _, r := range repositories {
		prefix := "CHAINGUARD_"
		if r != OCI && r != APK {
			prefix += strings.ToUpper(strings.ReplaceAll(string(r), "-", "_")) + "_"
		}
		if !slices.Contains(prefixes, prefix) {
			prefixes = append(prefixes, prefix)
		}
	}
	var b strings.Builder
	for _, prefix := range prefixes {
		id, idErr := shell.Set(prefix+"IDENTITY_ID", c.Identity.ID)
		token, err := shell.Set(prefix+"TOKEN", c.Token)
		if err := errors.Join(idErr, err); err != nil {
			return "", err
		}
		b.WriteString(id + "\n" + token + "\n")
	}
	return b.String(), nil
}

// Text returns the text that chainctl prints for a new pull token, which scripts parse.
func (c Credential) Text(registry, organization string, repositories []Repository) string {
	names := map[Repository]string{APK: "APK", Java: "Java", Python: "Python", JavaScript: "JavaScript"}
	var texts, others []string
	for _, r := range repositories {
		if r != OCI {
			others = append(others, cmp.Or(names[r], string(r)))
			continue
		}
		texts = []string{fmt.Sprintf("To use this pull token in another environment, run this command:\n\n"+
			"    docker login \"%s\" --username \"%s\" --password \"%s\"\n", registry, c.Identity.ID, c.Token)}
	}
	if len(others) > 0 {
		texts = append(texts, fmt.Sprintf("Creating new %s registry pull-token in %s\n\n"+
			"To use this pull token in another environment, supply the following for Basic authorization:\n\n"+
			"Username: %s\nPassword: %s\n", strings.Join(others, ", "), platform.Printable(organization), c.Identity.ID, c.Token))
	}
	return strings.Join(texts, "\n")
}
