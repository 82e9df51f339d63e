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

// loginCommand returns the command, such as "podman login", of a client with the arguments
// args, or "" if it is not a login that asks the helper for a credential before it stores
// another one. Docker only asks if its user gave none, and then a sign-in is what they
// want; Helm, ORAS, regctl and crane never ask.
func loginCommand(args []string) string {
	if len(args) == 0 {
		return ""
	}
	client := filepath.Base(args[0])
	if !slices.Contains([]string{"podman", "podman-remote", "skopeo", "buildah"}, client) {
		return ""
	}
	// Only flags and their values can precede the command.
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

// redrawsTerminal reports whether a client with the arguments args builds images with
// BuildKit. Such a client moves the cursor up and overwrites what others have written to
// its terminal.
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

// maxRedrawn is how many lines such a client is expected to redraw at most.
const maxRedrawn = 12

// redrawTime is longer than the 150 ms after which BuildKit redraws its lines.
const redrawTime = 400 * time.Millisecond

// printAbove prints text at a terminal of rows lines while a client redraws its own lines,
// the last ones above the cursor; their number is unknown. The client finds them by moving
// the cursor up, which stops at the top of the scrolling region (DECSTBM). So the text is
// written at the bottom of the screen and scrolled up, and the region excludes it until the
// client has drawn its lines in the region, where they stay.
func (p Program) printAbove(rows int, text string) {
	signals := make(chan os.Signal, 1) // to reset the region before the program ends
	signal.Notify(signals, p.Signals...)
	defer signal.Stop(signals)

	below := min(maxRedrawn, rows-1)
	// In one write, because the client writes to the same terminal.
	fmt.Fprintf(p.Stderr, "\x1b[%d;1H\n%s%s\x1b[%d;%dr\x1b[%[4]d;1H", rows,
		text, strings.Repeat("\n", below-1), rows-below+1, rows)
	select {
	case <-time.After(redrawTime):
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
