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

	"docker-credential-cgr/doctor"
	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
)

func (a *app) newDoctor() *cobra.Command {
	var wrong error // with the settings
	c := formats(&cobra.Command{
		Use:   "doctor [IMAGE]",
		Short: "Find problems and show how to fix them",
		Long: `Check the installation, settings, Docker and Podman files, credential store, network,
clock and session, and show how to fix each problem. With an image, also check that it
can be pulled. Does not sign in or change files. Exits with 1 if a check fails.`,
		Example: `  ` + name + ` doctor
  ` + name + ` doctor cgr.dev/ORGANIZATION/python:latest
  ` + name + ` doctor -o json`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && args[0] == "" {
				return misuse("usage: %s [IMAGE]", c.CommandPath())
			}
			if len(args) == 1 && strings.Contains(args[0], tokenMark) {
				return misuse("what stands in the place of the image looks like a token")
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
		var usage usageError
		if wrong = a.load(c, args); errors.As(wrong, &usage) {
			return wrong
		}
		return nil
	}
	return c
}

// doctorPatience is how long the doctor waits for another process's work.
const doctorPatience = 3 * time.Second

func (a *app) doctor(ctx context.Context, wrong error, image string) error {
	checker := &doctor.Checker{
		Name: name, Config: a.cfg, ConfigErr: wrong,
		LookPath: exec.LookPath, Getenv: os.Getenv, EUID: os.Geteuid(),
		Transport: platform.NewTransport(), Now: wallClock,
	}
	checker.Home = dockerHome()
	checker.Executable, _ = os.Executable()
	if wrong == nil {
		checker.Session, checker.SessionErr = a.session(a.cfg)
	}
	if s := checker.Session; s != nil {
		s.Patience = doctorPatience
		// A prompt that nobody answers is a finding, not a thing to wait for.
		var err error
		if s.Keychain, err = keychain.Open(keychain.Kind(a.cfg.Keychain), name, 0); err != nil {
			return err
		}
	}
	results := checker.Run(ctx, image)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := a.sayResults(results); err != nil {
		return err
	}
	if doctor.Failed(results) {
		return errFound
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

func (a *app) sayResults(found []doctor.Result) error {
	results := make([]checkResult, len(found))
	for i, r := range found {
		var fixes []string
		for _, h := range r.Fix {
			fixes = append(fixes, command(h))
		}
		results[i] = checkResult{r.Check, r.Status, r.Message, strings.Join(fixes, "; ")}
	}
	if a.output == "json" {
		return a.answerItems(results)
	}
	colored := a.colored()
	var b strings.Builder
	for _, r := range results {
		fmt.Fprintf(&b, "%s %-9s %s\n", colored(r.Status), r.Check, r.Message)
		if r.Fix != "" {
			fmt.Fprintf(&b, "%8s fix: %s\n", "", r.Fix)
		}
	}
	return a.answer("%s", b.String())
}

// colored returns what writes a status in a column, in color at a terminal that shows
// them.
func (p Program) colored() func(doctor.Status) string {
	plain := runtime.GOOS == "windows" || !p.colors()
	codes := map[doctor.Status]int{doctor.OK: 32, doctor.Warning: 33, doctor.Failure: 31}
	return func(s doctor.Status) string {
		column := fmt.Sprintf("%-8s", s)
		if code, ok := codes[s]; ok && !plain {
			return fmt.Sprintf("\x1b[%dm%s\x1b[0m", code, column)
		}
		return column
	}
}
