package cli

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

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

// maxRedrawn is how many lines such a client is expected to write over at most.
const maxRedrawn = 12

// keepOnScreen moves what was said at a terminal out of reach of a parent that writes
// over it: up, by as many lines as that covers.
func (p Program) keepOnScreen() {
	_, rows, err := term.GetSize(int(p.Stderr.Fd()))
	if err != nil || !redrawsTerminal(parentArgs()) {
		return
	}
	fmt.Fprint(p.Stderr, strings.Repeat("\n", min(maxRedrawn, max(0, rows-3))))
}
