// Command fakeplatform runs the fake Chainguard platform on loopback ports until it is interrupted. It prints the
// environment variables that make docker-credential-cgr use it:
//
//	go run ./cmd/fakeplatform --auto-approve >settings.sh &
//	. ./settings.sh
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fakeplatform:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var b fakeplatform.Behavior
	flags := flag.NewFlagSet("fakeplatform", flag.ExitOnError)
	flags.BoolVar(&b.AutoApprove, "auto-approve", false, "approve each sign-in without showing a page")
	flags.StringVar(&b.Person, "person", fakeplatform.Ada, "email `address` of the person that --auto-approve signs in")
	flags.DurationVar(&b.AccessLifetime, "access-ttl", time.Hour, "how long an access token is valid")
	flags.DurationVar(&b.RefreshLifetime, "refresh-ttl", 30*24*time.Hour, "how long a refresh token is valid")
	flags.DurationVar(&b.SessionLifetime, "session-ttl", 0, "how long a session lasts, even if it is refreshed (default no limit)")
	flags.BoolVar(&b.NoRefreshToken, "no-refresh-token", false, "issue no refresh token at sign-in")
	flags.BoolVar(&b.NoRotation, "no-rotation", false, "keep refresh tokens valid after use")
	flags.BoolVar(&b.SingleAudience, "single-audience", false, "refuse to refresh for audiences other than the sign-in's")
	flags.DurationVar(&b.ClockSkew, "clock-skew", 0, "how far the platform's clock is ahead of this machine's")
	_ = flags.Parse(args) // exits on errors
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}

	p, err := fakeplatform.Start(fakeplatform.WithBehavior(func(to *fakeplatform.Behavior) { *to = b }))
	if err != nil {
		return err
	}
	for _, setting := range p.Environ() {
		fmt.Fprintf(out, "export %s\n", setting)
	}
	fmt.Fprintf(out, `# The fake Chainguard platform is running. Press Ctrl-C to stop it.
# Accounts        %s (password lovelace), %s (hopper), %s (dijkstra)
# Public images   %[4]s/chainguard/python:latest, :latest-dev
# Private images  %[4]s/example.com/python:latest, :3.13
`, fakeplatform.Ada, fakeplatform.Grace, fakeplatform.Edsger, p.RegistryHost())
	<-ctx.Done()
	return p.Close()
}
