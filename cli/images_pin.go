package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"docker-credential-cgr/pin"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/registry"
	"docker-credential-cgr/token"
)

// pinFlags say what to pin, and to what.
type pinFlags struct {
	resolveFlags
	keepTag               string
	exclude               []string
	update, check, dryRun bool
}

func (a *app) newImagesPin() *cobra.Command {
	var f pinFlags
	c := formats(&cobra.Command{
		Use:   "pin FILE|FOLDER...",
		Short: "Pin image references in files to digests",
		Long: `Add to each image reference the digest that its tag points to, so that builds are
reproducible:

  FROM cgr.dev/chainguard/python:latest
  FROM cgr.dev/chainguard/python:latest@sha256:81c334de…

In a folder, every text file that git does not ignore is read. References are pinned in
Dockerfiles, in YAML of Compose, Kubernetes, Helm, Kustomize and CI systems, in whole
strings in Terraform, HCL, JSON, TOML and Starlark, and in variables and commands in
scripts and makefiles. Nothing else in the files changes. Nothing is written unless every
image can be resolved and every file can be written.

References elsewhere are listed. With --check they fail, as unpinned ones do; --exclude
skips files. References in comments and names of images that are built are listed
separately and never fail.`,
		Example: `  ` + name + ` images pin .
  ` + name + ` images pin --dry-run . | less             # show a diff
  ` + name + ` images pin --check .                      # for CI, offline
  ` + name + ` images pin --check --exclude '*.md' --exclude docs/ .
  ` + name + ` images pin --check --update .             # also fail if a pin is out of date
  ` + name + ` images pin --update .                     # update to what the tags point to now
  ` + name + ` images pin --update --at 7d .             # go back to what they pointed to a week ago`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || slices.Contains(args, "") {
				return misuse("which files? such as: %s .", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return a.imagesPin(c, args, &f) },
	}, "text", "json")
	flags := c.Flags()
	f.add(flags, "pin to what the tags pointed to at `TIME`")
	flags.BoolVar(&f.update, "update", false, "update pinned references to what their tags point to now, or pointed to at the time given with --at")
	flags.BoolVar(&f.check, "check", false, "write nothing; exit with 1 unless everything is pinned; with --update, also fail if a pin is out of date")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show the change as a diff without writing it")
	flags.StringVar(&f.keepTag, "keep-tag", "yes", "keep the tag in front of the digest (`yes|no`)")
	flags.StringArrayVar(&f.exclude, "exclude", nil, "skip files that match `PATTERN`: a name, or a path relative to the folder, with *, ? and ** (repeatable)")
	return c
}

// options reads the flags. What does not go together is an error of usage.
func (f *pinFlags) options() (pin.Options, error) {
	o := pin.Options{Update: f.update, Platform: f.platform, DropTag: f.keepTag == "no"}
	switch {
	case f.keepTag != "yes" && f.keepTag != "no":
		return o, misuse("--keep-tag %q: give yes or no", shown(f.keepTag))
	case f.check && f.dryRun:
		return o, misuse("--check and --dry-run: give one of them")
	case f.check && !f.update && (f.at != "" || f.platform != ""):
		return o, misuse("--check alone asks nothing of the registry; --at and --platform need --update with it")
	}
	return o, nil
}

func (a *app) imagesPin(c *cobra.Command, paths []string, f *pinFlags) error {
	ctx := c.Context()
	o, err := f.options()
	if err != nil {
		return err
	}
	resolve, err := a.resolver(c.Flags(), &f.resolveFlags)
	if err != nil {
		return err
	}
	set, unread := pin.Read(ctx, paths, f.exclude, a.cfg.Registry.Host)
	var wrong *pin.ArgumentError
	if errors.As(unread, &wrong) {
		return usageError{unread}
	}
	if set == nil {
		return unread
	}
	for _, folder := range set.Unfiltered {
		a.warn("%s: reading ignored files too: %s", platform.Printable(folder.Path), folder.Reason)
	}
	changed, failed := a.pin(ctx, set, o, resolve, f)
	if failed != nil && changed == 0 && (!f.check || ctx.Err() != nil) {
		return a.each(ctx, failed)
	}
	v := newPinView(set, f, unread == nil)
	if err := a.showPins(set, v); err != nil {
		if changed > 0 {
			err = fmt.Errorf("%s changed, but: %w", plural(changed, "file"), err)
		}
		return err
	}
	if failed != nil {
		return a.each(ctx, failed)
	}
	a.summarizePins(v, paths)
	if f.check && !v.sure && unread == nil {
		return errFound
	}
	return a.each(ctx, unread)
}

// pin finds the digests that are asked for, and writes them where that is asked for. It
// says how many files have changed, also beside an error.
func (a *app) pin(ctx context.Context, set *pin.Set, o pin.Options, resolve pin.Resolver, f *pinFlags) (changed int, err error) {
	writes := !f.check && !f.dryRun
	if writes || f.update || f.dryRun {
		err = set.Resolve(ctx, o, resolve, forAll, a.progress())
	}
	switch {
	case err != nil && writes:
		return 0, errors.Join(append(unjoined(err), errors.New("no file was changed"))...)
	case err != nil || !writes:
		return 0, err
	}
	return set.Write(ctx)
}

// forAll says of an error whether other images would meet it too.
func forAll(err error) bool {
	var nobody *token.NotSignedInError
	var left *token.SignInError
	var refused *registry.Error
	busy := errors.As(err, &refused) && (refused.Status == http.StatusTooManyRequests || refused.Status >= 500)
	return errors.As(err, &nobody) || errors.As(err, &left) || busy || platform.IsUnreachable(err)
}

// unjoined gives the errors of a join, and any other as it is.
func unjoined(err error) []error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		return several.Unwrap()
	}
	return []error{err}
}

// each says each of several errors in a line of its own, unless it was interrupted, which
// is what the exit code is of then.
func (a *app) each(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	all := unjoined(err)
	if len(all) == 1 {
		return all[0]
	}
	answer := errFound
	for _, err := range all {
		a.printError(err)
		var nobody *token.NotSignedInError
		if errors.As(err, &nobody) {
			answer = errSignedOut
		}
	}
	return answer
}

// resolveFlags say which digest of a tag is wanted.
type resolveFlags struct{ at, platform string }

func (f *resolveFlags) add(flags *pflag.FlagSet, usage string) {
	flags.StringVar(&f.at, "at", "", usage+" (inclusive): 2025-08-11T15:22:00Z, 2025-08-11 (end of the day, UTC), or an age such as 7d")
	flags.StringVar(&f.platform, "platform", "", "use the digest of the image for `OS/ARCH` only, such as linux/arm64 (default: the digest for all platforms)")
}

// resolver tells what tags stand for, now or at the time of --at.
func (a *app) resolver(flags *pflag.FlagSet, f *resolveFlags) (pin.Resolver, error) {
	if err := notEmpty(flags, "at", "platform"); err != nil {
		return nil, err
	}
	if f.platform != "" {
		if err := registry.CheckPlatform(f.platform); err != nil {
			return nil, misuse("--platform: %w", err)
		}
	}
	reader := a.reader()
	if f.at == "" {
		return func(ctx context.Context, ref registry.Reference) (string, error) {
			return reader.Digest(ctx, ref, f.platform)
		}, nil
	}
	then, err := parseMoment(f.at, wallClock(), true)
	if err != nil {
		return nil, misuse("--at: %w", err)
	}
	return func(ctx context.Context, ref registry.Reference) (string, error) {
		record, err := reader.DigestAt(ctx, ref, then, f.platform)
		return record.Digest, err
	}, nil
}

// notEmpty refuses flags that were given an empty value, as by a variable of a script
// that is not set: to do without them could do something else than is meant.
func notEmpty(flags *pflag.FlagSet, names ...string) error {
	for _, flag := range names {
		if flags.Changed(flag) && strings.TrimSpace(flags.Lookup(flag).Value.String()) == "" {
			return misuse("--%s is empty; give it a value, or leave it out", flag)
		}
	}
	return nil
}

// plural counts things.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
