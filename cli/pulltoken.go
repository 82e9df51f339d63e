package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/kubernetes"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/pulltoken"
	"docker-credential-cgr/token"
)

func (a *app) newPullToken() *cobra.Command {
	c := command.Group(&cobra.Command{
		Use: "pull-token", Aliases: []string{"pull-tokens"},
		Short: "Create, list and revoke pull tokens",
		Long: `Create, list and revoke pull tokens: credentials for systems that cannot sign in, such
as a cluster or a mirror.`,
		Example: `  docker-credential-cgr pull-token create --name mirror --ttl 90d
  docker-credential-cgr pull-token list
  docker-credential-cgr pull-token revoke mirror`,
	})
	c.AddCommand(a.newPullTokenCreate(), a.newPullTokenList(), a.newPullTokenRevoke())
	return c
}

// newAuthPullToken returns chainctl's command below auth, which creates a pull token if it
// is given no subcommand.
func (a *app) newAuthPullToken() *cobra.Command {
	c := a.newPullTokenCreate()
	c.Use, c.Aliases = "pull-token", []string{"pull-tokens"}
	c.Args = cobra.ArbitraryArgs
	create := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return command.RunGroup(c, args)
		}
		return create(c, args)
	}
	c.AddCommand(a.newPullTokenCreate(), a.newPullTokenList(), a.newPullTokenRevoke())
	return c
}

// pullTokenFlags are the flags that describe a pull token, and where to save it.
type pullTokenFlags struct {
	parent, name, description, ttl string
	repositories                   []string
	save                           string // a pulltoken.Place, or ""
	revokeOld                      bool
}

// add adds the flags that configure-docker has too: sharedPullTokenFlags.
func (f *pullTokenFlags) add(flags *pflag.FlagSet) {
	command.ParentFlag(flags, &f.parent, "`ORGANIZATION` or folder to create the pull token in (name or ID)")
	flags.StringVar(&f.name, "name", "pull-token", "`NAME` of the pull token")
	addTTL(flags, &f.ttl)
	flags.StringVar(&f.save, "save", "", "store it in `PLACE` instead of printing it: keychain, or docker-config (base64 in Docker's config.json)")
	flags.Lookup("save").NoOptDefVal = string(pulltoken.Keychain)
	flags.BoolVar(&f.revokeOld, "revoke-old", false, "revoke the stored pull token that --save replaces")
}

var sharedPullTokenFlags = []string{"parent", "group", "name", "ttl", "save", "revoke-old"}

func addTTL(flags *pflag.FlagSet, ttl *string) {
	flags.StringVar(ttl, "ttl", "720h", "how long the token is valid, a `DURATION` such as 24h, 30d (max 365d)")
}

// request returns the pull token that the flags describe.
func (f *pullTokenFlags) request() (r pulltoken.Request, err error) {
	r.Name, r.Description = f.name, f.description
	if r.TTL, err = pulltoken.ParseTTL(f.ttl); err != nil {
		return r, command.Usagef("--ttl: %w", err)
	}
	r.Repositories = []pulltoken.Repository{pulltoken.OCI}
	if len(f.repositories) > 0 {
		if r.Repositories, err = pulltoken.ParseRepositories(strings.Join(f.repositories, ",")); err != nil {
			return r, command.Usagef("--repository: %w", err)
		}
	}
	if err := r.Check(); err != nil {
		return r, command.Usagef("%w", err)
	}
	switch place := pulltoken.Place(f.save); {
	case place != "" && place != pulltoken.Keychain && place != pulltoken.DockerConfig:
		return r, command.Usagef("--save=%s is neither %s nor %s", platform.Printable(f.save), pulltoken.Keychain, pulltoken.DockerConfig)
	case place == pulltoken.DockerConfig && !slices.Equal(r.Repositories, []pulltoken.Repository{pulltoken.OCI}):
		return r, command.Usagef("--save=%s requires --repository oci", place)
	case f.revokeOld && place == "":
		return r, command.Usagef("--revoke-old requires --save")
	}
	return r, nil
}

func (a *app) newPullTokenCreate() *cobra.Command {
	var f pullTokenFlags
	c := command.Formats(&cobra.Command{
		Use:   "create",
		Short: "Create a pull token",
		Long: `Create a pull token: a credential for systems that cannot sign in, such as a cluster or
a mirror. It is shown only once, expires on its own, and can be revoked earlier. With
--save it is printed only if you give --output. Requires the role
registry.pull_token_creator.`,
		Example: `  docker-credential-cgr pull-token create --parent ORGANIZATION --name mirror --ttl 90d
  docker-credential-cgr pull-token create --save                # for this machine, in the keychain
  docker-credential-cgr pull-token create -o docker | ssh HOST sh
  eval "$(docker-credential-cgr pull-token create -o env)"
  docker-credential-cgr pull-token create --repository java,python -o json`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.createPullToken(c.Context(), &f, c.Flags().Changed("output"))
		},
	}, "text", "docker", "env", "json", "kubernetes")
	flags := c.Flags()
	f.add(flags)
	flags.StringVar(&f.description, "description", "", "description, one line of `TEXT`")
	flags.StringArrayVar(&f.repositories, "repository", nil, "repository `TYPE` that it is valid for: oci (images, the default), apk, java, python or javascript (comma-separated or repeatable)")
	flags.StringArrayVar(&f.repositories, "library-ecosystem", nil, "")
	_ = flags.MarkHidden("library-ecosystem") // chainctl's former name; it was added above
	return c
}

// createPullToken runs pull-token create. A saved pull token is printed too if the user
// has chosen a format.
func (a *app) createPullToken(ctx context.Context, f *pullTokenFlags, formatChosen bool) error {
	r, err := f.request()
	if err != nil {
		return err
	}
	if a.Output == "docker" || a.Output == "kubernetes" {
		if !slices.Contains(r.Repositories, pulltoken.OCI) {
			return command.Usagef("--output %s requires --repository oci", a.Output)
		}
	}
	if a.Output == "kubernetes" {
		if err := kubernetes.CheckNames(r.Name, ""); err != nil {
			return command.Usagef("--name: %w", err)
		}
	}
	client, s, err := a.API(ctx)
	if err != nil {
		return err
	}
	if err := a.makePullToken(ctx, client, s, f, r, formatChosen); err != nil {
		return err
	}
	if f.save == string(pulltoken.Keychain) && slices.Contains(r.Repositories, pulltoken.OCI) {
		a.warnUnregistered()
	}
	return nil
}

// makePullToken creates a pull token, saves it if the flags say so, and prints it if it is
// not saved or print is set. It deletes a pull token that it could neither save nor print.
func (a *app) makePullToken(
	ctx context.Context, client *iam.Client, s *token.Session, f *pullTokenFlags, r pulltoken.Request, print bool,
) error {
	place, machine := pulltoken.Place(f.save), command.Machine(s)
	hosts := pulltoken.Hosts(a.Config.Registry.Host, r.Repositories)
	var replaced []string
	if place != "" {
		if err := machine.CheckSave(place); err != nil {
			return err
		}
		var err error
		if replaced, err = machine.Usernames(place, hosts); err != nil {
			return err
		}
	}
	if f.revokeOld {
		r.Replaces = replaced
	}
	created, group, err := a.createIn(ctx, client, f.parent, r)
	if err != nil {
		return err
	}
	var saving, printing error
	if place != "" {
		saving = machine.Save(ctx, place, hosts, created)
	}
	if place == "" || print {
		printing = a.printPullToken(created, group, r.Repositories)
	}
	isSaved, isPrinted := place != "" && saving == nil, (place == "" || print) && printing == nil
	err = errors.Join(saving, printing)
	switch {
	case isSaved:
		return errors.Join(err, a.reportSaved(s, place, hosts, created, print), a.retire(ctx, client, s, replaced, f.revokeOld))
	case isPrinted:
		a.Note("The pull token %s (%s) is valid%s and cannot be shown again.",
			platform.Printable(created.Identity.Name), created.Identity.ID, command.Until(created.Expires))
		return err
	}
	return client.UndoCreate(ctx, created.Identity, err)
}

// createIn creates a pull token in the organization or folder that --parent names.
func (a *app) createIn(
	ctx context.Context, client *iam.Client, parent string, r pulltoken.Request,
) (pulltoken.Credential, iam.Group, error) {
	preparation := pulltoken.Prepare(ctx, client, r)
	group, err := a.Organization(ctx, client, parent)
	if err != nil {
		return pulltoken.Credential{}, group, err
	}
	created, err := preparation.Create(ctx, group, a.Config.Issuer.String(), command.Now)
	return created, group, err
}
