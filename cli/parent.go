package cli

import (
	"path/filepath"
	"slices"
	"strings"
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
