package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/oauth2"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/kubernetes"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
	"docker-credential-cgr/workload"
	"docker-credential-cgr/workload/idtoken"
)

// targetFlags are the flags that refresh-secret and refresh-manifest share.
type targetFlags struct {
	namespaces, accounts []string
	selector             string
	force, watch         bool
}

func (f *targetFlags) add(flags *pflag.FlagSet) {
	flags.StringSliceVarP(&f.namespaces, "namespace", "n", nil, "`NAMESPACE` of a secret (comma-separated or repeatable)")
	flags.StringVarP(&f.selector, "selector", "l", "", "all namespaces whose labels match `SELECTOR`, such as pull=cgr")
	flags.StringSliceVar(&f.accounts, "service-account", nil, "add the secret to the imagePullSecrets of `ACCOUNT` in each namespace (comma-separated or repeatable)")
	flags.BoolVar(&f.force, "force", false, "take over the fields of the secret that another program manages")
	flags.BoolVar(&f.watch, "watch", false, "keep running and refresh the secrets until stopped")
	command.PropertyFlag(flags, "identity", "auth.identity", "`ID` of the identity to assume (default: the one that matches the service account)")
}

// check checks the flags of a command for the secret called name.
func (f *targetFlags) check(c *cobra.Command, a *command.App, name string) error {
	switch {
	case len(f.namespaces) > 0 && f.selector != "":
		return command.Usagef("--namespace does not go with --selector")
	case c.Flags().Changed("selector") && f.selector == "":
		return command.Usagef("--selector is empty")
	case slices.Contains(f.namespaces, "") || len(f.namespaces) == 0 && c.Flags().Changed("namespace"):
		return command.Usagef("--namespace is empty")
	case a.IdentityName != "":
		return command.Usagef("--identity %s is not an ID: a pod cannot look up a name", command.Quoted(a.IdentityName))
	}
	if err := kubernetes.CheckTargets(name, f.namespaces, f.accounts, f.selector); err != nil {
		return command.Usagef("%w", err)
	}
	return nil
}

func newRefreshSecret(a *command.App) *cobra.Command {
	var f targetFlags
	var dir string
	c := command.Formats(&cobra.Command{
		Use:   "refresh-secret NAME",
		Short: "Renew the tokens in image pull secrets (runs in a pod)",
		Long: `Write a new access token to the image pull secret NAME in one or more namespaces (default:
the pod's own). It runs in a pod, exchanges the pod's ID token, and writes with the
permissions of the pod's service account. Only the entry for this registry changes. A
secret with a recent token is not changed. kubernetes refresh-manifest prints the job, and
the permissions that it needs.`,
		Example: `  docker-credential-cgr kubernetes refresh-secret cgr-pull --namespace web,shop
  docker-credential-cgr kubernetes refresh-secret cgr-pull --selector pull=cgr --service-account default --watch`,
		Args: command.ExactArgs("NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(c, a, args[0]); err != nil {
				return err
			}
			return refreshSecret(c.Context(), a, args[0], dir, &f)
		},
	}, "text", "json")
	f.add(c.Flags())
	command.PropertyFlag(c.Flags(), "identity-token", "auth.identity-token", "`PATH` of the pod's ID token (default: "+workload.KubernetesToken+")")
	c.Flags().StringVar(&dir, "service-account-dir", kubernetes.ServiceAccountDir, "`FOLDER` with token, ca.crt and namespace for the API server")
	return c
}

// manifestHelp is the hint if the pod lacks something.
const manifestHelp = "docker-credential-cgr kubernetes refresh-manifest --help"

func refreshSecret(ctx context.Context, a *command.App, name, dir string, f *targetFlags) error {
	sts := a.STS()
	r := &kubernetes.Refresher{
		Open: func() (*kubernetes.API, error) {
			api, err := kubernetes.OpenAPI(os.Getenv, dir)
			if err != nil {
				return nil, hint.With(err, hint.Text(manifestHelp))
			}
			api.Debug = a.Debug
			return api, nil
		},
		Exchange: func(ctx context.Context) (*oauth2.Token, error) { return exchange(ctx, a, sts) },
		Registry: a.Config.Registry.Host, Username: token.Username, Now: command.Now,
		Name: name, Namespaces: f.namespaces, Selector: f.selector, ServiceAccounts: f.accounts, Force: f.force,
	}
	if f.watch {
		r.Watch(ctx, func(results []kubernetes.Result, err error) {
			if err == nil {
				err = printResults(a, name, f, results)
			}
			if err != nil && !errors.Is(err, command.ErrReported) {
				a.PrintError(err)
			}
		})
		if cause := context.Cause(ctx); errors.Is(cause, token.ErrInterrupted) {
			return cause
		}
		return nil // stopping it otherwise is not a failure
	}
	results, err := r.Refresh(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		a.PrintError(err)
		return command.ErrReported
	}
	return printResults(a, name, f, results)
}

// exchangeTries is how often an exchange is tried.
const exchangeTries = 3

// exchange exchanges the pod's ID token for an access token.
func exchange(ctx context.Context, a *command.App, sts *platform.STS) (*oauth2.Token, error) {
	source := idtoken.File(cmp.Or(a.Config.IdentityToken, workload.KubernetesToken))
	idToken, err := source.Token(ctx)
	if err != nil {
		return nil, hint.With(err, hint.Text(manifestHelp))
	}
	request := platform.TokenRequest{Audiences: []string{a.Config.Registry.Host}, Identity: a.Config.Identity}
	t, err := token.Exchange(ctx, sts, idToken, request, exchangeTries)
	var noIdentity *token.NotSignedInError
	if errors.As(err, &noIdentity) {
		return nil, noIdentity.Err
	}
	return t, err
}

// resultView is a result in JSON.
type resultView struct {
	Namespace       string            `json:"namespace"`
	Secret          string            `json:"secret"`
	Action          kubernetes.Action `json:"action"`
	Expires         *time.Time        `json:"expires,omitempty"`
	ServiceAccounts []string          `json:"serviceAccounts,omitempty"` // that were changed
	Error           string            `json:"error,omitempty"`
}

// printResults prints the results of a round, and returns command.ErrReported if a namespace
// failed.
func printResults(a *command.App, name string, f *targetFlags, results []kubernetes.Result) error {
	items := []resultView{}
	var failed error
	if len(results) == 0 {
		a.Warn("no namespace matches --selector %s", f.selector)
	}
	for _, r := range results {
		namespace := platform.Printable(r.Namespace)
		item := resultView{Namespace: r.Namespace, Secret: name, Action: r.Action, Expires: command.JSONTime(r.Expires), ServiceAccounts: r.ServiceAccounts}
		switch r.Action {
		case kubernetes.Failed:
			item.Error = r.Err.Error()
			failed = command.ErrReported
			a.PrintError(fmt.Errorf("%s: %w", namespace, r.Err))
		case kubernetes.Created, kubernetes.Updated:
			a.Note("%s: %s the secret %s, valid%s", namespace, r.Action, name, command.Until(r.Expires))
		}
		if len(r.ServiceAccounts) > 0 {
			a.Note("%s: added the secret %s to the service accounts %s", namespace, name, strings.Join(r.ServiceAccounts, ", "))
		}
		items = append(items, item)
	}
	if a.Output == "json" {
		if err := a.PrintItems(items); err != nil {
			return err
		}
	}
	return failed
}

func newRefreshManifest(a *command.App) *cobra.Command {
	var f targetFlags
	var m kubernetes.Manifest
	c := command.Formats(&cobra.Command{
		Use:   "refresh-manifest NAME",
		Short: "Print a job that renews the tokens in image pull secrets",
		Long: `Print a CronJob that runs kubernetes refresh-secret NAME, a service account with only the
permissions that it needs, and, as a comment, the command that creates the identity. With
--watch, print a Deployment. Access tokens are valid for an hour, so the job must run more
often than that.`,
		Example: `  docker-credential-cgr kubernetes refresh-manifest cgr-pull --namespace web,shop --image IMAGE | kubectl apply -f -
  docker-credential-cgr kubernetes refresh-manifest cgr-pull --selector pull=cgr --image IMAGE --watch`,
		Args: command.ExactArgs("NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			m.Name = args[0]
			switch err := f.check(c, a, m.Name); {
			case err != nil:
				return err
			case m.Image == "":
				return command.UsageHelpf(c, "--image is missing: the job needs an image with docker-credential-cgr in PATH")
			case len(f.namespaces) == 0 && f.selector == "":
				return command.UsageHelpf(c, "--namespace or --selector is missing")
			case m.Schedule == "":
				return command.Usagef("--schedule is empty")
			case f.watch && c.Flags().Changed("schedule"):
				return command.Usagef("--schedule does not go with --watch")
			}
			return printManifest(a, m, f)
		},
	}, "yaml", "json")
	f.add(c.Flags())
	c.Flags().StringVar(&m.Image, "image", "", "`IMAGE` of the job, with docker-credential-cgr in PATH")
	c.Flags().StringVar(&m.Schedule, "schedule", "*/20 * * * *", "`SCHEDULE` of the CronJob")
	c.Flags().StringVar(&m.JobNamespace, "job-namespace", "", "existing `NAMESPACE` for the job (default: a new one, "+kubernetes.DefaultJobNamespace+")")
	return c
}

func printManifest(a *command.App, m kubernetes.Manifest, f targetFlags) error {
	m.Namespaces, m.Selector, m.ServiceAccounts, m.Force = f.namespaces, f.selector, f.accounts, f.force
	if f.watch {
		m.Schedule = ""
	}
	m.Identity, m.Issuer = a.Config.Identity, a.Config.Issuer.Host
	for _, setting := range a.Config.Settings {
		if strings.HasPrefix(setting.Property, "platform.") && setting.Source != "default" {
			m.Env = append(m.Env, kubernetes.EnvVar{Name: config.Variable(setting.Property), Value: setting.Value})
		}
	}
	if err := m.Check(); err != nil {
		return command.Usagef("%w", err)
	}
	return printYAML(a, m.YAML)
}
