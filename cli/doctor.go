package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/doctor"
	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
)

func (a *app) newDoctor() *cobra.Command {
	var wrong error // with the settings
	c := command.Formats(&cobra.Command{
		Use:   "doctor [IMAGE]",
		Short: "Find problems and show how to fix them",
		Long: `Check the installation, settings, Docker and Podman files, credential store, network,
clock and session, and show how to fix each problem. With an image, also check that it
can be pulled. Does not sign in or change files. Exits with 1 if a check fails.`,
		Example: `  docker-credential-cgr doctor
  docker-credential-cgr doctor cgr.dev/ORGANIZATION/python:latest
  docker-credential-cgr doctor -o json`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && args[0] == "" {
				return command.Usagef("usage: %s [IMAGE]", c.CommandPath())
			}
			if len(args) == 1 && command.LooksLikeToken(args[0]) {
				return command.Usagef("what stands in the place of the image looks like a token")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			return a.doctor(c.Context(), wrong, strings.Join(args, ""))
		},
	}, "text", "json")
	// Wrong settings are the first thing to find, and must not be in the way.
	c.PersistentPreRunE = func(c *cobra.Command, args []string) error {
		var usage command.UsageError
		if wrong = a.Load(c, args); errors.As(wrong, &usage) {
			return wrong
		}
		return nil
	}
	return c
}

// doctorPatience is how long the doctor waits for another process's work.
const doctorPatience = 3 * time.Second

func (a *app) doctor(ctx context.Context, wrong error, image string) error {
	patient := &doctor.Patient{
		Config: a.Config, ConfigErr: wrong,
		LookPath: exec.LookPath, Getenv: os.Getenv, EUID: os.Geteuid(),
		Transport: platform.NewTransport(), Now: command.Now,
	}
	patient.Home = command.DockerHome()
	patient.Program, _ = os.Executable()
	if wrong == nil {
		patient.Session, patient.SessionErr = a.Session()
	}
	if s := patient.Session; s != nil {
		s.Patience = doctorPatience
		// A prompt that nobody answers is a finding, not a thing to wait for.
		var err error
		if s.Keychain, err = keychain.Open(keychain.Kind(a.Config.Keychain), command.Name, 0); err != nil {
			return err
		}
	}
	results := patient.Examine(ctx, image)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := a.sayResults(results); err != nil {
		return err
	}
	if doctor.Failed(results) {
		return command.ErrReported
	}
	return nil
}

func (a *app) sayResults(results []doctor.Result) error {
	if a.Output == "json" {
		return a.PrintItems(results)
	}
	column := a.statusColumn()
	var b strings.Builder
	for _, r := range results {
		fmt.Fprintf(&b, "%s %-9s %s\n", column(r.Status), r.Check, r.Says)
		if r.Fix != "" {
			fmt.Fprintf(&b, "%8s fix: %s\n", "", r.Fix)
		}
	}
	return a.Print("%s", b.String())
}

// statusColumn returns the function that formats a status, in color at a terminal that
// shows colors.
func (a *app) statusColumn() func(doctor.Status) string {
	plain := runtime.GOOS == "windows" || !a.HasColors()
	codes := map[doctor.Status]int{doctor.OK: 32, doctor.Warning: 33, doctor.Failure: 31}
	return func(s doctor.Status) string {
		column := fmt.Sprintf("%-8s", s)
		if code, ok := codes[s]; ok && !plain {
			return fmt.Sprintf("\x1b[%dm%s\x1b[0m", code, column)
		}
		return column
	}
}
