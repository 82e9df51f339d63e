package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/config"
	"docker-credential-cgr/helper"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/kubernetes/node"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
	"docker-credential-cgr/workload"
	"docker-credential-cgr/workload/idtoken"
)

// providerFlags are the flags of kubernetes provider.
type providerFlags struct {
	identity, nodeIdentity   string
	nodeToken, pullTokenFile string
	nodeAmbient              bool
}

// add adds the flags to a command that runs as the provider, or writes how it is run.
func (f *providerFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.identity, "identity", "", "`ID` of the identity for service accounts without the annotation (default: the only one that matches)")
	flags.StringVar(&f.nodeToken, "node-token", "", "`FILE` with an ID token for pods without a service account, such as static pods")
	flags.BoolVar(&f.nodeAmbient, "node-ambient", false, "use the machine's ID token (on Google Cloud) for pods without a service account")
	flags.StringVar(&f.nodeIdentity, "node-identity", "", "`ID` of the identity for the node's ID token (default: the only one that matches)")
	flags.StringVar(&f.pullTokenFile, "pull-token-file", "", "`FILE` with a pull token, as pull-token create -o json prints it, for pods without a service account")
}

// check checks the flags.
func (f *providerFlags) check() error {
	for flag, id := range map[string]string{"identity": f.identity, "node-identity": f.nodeIdentity} {
		if id != "" && !config.ValidUIDP(id) {
			return command.Usagef("--%s %s is not the ID of an identity", flag, command.Quoted(id))
		}
	}
	sources := 0
	for _, isSet := range []bool{f.nodeToken != "", f.nodeAmbient, f.pullTokenFile != ""} {
		if isSet {
			sources++
		}
	}
	switch {
	case sources > 1:
		return command.Usagef("use one of --node-token, --node-ambient and --pull-token-file")
	case f.nodeIdentity != "" && f.nodeToken == "" && !f.nodeAmbient:
		return command.Usagef("--node-identity needs --node-token or --node-ambient")
	}
	return nil
}

// args returns the arguments for the kubelet's configuration: the flags, and the platform's
// addresses where they are not the default.
func (f *providerFlags) args(c *config.Config) []string {
	var args []string
	for _, s := range c.Settings {
		switch s.Property {
		case "platform.issuer", "platform.registry":
			if s.Source != "default" {
				args = append(args, "--"+s.Property[len("platform."):]+"="+s.Value)
			}
		}
	}
	for _, flag := range [][2]string{
		{"identity", f.identity}, {"node-token", f.nodeToken}, {"node-identity", f.nodeIdentity}, {"pull-token-file", f.pullTokenFile},
	} {
		if flag[1] != "" {
			args = append(args, "--"+flag[0]+"="+flag[1])
		}
	}
	if f.nodeAmbient {
		args = append(args, "--node-ambient")
	}
	return args
}

func (f *providerFlags) servesNode() bool {
	return f.nodeToken != "" || f.nodeAmbient || f.pullTokenFile != ""
}

func newProvider(a *command.App) *cobra.Command {
	var f providerFlags
	c := &cobra.Command{
		Use:   "provider",
		Short: "Answer a kubelet that pulls an image",
		Long: `Answer a kubelet that pulls an image: read a CredentialProviderRequest from standard input
and print a CredentialProviderResponse. The kubelet runs the program under the name
` + node.ProviderName + `.

The program exchanges the pod's service account token for an access token for the registry,
which is valid for about an hour, and stores nothing. The identity is the one in the
annotation ` + helper.IdentityAnnotation + ` of the service account, else --identity, else the only one
that matches the token.`,
		Example: `  docker-credential-cgr kubernetes provider-config      # print the kubelet's configuration
  docker-credential-cgr kubernetes install-node         # or install it on this node`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			err := f.kubelet(a).Answer(c.Context(), a.Stdin, a.Stdout)
			if err == nil {
				return nil
			}
			fmt.Fprintln(a.Stderr, a.OneLine(err)) // one line in the kubelet's log
			return command.ErrReported
		},
	}
	f.add(c.Flags())
	return c
}

// kubelet returns what answers the kubelet. The setting auth.identity does not count: it is for
// the user of this machine, and not for the pods on it.
func (f *providerFlags) kubelet(a *command.App) *helper.Kubelet {
	k := &helper.Kubelet{Registry: a.Config.Registry, STS: a.STS(), Identity: f.identity, NodeIdentity: f.nodeIdentity}
	switch {
	case f.nodeToken != "":
		k.NodeToken = idtoken.File(f.nodeToken).Token
	case f.nodeAmbient:
		k.NodeToken = func(ctx context.Context) (string, error) {
			source, found := workload.ThisHost().Ambient(a.Config.Issuer.Host)
			if !found {
				return "", errors.New("this node has no ID token of its own (--node-ambient)")
			}
			return source.Token(ctx)
		}
	case f.pullTokenFile != "":
		k.PullToken = func() (token.Credential, error) { return readPullToken(f.pullTokenFile) }
	}
	return k
}

// readPullToken reads a pull token as pull-token create -o json prints it.
func readPullToken(path string) (token.Credential, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return token.Credential{}, fmt.Errorf("cannot read the pull token: %w", err)
	}
	var t struct {
		IdentityID string `json:"identity_id"`
		Token      string `json:"token"`
	}
	if json.Unmarshal(text, &t) != nil || t.IdentityID == "" || t.Token == "" {
		return token.Credential{}, hint.With(fmt.Errorf("%s has no pull token in JSON", platform.Printable(path)),
			hint.Text("docker-credential-cgr pull-token create -o json > FILE"))
	}
	c := token.Credential{Username: t.IdentityID, Secret: t.Token}
	if claims, err := platform.ParseClaims(t.Token); err == nil {
		c.Expires = claims.Expires
	}
	if !c.Expires.IsZero() && !c.Expires.After(command.Now()) {
		return token.Credential{}, fmt.Errorf("the pull token in %s expired on %s", platform.Printable(path), c.Expires.Local().Format(command.TimeFormat))
	}
	return c, nil
}
