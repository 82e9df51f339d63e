package identities

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/workload"
)

// createFlags are the flags of all commands that create an identity.
type createFlags struct {
	description, parent string
	roles               []string
	yes                 bool
}

func newCreate(a *command.App) *cobra.Command {
	var f matchFlags
	var principal, file string
	c := createCommand(a, &cobra.Command{
		Use:   "create NAME",
		Short: "Create an identity and print how a job assumes it",
		Long: `Create an identity that accepts ID tokens with this issuer and subject, or with values
that match patterns (RE2 regular expressions for the whole value). Everything is checked
before the identity is created. If it would let strangers in, you are warned.`,
		Example: `  docker-credential-cgr identities create my-pod --identity-issuer https://kubernetes.example.com \
    --subject system:serviceaccount:default:builder --role registry.pull
  docker-credential-cgr identities create github my-workflow --github-repo my-org/my-repo
  docker-credential-cgr identities create -f identity.yaml --role registry.pull`,
	}, func(c *cobra.Command, i *iam.Identity) (string, error) {
		switch {
		case file != "" || c.Flags().Changed("filename"):
			if err := refuseFlags(c, "-f", append(matchFlagNames(), "service-principal")...); err != nil {
				return "", err
			}
			return "", readIdentity(a, file, i)
		case c.Flags().Changed("service-principal"):
			i.ServicePrincipal = &principal
			return "", checkPrincipal(c, principal)
		}
		return "", f.build(c, i)
	})
	flags := c.Flags()
	f.add(flags)
	flags.StringVar(&principal, "service-principal", "", "Chainguard `SERVICE` that can assume it, instead of ID tokens")
	flags.StringVarP(&file, "filename", "f", "", "read the identity from `FILE`, as YAML or JSON; - for standard input")
	addSystems(a, c)
	return c
}

// buildFunc sets who can assume an identity. It may return a note for the user. Its errors
// are usage errors.
type buildFunc func(*cobra.Command, *iam.Identity) (note string, err error)

// createCommand completes c, a command that creates an identity.
func createCommand(a *command.App, c *cobra.Command, build buildFunc) *cobra.Command {
	var f createFlags
	flags := c.Flags()
	flags.StringVarP(&f.description, "description", "d", "", "description, one line of `TEXT`")
	flags.StringArrayVar(&f.roles, "role", nil, "grant it `ROLE`, such as registry.pull (comma-separated or repeatable)")
	command.ParentFlag(flags, &f.parent, "create it in this `ORGANIZATION` or folder (name or ID)")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask for confirmation after warnings")
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return command.UsageHelpf(c, "%s takes one NAME, and was given %d", c.Name(), len(args))
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		identity := iam.Identity{Name: strings.Join(args, ""), Description: f.description}
		if len(args) == 1 {
			if err := iam.CheckName(identity.Name); err != nil {
				return command.Usagef("%w", err)
			}
		}
		note, err := build(c, &identity)
		if err != nil {
			return err
		}
		if err := f.check(c, identity); err != nil {
			return err
		}
		return create(c.Context(), a, &f, identity, note)
	}
	return command.Formats(c, "text", "json", "id")
}

func (f *createFlags) check(c *cobra.Command, i iam.Identity) error {
	if i.Name == "" {
		return command.UsageHelpf(c, "the NAME of the identity is missing")
	}
	if err := cmp.Or(i.Check(), iam.CheckDescription(i.Description)); err != nil {
		return command.Usagef("%w", err)
	}
	names, err := roleNames(f.roles)
	if err != nil {
		return err
	}
	f.roles = names
	return command.CheckParent(c, f.parent)
}

// roleNames returns the roles in the values of --role, each once.
func roleNames(values []string) ([]string, error) {
	var names []string
	for role := range strings.SplitSeq(strings.Join(values, ","), ",") {
		role = strings.TrimSpace(role)
		if role == "" && len(values) > 0 {
			return nil, command.Usagef("--role has an empty name: give one such as registry.pull")
		}
		if role != "" && !slices.Contains(names, role) {
			names = append(names, role)
		}
	}
	return names, nil
}

// build sets which ID tokens the identity i accepts, by claims or by keys.
func (f *matchFlags) build(c *cobra.Command, i *iam.Identity) error {
	if !command.AnyChanged(c, "issuer-keys") {
		if err := refuseFlags(c, "an identity without --issuer-keys", "expiration"); err != nil {
			return err
		}
		i.ClaimMatch = &iam.ClaimMatch{}
		return f.setClaims(c, i.ClaimMatch)
	}
	if err := refuseFlags(c, "--issuer-keys", patternFlags()...); err != nil {
		return err
	}
	now := command.Now()
	end, err := iam.ParseExpiration("", now) // the default
	if err != nil {
		return err
	}
	i.Static = &iam.Static{Expiration: iam.Time{Time: end}}
	return f.setStatic(c, i.Static, now)
}

// readIdentity reads an identity from a file. A name or a description on the command line
// takes precedence.
func readIdentity(a *command.App, path string, i *iam.Identity) error {
	text, err := readFile(path, a.Stdin)
	if err != nil {
		return command.Usagef("-f: %s cannot be read: %w", command.Quoted(path), err)
	}
	read, err := iam.ParseIdentityFile(text)
	if err != nil {
		return command.Usagef("-f %s: %w", command.Quoted(path), err)
	}
	read.Name = cmp.Or(i.Name, read.Name)
	read.Description = cmp.Or(i.Description, read.Description)
	*i = read
	return nil
}

func checkPrincipal(c *cobra.Command, principal string) error {
	if principal == "" || len(principal) > 100 || strings.Trim(principal, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != "" {
		return command.Usagef("--service-principal %s is not a service in capital letters, such as COSIGNED", command.Quoted(principal))
	}
	return refuseFlags(c, "--service-principal", matchFlagNames()...)
}

func create(ctx context.Context, a *command.App, f *createFlags, identity iam.Identity, note string) error {
	if err := confirmReview(ctx, a, identity, f.yes, "create it anyway?"); err != nil {
		return err
	}
	if len(f.roles) == 0 {
		a.Warn("no --role: the identity has no permissions until it is given a role")
	}
	client, _, err := a.API(ctx)
	if err != nil {
		return err
	}
	group, err := a.Organization(ctx, client, f.parent)
	if err != nil {
		return err
	}
	granted, _, err := client.Roles(ctx, f.roles)
	if err != nil {
		return err
	}
	created, err := client.CreateIdentityWithRoles(ctx, group.ID, identity, granted)
	if err != nil {
		return err
	}
	text := ""
	if len(f.roles) > 0 {
		text = " with the roles " + platform.Printable(strings.Join(f.roles, ", "))
	}
	a.Note("Created the identity %s in %s%s", describeShort(created), platform.Printable(group.Name), text)
	roles := []roleView{}
	for _, role := range granted {
		roles = append(roles, roleView{ID: role.ID, Name: role.Name, Group: group})
	}
	if err := printChanged(a, identityView{Identity: created, Type: created.Type(), Roles: roles}, created.ID); err != nil {
		return err
	}
	if a.Output == "text" {
		printJob(a, created, group, note)
	}
	return nil
}

// confirmReview warns of ID tokens that an identity probably accepts or rejects by mistake,
// and asks for confirmation. A script must give --yes to accept those of strangers.
func confirmReview(ctx context.Context, a *command.App, i iam.Identity, yes bool, question string) error {
	if i.ClaimMatch == nil {
		return nil
	}
	review := workload.ReviewClaims(*i.ClaimMatch)
	warnings := slices.Concat(review.Accepts, review.Rejects)
	for _, warning := range warnings {
		a.Warn("%s", warning)
	}
	switch {
	case len(warnings) == 0 || yes:
		return nil
	case a.CanAsk():
		return a.Confirm(ctx, false, question)
	case len(review.Accepts) > 0:
		return hint.With(command.Usagef("refusing to accept more ID tokens than probably intended without confirmation (not a terminal)"), hint.Text("add --yes"))
	}
	return nil
}
