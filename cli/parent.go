package cli

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"
)

// loginClients are the programs whose login asks the helper for a credential before it
// stores the one that it was given. Docker asks only if it was given none, and then a
// sign-in is what its user wants; Helm, ORAS, regctl and crane never ask.
var loginClients = []string{"podman", "podman-remote", "skopeo", "buildah"}

// loginCommand returns the command, such as "podman login", that a client with the
// arguments args is running, or "" if it is no login that asks for a credential first.
func loginCommand(args []string) string {
	if len(args) == 0 {
		return ""
	}
	client := filepath.Base(args[0])
	if !slices.Contains(loginClients, client) {
		return ""
	}
	// Before the command there are only flags, and the values of some.
	afterFlag := false
	for _, arg := range args[1:] {
		switch {
		case arg == "login":
			return client + " login"
		case strings.HasPrefix(arg, "-"):
			afterFlag = !strings.Contains(arg, "=")
		case !afterFlag:
			return "" // another command
		default:
			afterFlag = false
		}
	}
	return ""
}

// redrawsTerminal reports whether a client with the arguments args is one that builds
// images with BuildKit. It moves the cursor up and writes over whatever others have
// written to its terminal.
func redrawsTerminal(args []string) bool {
	if len(args) == 0 {
		return false
	}
	switch filepath.Base(args[0]) {
	case "docker-buildx", "docker-compose", "buildctl":
		return true
	case "docker":
		return slices.ContainsFunc(args[1:], func(arg string) bool {
			return slices.Contains([]string{"build", "buildx", "bake", "compose"}, arg)
		})
	}
	return false
}

// maxRedrawn is how many lines such a client is expected to rewrite at most.
const maxRedrawn = 12

// redrawWait is longer than such a client takes to rewrite its lines once: BuildKit
// does it every 150 ms.
const redrawWait = 400 * time.Millisecond

// printAbove prints text at a terminal of rows lines while a client rewrites its own
// lines, which are the last ones above the cursor; their number is not known. The client
// finds them by moving the cursor up, which stops at the top of the scrolling region
// (DECSTBM). So the text is written at the bottom of the screen and scrolled up, and the
// region excludes it until the client has drawn its lines in the region, where they stay.
func (p Program) printAbove(rows int, text string) {
	signals := make(chan os.Signal, 1) // none may end us before the region is reset
	signal.Notify(signals, p.Signals...)
	defer signal.Stop(signals)

	below := min(maxRedrawn, rows-1)
	// In one write: the client writes to the same terminal.
	fmt.Fprintf(p.Stderr, "\x1b[%d;1H\n%s%s\x1b[%d;%dr\x1b[%[4]d;1H", rows,
		text, strings.Repeat("\n", below-1), rows-below+1, rows)
	select {
	case <-time.After(redrawWait):
	case <-signals:
	}
	fmt.Fprint(p.Stderr, "\x1b7\x1b[r\x1b8") // setting the region moves the cursor
}

// redrawnRows returns the number of rows of the terminal f if the parent process redraws
// the last ones, or else 0.
func redrawnRows(f *os.File) int {
	_, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || rows < 4 || os.Getenv("TERM") == "dumb" || !redrawsTerminal(parentArgs()) {
		return 0
	}
	return rows
}
