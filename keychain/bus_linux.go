package keychain

import (
	"errors"
	"os"
	"strconv"
)

// errNoBus says that there is no session bus to reach a Secret Service on.
var errNoBus = errors.New("there is no D-Bus session bus")

// reachable looks for a session bus before go-keyring does: without one, godbus
// would start a dbus-daemon of its own, and leave it behind at every call
// (godbus/dbus#268).
func reachable() error {
	if addr := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); addr != "" && addr != "autolaunch:" {
		return nil
	}
	// Where systemd keeps the user's bus, and where godbus looks next.
	if _, err := os.Stat("/run/user/" + strconv.Itoa(os.Getuid()) + "/bus"); err == nil {
		return nil
	}
	return errNoBus
}
