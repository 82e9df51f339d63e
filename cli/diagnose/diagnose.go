// Package diagnose has the command that finds problems.
package diagnose

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

// New returns the command doctor.
func New(a *command.App) *cobra.Command {
	var configErr error
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
			if len(args) == 0 {
				return nil
			}
			return command.OneImage(c, args)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			return diagnose(c.Context(), a, configErr, strings.Join(args, ""))
		},
	}, "text", "json")
	// Wrong settings are a finding, and do not stop the command.
	c.PersistentPreRunE = func(c *cobra.Command, args []string) error {
		var usage command.UsageError
		if configErr = a.Load(c, args); errors.As(configErr, &usage) {
			return configErr
		}
		return nil
	}
	return c
}

// NewValidate returns the command doctor under its name in chainctl, below config.
func NewValidate(a *command.App) *cobra.Command {
	c := New(a)
	c.Use, c.Args, c.Hidden = "validate", command.NoArgs, true
	return c
}

// lockTimeout is how long to wait for another process that holds the lock.
const lockTimeout = 3 * time.Second

func diagnose(ctx context.Context, a *command.App, configErr error, image string) error {
	checker := &doctor.Checker{
		Name: command.Name, System: runtime.GOOS, Config: a.Config, ConfigErr: configErr,
		LookPath: exec.LookPath, Getenv: os.Getenv, EUID: os.Geteuid(), Home: command.DockerHome(),
		Transport: platform.NewTransport(), Now: command.Now,
	}
	checker.Executable, _ = os.Executable()
	if configErr == nil {
		checker.Session, checker.SessionErr = a.Session()
	}
	if s := checker.Session; s != nil {
		s.LockTimeout = lockTimeout
		// Do not wait for the user to unlock the keychain: a locked one is a finding.
		var err error
		if s.Keychain, err = keychain.Open(keychain.Kind(a.Config.Keychain), command.Name, 0); err != nil {
			return err
		}
	}
	results := checker.Run(ctx, image)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := printResults(a, results); err != nil {
		return err
	}
	if doctor.Failed(results) {
		return command.ErrReported
	}
	return nil
}

// checkResult is the JSON of a doctor.Result.
type checkResult struct {
	Check   string        `json:"check"`
	Status  doctor.Status `json:"status"`
	Message string        `json:"message"`
	Fix     string        `json:"fix,omitempty"`
}

func printResults(a *command.App, found []doctor.Result) error {
	results := make([]checkResult, len(found))
	for i, r := range found {
		var fixes []string
		for _, h := range r.Fix {
			fixes = append(fixes, a.HintText(h))
		}
		results[i] = checkResult{r.Check, r.Status, r.Message, strings.Join(fixes, "; ")}
	}
	if a.Output == "json" {
		return a.PrintItems(results)
	}
	colors := map[doctor.Status]int{doctor.OK: 32, doctor.Warning: 33, doctor.Failure: 31}
	if runtime.GOOS == "windows" || !a.HasColors() {
		colors = nil
	}
	var b strings.Builder
	for _, r := range results {
		status := fmt.Sprintf("%-8s", r.Status)
		if color, found := colors[r.Status]; found {
			status = fmt.Sprintf("\x1b[%dm%s\x1b[0m", color, status)
		}
		fmt.Fprintf(&b, "%s %-9s %s\n", status, r.Check, r.Message)
		if r.Fix != "" {
			fmt.Fprintf(&b, "%8s fix: %s\n", "", r.Fix)
		}
	}
	return a.Print("%s", b.String())
}
