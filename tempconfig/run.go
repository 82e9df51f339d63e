package tempconfig

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
)

// Run runs a command until it ends, and returns its exit code: 128 and the number of the
// signal if one ended it. Signals that this process gets are sent on to the command, unless
// the terminal has sent them to both.
func Run(cmd *exec.Cmd) (code int, err error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, forwarded...)
	defer signal.Stop(signals)
	restoreDefaults()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case s := <-signals:
				if !isFromTerminal(s) {
					_ = cmd.Process.Signal(s) // it may have ended
				}
			case <-done:
				return
			}
		}
	}()
	err = cmd.Wait()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		return 0, err
	}
	return exitCode(cmd.ProcessState), nil
}
