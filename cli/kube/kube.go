// Package kube has the commands for Kubernetes.
package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/cli/issue"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/kubernetes"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

// New returns the command kubernetes.
func New(a *command.App) *cobra.Command {
	return command.Group(&cobra.Command{
		Use:   "kubernetes",
		Short: "Let Kubernetes pull private images",
	}, newSecret(a), newProvider(a), newProviderConfig(a), newInstallNode(a), newNodeManifest(a), newRefreshSecret(a), newRefreshManifest(a))
}

// secretFlags are the flags of kubernetes secret.
type secretFlags struct {
	namespace, parent, ttl string
	fromStored             bool
}

func newSecret(a *command.App) *cobra.Command {
	var f secretFlags
	c := command.Formats(&cobra.Command{
		Use:   "secret NAME",
		Short: "Print an image pull secret for kubectl apply",
		Long: `Print an image pull secret with a credential for this registry and no other: a new pull
token, or with --from-stored the stored credential. The secret contains the token in
base64: pipe it to kubectl, and do not commit it.`,
		Example: `  docker-credential-cgr kubernetes secret regcred --parent ORGANIZATION --ttl 90d | kubectl apply -f -
  docker-credential-cgr kubernetes secret regcred --namespace web --from-stored | kubectl apply -f -`,
		Args: command.ExactArgs("NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			if f.fromStored && (f.parent != "" || c.Flags().Changed("ttl")) {
				return command.Usagef("--from-stored does not go with --parent and --ttl, which are for a new pull token")
			}
			return secret(c.Context(), a, args[0], &f)
		},
	}, "yaml", "json")
	flags := c.Flags()
	flags.StringVarP(&f.namespace, "namespace", "n", "", "`NAMESPACE` of the secret (default: kubectl's current one)")
	issue.AddTarget(flags, &f.parent, &f.ttl)
	flags.BoolVar(&f.fromStored, "from-stored", false, "use the stored credential instead of creating a pull token")
	return c
}

func secret(ctx context.Context, a *command.App, name string, f *secretFlags) error {
	if err := kubernetes.CheckNames(name, f.namespace); err != nil {
		return command.Usagef("%w", err)
	}
	secret := kubernetes.Secret{Name: name, Namespace: f.namespace, Registry: a.Config.Registry.Host}
	if f.fromStored {
		c, err := storedCredential(ctx, a)
		if err != nil {
			return err
		}
		secret.Username, secret.Password, secret.Expires = c.Username, c.Secret, c.Expires
		return issue.PrintSecret(a, secret)
	}
	pullToken := issue.Flags{
		Name: name, TTL: f.ttl,
		Description: "Kubernetes secret " + strings.TrimPrefix(f.namespace+"/"+name, "/"),
	}
	r, err := pullToken.Request()
	if err != nil {
		return err
	}
	client, _, err := a.API(ctx)
	if err != nil {
		return err
	}
	t, _, err := issue.Create(ctx, a, client, f.parent, r)
	if err != nil {
		return err
	}
	secret.Username, secret.Password, secret.Expires = t.Identity.ID, t.Token, t.Expires
	if err := issue.PrintSecret(a, secret); err != nil {
		return client.UndoCreate(ctx, t.Identity, err)
	}
	a.Note("The pull token %s (%s) in it is valid%s", platform.Printable(t.Identity.Name), t.Identity.ID, command.Until(t.Expires))
	return nil
}

// storedCredential returns the credential in the environment or, if there is none, in the
// credential store. get prefers both to a session.
func storedCredential(ctx context.Context, a *command.App) (c token.Credential, err error) {
	if a.Config.IdentityID != "" {
		c.Username, c.Secret = a.Config.IdentityID, a.Config.Token
		if claims, err := platform.ParseClaims(a.Config.Token); err == nil {
			c.Expires = claims.Expires
		}
		return c, nil
	}
	s, err := a.Session()
	if err != nil {
		return c, err
	}
	stored, err := s.Contents()
	if err != nil {
		return c, err
	}
	create := hint.Text("docker-credential-cgr pull-token create --save")
	for _, t := range stored.Tokens {
		switch {
		case t.Host != s.Registry || !t.UserStored:
		case !t.Expires.IsZero() && !t.Expires.After(s.Now()):
			err := fmt.Errorf("the credential stored for %s expired at %s", s.Registry, t.Expires.Local().Format(command.TimeFormat))
			return c, hint.With(err, create)
		default:
			c, err := s.Credential(ctx, s.Registry, true)
			if err == nil && !c.UserStored {
				err = errors.New("the stored credential was just removed")
			}
			return c, err
		}
	}
	return c, hint.With(fmt.Errorf("no credential is stored for %s", s.Registry), create)
}
