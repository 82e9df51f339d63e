package issue

import (
	"time"

	"golang.org/x/term"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/kubernetes"
	"docker-credential-cgr/pulltoken"
)

// printToken prints a new pull token in the format of --output.
func printToken(a *command.App, shell hint.Shell, t pulltoken.Credential, group iam.Group, repositories []pulltoken.Repository) error {
	host := a.Config.Registry.Host
	if a.Output == "kubernetes" {
		return PrintSecret(a, kubernetes.Secret{
			Name: t.Identity.Name, Registry: host,
			Username: t.Identity.ID, Password: t.Token, Expires: t.Expires,
		})
	}
	a.Mask(t.Token)
	switch a.Output {
	case "docker":
		if term.IsTerminal(int(a.Stdout.Fd())) {
			a.Warn("if you paste this into a shell, the token gets into its history; use a pipe: … -o docker | ssh HOST sh")
		}
		return a.Print("%s", t.DockerScript(host))
	case "env":
		script, err := t.EnvScript(shell, repositories)
		if err != nil {
			return err
		}
		return a.Print("%s", script)
	case "json":
		return a.PrintJSON(struct {
			IdentityID   string                 `json:"identity_id"`
			Token        string                 `json:"token"`
			Name         string                 `json:"name"`
			Organization string                 `json:"organization"`
			Repositories []pulltoken.Repository `json:"repositories"`
			Expires      *time.Time             `json:"expires"`
		}{t.Identity.ID, t.Token, t.Identity.Name, group.Name, repositories, command.JSONTime(t.Expires)})
	}
	return a.Print("%s", t.Text(host, group.Name, repositories))
}

// PrintSecret prints a pull secret, as JSON if --output says so and else as YAML.
func PrintSecret(a *command.App, secret kubernetes.Secret) error {
	write := secret.YAML
	if a.Output == "json" {
		write = secret.JSON
	}
	text, err := write()
	if err != nil {
		return err
	}
	data, err := secret.Data()
	if err != nil {
		return err
	}
	a.Mask(secret.Password)
	a.Mask(data)
	return a.Print("%s", text)
}
