// Docker-credential-cgr provides Docker, Podman and other clients with short-lived
// credentials for the Chainguard registry.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"docker-credential-cgr/cli"
)

// version can be set by packagers: -ldflags "-X main.version=v1.2.3". By default, the
// version is that of the build information.
var version string

func main() {
	// If the client has ended, writing the answer must fail and not end the program. Children
	// inherit this.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(cli.Run(context.Background(), cli.Program{
		Version: version,
		Name:    os.Args[0],
		Args:    os.Args[1:],
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Signals: []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP},
	}))
}
