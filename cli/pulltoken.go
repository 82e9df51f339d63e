package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/oauth2"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/kubernetes"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

func (a *app) newPullToken() *cobra.Command {
	c := a.group(&cobra.Command{
		Use: "pull-token", Aliases: []string{"pull-tokens"},
		Short: "Create, list and revoke pull tokens",
		Long: `Create, list and revoke pull tokens: credentials for systems that cannot sign in, such
as a cluster or a mirror.`,
		Example: `  ` + name + ` pull-token create --name mirror --ttl 90d
  ` + name + ` pull-token list
  ` + name + ` pull-token revoke mirror`,
	})
	c.AddCommand(a.newPullTokenCreate(), a.newPullTokenList(), a.newPullTokenRevoke())
	return c
}

// newAuthPullToken is pull-token by chainctl's name, below auth: without a command it
// creates one.
func (a *app) newAuthPullToken() *cobra.Command {
	c := a.newPullTokenCreate()
	c.Use, c.Aliases = "pull-token", []string{"pull-tokens"}
	c.Args = cobra.ArbitraryArgs
	create := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return a.unknown(c, args)
		}
		return create(c, args)
	}
	c.AddCommand(a.newPullTokenCreate(), a.newPullTokenList(), a.newPullTokenRevoke())
	return c
}

// pullTokenFlags say what pull token to make, and where to save it.
type pullTokenFlags struct {
	parent, name, description, ttl string
	repositories                   []string
	save                           string // "", saveKeychain or saveDockerConfig
	revokeOld                      bool
}

// add adds the flags that configure-docker has, too: sharedPullTokenFlags.
func (f *pullTokenFlags) add(flags *pflag.FlagSet) {
	addParent(flags, &f.parent, "`ORGANIZATION` or folder to create the pull token in (name or ID)")
	flags.StringVar(&f.name, "name", "pull-token", "`NAME` of the pull token")
	addTTL(flags, &f.ttl)
	flags.StringVar(&f.save, "save", "", "store it in `PLACE` instead of printing it: keychain, or docker-config (base64 in Docker's config.json)")
	flags.Lookup("save").NoOptDefVal = saveKeychain
	flags.BoolVar(&f.revokeOld, "revoke-old", false, "revoke the stored pull token that --save replaces")
}

var sharedPullTokenFlags = []string{"parent", "group", "name", "ttl", "save", "revoke-old"}

func addParent(flags *pflag.FlagSet, parent *string, usage string) {
	flags.StringVar(parent, "parent", "", usage)
	flags.StringVar(parent, "group", "", "")
	_ = flags.MarkHidden("group") // chainctl's former name; it was added above
}

func addTTL(flags *pflag.FlagSet, ttl *string) {
	flags.StringVar(ttl, "ttl", "720h", "how long the token is valid, a `DURATION` such as 24h, 30d (max 365d)")
}

// request is the pull token that the flags describe, without the organization,
// which has to be found. What is wrong in them is an error of usage.
func (f *pullTokenFlags) request() (r iam.PullTokenRequest, err error) {
	r.Name, r.Description = f.name, f.description
	if r.TTL, err = iam.ParseTTL(f.ttl); err != nil {
		return r, misuse("--ttl: %w", err)
	}
	r.Repositories = []iam.Repository{iam.OCI}
	if len(f.repositories) > 0 {
		if r.Repositories, err = iam.ParseRepositories(strings.Join(f.repositories, ",")); err != nil {
			return r, misuse("--repository: %w", err)
		}
	}
	if err := r.Check(); err != nil {
		return r, misuse("%w", err)
	}
	switch {
	case f.save != "" && f.save != saveKeychain && f.save != saveDockerConfig:
		return r, misuse("--save=%s: it is saved in %s or %s", platform.Printable(f.save), saveKeychain, saveDockerConfig)
	case f.save == saveDockerConfig && !slices.Equal(r.Repositories, []iam.Repository{iam.OCI}):
		return r, misuse("--save=%s is for images alone: give --repository oci", saveDockerConfig)
	case f.revokeOld && f.save == "":
		return r, misuse("--revoke-old is for --save, which takes the place of an old pull token")
	}
	return r, nil
}

func (a *app) newPullTokenCreate() *cobra.Command {
	var f pullTokenFlags
	c := formats(&cobra.Command{
		Use:   "create",
		Short: "Create a pull token",
		Long: `Create a pull token: a credential for systems that cannot sign in, such as a cluster or
a mirror. It is shown only once, expires on its own, and can be revoked earlier. With
--save it is printed only if you give --output. Requires the role
registry.pull_token_creator.`,
		Example: `  ` + name + ` pull-token create --parent ORGANIZATION --name mirror --ttl 90d
  ` + name + ` pull-token create --save                # for this machine, in the keychain
  ` + name + ` pull-token create -o docker | ssh HOST sh
  eval "$(` + name + ` pull-token create -o env)"
  ` + name + ` pull-token create --repository java,python -o json`,
		Args: noArguments,
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

// createPullToken is the command. A format that somebody chose is printed also
// where the pull token is saved.
func (a *app) createPullToken(ctx context.Context, f *pullTokenFlags, chosen bool) error {
	r, err := f.request()
	if err != nil {
		return err
	}
	if err := a.checkShown(r); err != nil {
		return err
	}
	client, s, err := a.api(ctx)
	if err != nil {
		return err
	}
	if err := a.makePullToken(ctx, client, s, f, r, chosen); err != nil {
		return err
	}
	if f.save == saveKeychain && slices.Contains(r.Repositories, iam.OCI) {
		a.sayUnregistered()
	}
	return nil
}

// makePullToken makes a pull token, saves it where that is asked for, and prints it
// where it is not saved, or shown says so. One that nobody gets is deleted again.
func (a *app) makePullToken(ctx context.Context, client *iam.Client, s *token.Session, f *pullTokenFlags, r iam.PullTokenRequest, shown bool) error {
	hosts := a.hostsOf(r.Repositories)
	var replaced []string
	if f.save != "" {
		if err := checkSave(s, f.save); err != nil {
			return err
		}
		var err error
		if replaced, err = a.savedFor(s, f.save, hosts); err != nil {
			return err
		}
	}
	var revokes []string // that --revoke-old is about
	if f.revokeOld {
		revokes = replaced
	}
	t, group, err := a.mintPullToken(ctx, client, f.parent, r, revokes)
	if err != nil {
		return err
	}
	var saving, showing error
	got := false
	if f.save != "" {
		saving = a.save(ctx, s, f.save, hosts, t)
		got = saving == nil
	}
	if f.save == "" || shown {
		showing = a.showPullToken(t, group, r.Repositories)
		got = got || showing == nil
	}
	switch err := errors.Join(saving, showing); {
	case !got:
		return discard(ctx, client, t.Identity.ID, err)
	case f.save == "" || saving != nil:
		a.note("the pull token %s (%s) is good%s, and cannot be shown again", platform.Printable(t.Identity.Name), t.Identity.ID, until(t.Expires))
		return err
	}
	return errors.Join(
		showing,
		a.saySaved(s, f.save, hosts, t, shown),
		a.retire(ctx, client, s, replaced, f.revokeOld))
}

// client is the platform's API for whoever a session is of.
func (a *app) client(ctx context.Context, s *token.Session) *iam.Client {
	// Several requests may go out at once, which one goroutine asks for a token for.
	tokens := oauth2.ReuseTokenSource(nil, s.TokenSource(ctx, s.API))
	return &iam.Client{URL: a.cfg.API.String(), Transport: a.transport(), Tokens: tokens}
}

// mintPullToken makes a pull token in the organization that parent names, once it is
// known that the caller may, and may revoke the ones given afterwards.
func (a *app) mintPullToken(ctx context.Context, client *iam.Client, parent string, r iam.PullTokenRequest, revokes []string) (iam.PullToken, iam.Group, error) {
	type prepared struct {
		p   iam.Preparation
		err error
	}
	preparation := make(chan prepared, 1)
	go func() {
		p, err := client.PreparePullToken(ctx, r.Repositories)
		preparation <- prepared{p, err}
	}()
	group, err := a.organization(ctx, client, parent)
	if err != nil {
		return iam.PullToken{}, group, err
	}
	known := <-preparation
	if known.err == nil {
		known.err = known.p.AccountErr
	}
	if known.err != nil {
		return iam.PullToken{}, group, known.err
	}
	who := known.p.Account
	// The service would say so, too, but the second perhaps only when the identity
	// is there, which a lesser role cannot delete again.
	for _, capability := range []string{iam.CapabilityCreateIdentities, iam.CapabilityCreateBindings} {
		if !who.Can(capability, group.ID) {
			return iam.PullToken{}, group, &iam.CapabilityError{Doing: "make a pull token in " + platform.Printable(group.Name), Capability: capability}
		}
	}
	for _, id := range revokes {
		if iam.ValidID(id) && !who.Can(iam.CapabilityDeleteIdentities, id) {
			return iam.PullToken{}, group, &iam.CapabilityError{Doing: "revoke " + id + ", for --revoke-old", Capability: iam.CapabilityDeleteIdentities}
		}
	}
	r.Parent = group.ID
	t, err := client.CreatePullToken(ctx, r, known.p, a.cfg.Issuer.String(), wallClock)
	return t, group, err
}

// discardLimit bounds the deletion of a pull token that nobody got.
const discardLimit = 10 * time.Second

// discard deletes a pull token that nobody got because of err, and gives the error
// to report.
func discard(ctx context.Context, client *iam.Client, id string, err error) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), discardLimit)
	defer stop()
	deletion := client.DeleteIdentity(ctx, id)
	var gone *iam.NotFoundError
	if deletion != nil && !errors.As(deletion, &gone) {
		return &iam.LeftOverError{ID: id, Err: err, Deletion: deletion}
	}
	return fmt.Errorf("%w; the pull token was deleted again", err)
}

// checkShown says whether a pull token for these repositories, and of this name,
// can be printed as --output wants it.
func (a *app) checkShown(r iam.PullTokenRequest) error {
	if a.output != "docker" && a.output != "kubernetes" {
		return nil
	}
	if !slices.Contains(r.Repositories, iam.OCI) {
		return misuse("--output %s is for images, and --repository names no oci", a.output)
	}
	if a.output == "kubernetes" {
		if err := kubernetes.CheckNames(r.Name, ""); err != nil {
			return misuse("--name: %w", err)
		}
	}
	return nil
}
