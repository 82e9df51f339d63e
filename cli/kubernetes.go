package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/kubernetes"
	"docker-credential-cgr/platform"
)

func (a *app) newKubernetes() *cobra.Command {
	c := &cobra.Command{
		Use:   "kubernetes",
		Short: "Print Kubernetes pull secrets",
		Args:  cobra.ArbitraryArgs,
		RunE:  command.RunGroup,
	}
	c.AddCommand(a.newKubernetesSecret())
	return c
}

// secretFlags are the flags of kubernetes secret.
type secretFlags struct {
	namespace, parent, ttl string
	fromStored             bool
}

func (a *app) newKubernetesSecret() *cobra.Command {
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
			return a.kubernetesSecret(c.Context(), args[0], &f)
		},
	}, "yaml", "json")
	flags := c.Flags()
	flags.StringVarP(&f.namespace, "namespace", "n", "", "`NAMESPACE` of the secret (default: kubectl's current one)")
	command.ParentFlag(flags, &f.parent, "`ORGANIZATION` or folder to create the pull token in (name or ID)")
	addTTL(flags, &f.ttl)
	flags.BoolVar(&f.fromStored, "from-stored", false, "use the stored credential instead of creating a pull token")
	return c
}

func (a *app) kubernetesSecret(ctx context.Context, secretName string, f *secretFlags) error {
	if err := kubernetes.CheckNames(secretName, f.namespace); err != nil {
		return command.Usagef("%w", err)
	}
	secret := kubernetes.Secret{Name: secretName, Namespace: f.namespace, Registry: a.Config.Registry.Host}
	if f.fromStored {
		var err error
		if secret.Username, secret.Password, secret.Expires, err = a.storedCredential(ctx); err != nil {
			return err
		}
		return a.showSecret(secret, a.Output)
	}
	pull := pullTokenFlags{
		name: secretName, ttl: f.ttl,
		description: "Kubernetes secret " + strings.TrimPrefix(f.namespace+"/"+secretName, "/"),
	}
	r, err := pull.request()
	if err != nil {
		return err
	}
	client, _, err := a.API(ctx)
	if err != nil {
		return err
	}
	t, _, err := a.createIn(ctx, client, f.parent, r)
	if err != nil {
		return err
	}
	secret.Username, secret.Password, secret.Expires = t.Identity.ID, t.Token, t.Expires
	if err := a.showSecret(secret, a.Output); err != nil {
		return client.UndoCreate(ctx, t.Identity, err)
	}
	a.Note("The pull token %s (%s) in it is valid%s", platform.Printable(t.Identity.Name), t.Identity.ID, command.Until(t.Expires))
	return nil
}

// storedCredential returns the credential that the user has given to this program, which
// get returns before any other.
func (a *app) storedCredential(ctx context.Context) (username, secret string, expires time.Time, err error) {
	if a.Config.IdentityID != "" {
		if c, err := platform.ParseClaims(a.Config.Token); err == nil {
			expires = c.Expires
		}
		return a.Config.IdentityID, a.Config.Token, expires, nil
	}
	s, err := a.Session()
	if err != nil {
		return "", "", expires, err
	}
	create := hint.Text("docker-credential-cgr pull-token create --save")
	kept, err := s.Kept()
	if err != nil {
		return "", "", expires, err
	}
	for _, t := range kept.Tokens {
		switch {
		case t.Host != s.Registry || !t.Stored:
		case !t.Expires.IsZero() && !t.Expires.After(s.Now()):
			return "", "", expires, hint.With(fmt.Errorf("the credential stored for %s expired at %s", s.Registry, t.Expires.Local().Format(command.TimeFormat)), create)
		default:
			c, err := s.Credential(ctx, s.Registry, true)
			if err == nil && !c.Stored {
				err = errors.New("the stored credential was just removed")
			}
			return c.Username, c.Secret, c.Expires, err
		}
	}
	return "", "", expires, hint.With(fmt.Errorf("no credential is stored for %s", s.Registry), create)
}

// showSecret prints a pull secret, in yaml or json.
func (a *app) showSecret(secret kubernetes.Secret, format string) error {
	write := secret.YAML
	if format == "json" {
		write = secret.JSON
	}
	text, err := write()
	if err != nil {
		return err
	}
	a.Mask(secret.Password)
	a.Mask(dataOf(string(text)))
	return a.Print("%s", text)
}

// dataOf returns the data in the text of a secret: by far the longest word.
func dataOf(text string) string {
	data := ""
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == '"' || r == ' ' || r == '\n' }) {
		if len(word) > len(data) {
			data = word
		}
	}
	return data
}
