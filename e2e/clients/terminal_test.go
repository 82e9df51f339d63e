//go:build e2e && linux

package clients

import (
	"bytes"
	"context"
	"io"
	"strings"
	"time"

	"github.com/creack/pty"

	"docker-credential-cgr/e2e/testenv"
)

// runAtTerminal runs a command to its end with a terminal for all three standard
// streams, as somebody does who types it.
func (p *fixture) runAtTerminal(args ...string) result {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.t.Context(), testenv.Timeout)
	defer stop()
	cmd := p.command(ctx, args...)
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	since := time.Now()
	terminal, err := pty.StartWithAttrs(cmd, &pty.Winsize{Rows: 24, Cols: 80}, cmd.SysProcAttr)
	if err != nil {
		p.t.Fatal(err)
	}
	said := make(chan string, 1)
	go func() {
		var text bytes.Buffer
		_, _ = io.Copy(&text, terminal) // EIO when the last process has left the terminal
		said <- text.String()
	}()
	_ = cmd.Wait() // its exit code says it
	stop()
	text := <-said
	_ = terminal.Close()
	r := result{command: strings.Join(args, " "), stdout: text, code: cmd.ProcessState.ExitCode(), took: time.Since(since)}
	p.results = append(p.results, r)
	return r
}
