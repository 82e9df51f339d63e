package images

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/pin"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/registry"
	"docker-credential-cgr/token"
)

// pinFlags select what to pin, and to what.
type pinFlags struct {
	resolveFlags
	keepTag               string
	exclude               []string
	update, check, dryRun bool
}

func newPin(a *command.App) *cobra.Command {
	var f pinFlags
	c := command.Formats(&cobra.Command{
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

References elsewhere are listed. With --check, they make the command fail, as unpinned
references do. Use --exclude to skip files. References in comments and the names of images
that the file builds are listed separately and never make it fail.`,
		Example: `  docker-credential-cgr images pin .
  docker-credential-cgr images pin --dry-run . | less             # show a diff
  docker-credential-cgr images pin --check .                      # for CI, offline
  docker-credential-cgr images pin --check --exclude '*.md' --exclude docs/ .
  docker-credential-cgr images pin --check --update .             # also fail if a pin is out of date
  docker-credential-cgr images pin --update .                     # update to what the tags point to now
  docker-credential-cgr images pin --update --at 7d .             # go back to what they pointed to a week ago`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || slices.Contains(args, "") {
				return command.Usagef("the files are missing, such as: %s .", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return pinFiles(a, c, args, &f) },
	}, "text", "json")
	flags := c.Flags()
	f.add(flags, "pin to what the tags pointed to at `TIME`")
	flags.BoolVar(&f.update, "update", false, "update pinned references to what their tags point to now, or pointed to at the time given with --at")
	flags.BoolVar(&f.check, "check", false, "write nothing; exit with 1 unless everything is pinned; with --update, also fail if a pin is out of date")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show the change as a diff without writing it")
	flags.StringVar(&f.keepTag, "keep-tag", "yes", "keep the tag in front of the digest: `yes|no`")
	flags.StringArrayVar(&f.exclude, "exclude", nil, "skip files that match `PATTERN`: a name, or a path relative to the folder, with *, ? and ** (repeatable)")
	return c
}

// options returns the options that the flags describe.
func (f *pinFlags) options() (pin.Options, error) {
	o := pin.Options{Update: f.update, Platform: f.platform, DropTag: f.keepTag == "no"}
	switch {
	case f.keepTag != "yes" && f.keepTag != "no":
		return o, command.Usagef("--keep-tag %q is neither yes nor no", command.HideToken(f.keepTag))
	case f.check && f.dryRun:
		return o, command.Usagef("--check and --dry-run cannot be used together")
	case f.check && !f.update && (f.at != "" || f.platform != ""):
		return o, command.Usagef("--check does not contact the registry: --at and --platform need --update with it")
	}
	return o, nil
}

func pinFiles(a *command.App, c *cobra.Command, paths []string, f *pinFlags) error {
	ctx := c.Context()
	o, err := f.options()
	if err != nil {
		return err
	}
	resolve, err := newResolver(a, c.Flags(), &f.resolveFlags)
	if err != nil {
		return err
	}
	set, unread := pin.Read(ctx, paths, f.exclude, a.Config.Registry.Host)
	var argument *pin.ArgumentError
	if errors.As(unread, &argument) {
		return command.Usagef("%w", unread)
	}
	if set == nil {
		return unread
	}
	for _, folder := range set.Unfiltered {
		a.Warn("%s: reading ignored files too: %s", platform.Printable(folder.Path), folder.Reason)
	}
	changed, failed := change(ctx, a, set, o, resolve, f)
	if failed != nil && changed == 0 && (!f.check || ctx.Err() != nil) {
		return printEach(ctx, a, failed)
	}
	r := newReport(set, f, unread == nil)
	if err := r.print(a, set); err != nil {
		if changed > 0 {
			err = fmt.Errorf("%s changed, but: %w", command.Count(changed, "file"), err)
		}
		return err
	}
	if failed != nil {
		return printEach(ctx, a, failed)
	}
	r.summarize(a, paths)
	if f.check && !r.isClean && unread == nil {
		return command.ErrReported
	}
	return printEach(ctx, a, unread)
}

// change resolves the references and writes the files, as far as the flags ask for it. It
// returns how many files have changed, also with an error.
func change(
	ctx context.Context, a *command.App, set *pin.Set, o pin.Options, resolve pin.Resolver, f *pinFlags,
) (changed int, err error) {
	writes := !f.check && !f.dryRun
	if writes || f.update || f.dryRun {
		err = set.Resolve(ctx, o, resolve, affectsAll, newProgress(a))
	}
	switch {
	case err != nil && writes:
		return 0, errors.Join(append(split(err), errors.New("no file was changed"))...)
	case err != nil || !writes:
		return 0, err
	}
	return set.Write(ctx)
}

// affectsAll reports whether an error would occur for other images too.
func affectsAll(err error) bool {
	var notSignedIn *token.NotSignedInError
	var abandoned *token.SignInError
	var rejected *registry.Error
	busy := errors.As(err, &rejected) && (rejected.Status == http.StatusTooManyRequests || rejected.Status >= 500)
	return errors.As(err, &notSignedIn) || errors.As(err, &abandoned) || busy || platform.IsUnreachable(err)
}

// split returns the errors that errors.Join has joined.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// printEach prints joined errors one by one, and returns the error for the exit code. It
// leaves a single error, and that of an interrupted command, to the caller.
func printEach(ctx context.Context, a *command.App, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	all := split(err)
	if len(all) == 1 {
		return all[0]
	}
	result := command.ErrReported
	for _, err := range all {
		a.PrintError(err)
		var notSignedIn *token.NotSignedInError
		if errors.As(err, &notSignedIn) {
			result = command.ErrNotSignedIn
		}
	}
	return result
}

// resolveFlags select the digest of a tag.
type resolveFlags struct{ at, platform string }

func (f *resolveFlags) add(flags *pflag.FlagSet, usage string) {
	flags.StringVar(&f.at, "at", "", usage+" (inclusive): 2025-08-11T15:22:00Z, 2025-08-11 (end of the day, UTC), or an age such as 7d")
	flags.StringVar(&f.platform, "platform", "", "use the digest of the image for `OS/ARCH` only, such as linux/arm64 (default: the digest for all platforms)")
}

// newResolver returns the function that looks up digests, now or at the time of --at.
func newResolver(a *command.App, flags *pflag.FlagSet, f *resolveFlags) (pin.Resolver, error) {
	if err := checkNotEmpty(flags, "at", "platform"); err != nil {
		return nil, err
	}
	if f.platform != "" {
		if err := registry.CheckPlatform(f.platform); err != nil {
			return nil, command.Usagef("--platform: %w", err)
		}
	}
	reader := newReader(a)
	if f.at == "" {
		return func(ctx context.Context, ref registry.Reference) (string, error) {
			return reader.Digest(ctx, ref, f.platform)
		}, nil
	}
	at, err := parseTime(f.at, command.Now(), true)
	if err != nil {
		return nil, command.Usagef("--at: %w", err)
	}
	return func(ctx context.Context, ref registry.Reference) (string, error) {
		record, err := reader.DigestAt(ctx, ref, at, f.platform)
		return record.Digest, err
	}, nil
}

// checkNotEmpty refuses flags with an empty value, which is probably an unset variable of a
// script.
func checkNotEmpty(flags *pflag.FlagSet, names ...string) error {
	for _, flag := range names {
		if flags.Changed(flag) && strings.TrimSpace(flags.Lookup(flag).Value.String()) == "" {
			return command.Usagef("--%s is empty; give it a value, or leave it out", flag)
		}
	}
	return nil
}
