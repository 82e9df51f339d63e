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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := cli.Run(ctx, cli.Program{Version: version, Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
	stop()
	os.Exit(code)
}
