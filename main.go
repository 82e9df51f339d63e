// Docker-credential-cgr gives Docker, Podman and other clients short-lived
// credentials for the Chainguard registry.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"docker-credential-cgr/cli"
)

// version may be set by packagers: -ldflags "-X main.version=v1.2.3". Otherwise
// the build information that Go embeds is used.
var version string

func main() {
	// A client that is gone must not kill us on the last write: the exit code says
	// what became of the answer. Not for children, which Go gives the default.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(cli.Run(context.Background(), cli.Program{
		Version: version,
		Args:    os.Args[1:],
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Signals: []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP},
	}))
}
