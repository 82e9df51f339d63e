// Command fakeplatform runs the fake Chainguard platform on loopback ports until it is interrupted, and prints the
// settings that point a client to it:
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
	flags.BoolVar(&b.AutoApprove, "auto-approve", false, "sign in without a page")
	flags.StringVar(&b.Person, "person", fakeplatform.Ada, "who signs in with --auto-approve")
	flags.DurationVar(&b.AccessLifetime, "access-ttl", time.Hour, "life of an access token")
	flags.DurationVar(&b.RefreshLifetime, "refresh-ttl", 30*24*time.Hour, "life of a refresh token")
	flags.DurationVar(&b.SessionLifetime, "session-ttl", 0, "life of a session, which use does not extend (default: no limit)")
	flags.BoolVar(&b.NoRefreshToken, "no-refresh-token", false, "sign in without a refresh token")
	flags.BoolVar(&b.NoRotation, "no-rotation", false, "leave refresh tokens good after their use")
	flags.BoolVar(&b.SingleAudience, "single-audience", false, "refuse to refresh for another audience than the sign-in's")
	flags.DurationVar(&b.ClockSkew, "clock-skew", 0, "how far the platform's clock is ahead")
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
	fmt.Fprintf(out, `# A fake platform for the Chainguard platform runs now. Ctrl-C stops it.
# Sign in as   %s (password lovelace), %s (hopper) or %s (dijkstra)
# Public       %[4]s/chainguard/python:latest, :latest-dev
# Private      %[4]s/example.com/python:latest, :3.13
`, fakeplatform.Ada, fakeplatform.Grace, fakeplatform.Edsger, p.RegistryHost())
	<-ctx.Done()
	return p.Close()
}
