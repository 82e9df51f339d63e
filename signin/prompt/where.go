package prompt

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// WhereToOpen returns the lines of the prompt that say on which machine the address must be
// opened, so that the browser reaches a listener at host and port. opens means that a browser
// is being opened.
func WhereToOpen(host string, port int, opens bool) []string {
	connection := os.Getenv("SSH_CONNECTION")
	switch {
	case opens:
		return []string{"sign in in your browser", "if no window opens, open this address yourself:"}
	case connection != "":
		return []string{
			"sign in over SSH",
			fmt.Sprintf("on your own machine, run: ssh -N -L %d:%s:%d %s", port, host, port, sshServer(connection)),
			"then open this address in the browser there:",
		}
	}
	return []string{"sign in", "open this address in a browser on this machine:"}
}

// sshServer returns the address of this machine for the other end of an SSH session.
// SSH_CONNECTION has the client's address and port, then the server's (ssh(1)).
func sshServer(connection string) string {
	if fields := strings.Fields(connection); len(fields) == 4 {
		if address, err := netip.ParseAddr(fields[2]); err == nil {
			return address.String()
		}
	}
	return "THIS-HOST"
}
