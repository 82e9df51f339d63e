// Package issue creates pull tokens for the commands that print or save one.
package issue

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/pulltoken"
	"docker-credential-cgr/token"
)

// Flags describe a pull token, and where to save it.
type Flags struct {
	Parent, Name, Description, TTL string

	Repositories []string
	Save         string     // a pulltoken.Place, or ""
	Shell        hint.Shell // of --output env; that of this system if it is empty
	RevokeOld    bool
}

// Shared are the names of the flags that Add adds.
var Shared = []string{"parent", "group", "name", "ttl", "save", "revoke-old"}

// Add adds the flags that all commands that save a pull token have.
func (f *Flags) Add(flags *pflag.FlagSet) {
	AddTarget(flags, &f.Parent, &f.TTL)
	flags.StringVar(&f.Name, "name", "pull-token", "`NAME` of the pull token")
	flags.StringVar(&f.Save, "save", "", "store it in `PLACE` instead of printing it: keychain, or docker-config (base64 in Docker's config.json)")
	flags.Lookup("save").NoOptDefVal = string(pulltoken.Keychain)
	flags.BoolVar(&f.RevokeOld, "revoke-old", false, "revoke the stored pull token that --save replaces")
}

// AddTarget adds the flags for the organization and the lifetime of a pull token.
func AddTarget(flags *pflag.FlagSet, parent, ttl *string) {
	command.ParentFlag(flags, parent, "`ORGANIZATION` or folder to create the pull token in (name or ID)")
	flags.StringVar(ttl, "ttl", "720h", "how long the token is valid, a `DURATION` such as 24h, 30d (max 365d)")
}

// Request returns the pull token that the flags describe.
func (f *Flags) Request() (r pulltoken.Request, err error) {
	r.Name, r.Description = f.Name, f.Description
	if r.TTL, err = pulltoken.ParseTTL(f.TTL); err != nil {
		return r, command.Usagef("--ttl: %w", err)
	}
	r.Repositories = []pulltoken.Repository{pulltoken.OCI}
	if len(f.Repositories) > 0 {
		if r.Repositories, err = pulltoken.ParseRepositories(strings.Join(f.Repositories, ",")); err != nil {
			return r, command.Usagef("--repository: %w", err)
		}
	}
	if err := r.Check(); err != nil {
		return r, command.Usagef("%w", err)
	}
	switch place := pulltoken.Place(f.Save); {
	case place != "" && place != pulltoken.Keychain && place != pulltoken.DockerConfig:
		return r, command.Usagef("--save=%s is neither %s nor %s", platform.Printable(f.Save), pulltoken.Keychain, pulltoken.DockerConfig)
	case place == pulltoken.DockerConfig && !slices.Equal(r.Repositories, []pulltoken.Repository{pulltoken.OCI}):
		return r, command.Usagef("--save=%s requires --repository oci", place)
	case f.RevokeOld && place == "":
		return r, command.Usagef("--revoke-old requires --save")
	}
	return r, nil
}

// Run creates a pull token, saves it if the flags say so, and prints it if it is not saved
// or print is set. It deletes a pull token that it could neither save nor print.
func (f *Flags) Run(
	ctx context.Context, a *command.App, client *iam.Client, s *token.Session, r pulltoken.Request, print bool,
) error {
	place, machine := pulltoken.Place(f.Save), command.Machine(s)
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
	if f.RevokeOld {
		r.Replaces = replaced
	}
	created, group, err := Create(ctx, a, client, f.Parent, r)
	if err != nil {
		return err
	}
	var saving, printing error
	if place != "" {
		saving = machine.Save(ctx, place, hosts, created)
	}
	if place == "" || print {
		printing = printToken(a, cmp.Or(f.Shell, hint.SystemShell()), created, group, r.Repositories)
	}
	isSaved, isPrinted := place != "" && saving == nil, (place == "" || print) && printing == nil
	err = errors.Join(saving, printing)
	switch {
	case isSaved:
		return errors.Join(err, reportSaved(a, s, place, hosts, created, print), retire(ctx, a, client, s, replaced, f.RevokeOld))
	case isPrinted:
		a.Note("The pull token %s (%s) is valid%s and cannot be shown again.",
			platform.Printable(created.Identity.Name), created.Identity.ID, command.Until(created.Expires))
		return err
	}
	return client.UndoCreate(ctx, created.Identity, err)
}

// Create creates a pull token in the organization or folder that parent, the value of
// --parent, names.
func Create(
	ctx context.Context, a *command.App, client *iam.Client, parent string, r pulltoken.Request,
) (pulltoken.Credential, iam.Group, error) {
	preparation := pulltoken.Prepare(ctx, client, r)
	group, err := a.Organization(ctx, client, parent)
	if err != nil {
		return pulltoken.Credential{}, group, err
	}
	created, err := preparation.Create(ctx, group, a.Config.Issuer.String(), command.Now)
	return created, group, err
}
