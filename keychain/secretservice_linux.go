package keychain

import (
	"errors"
	"os"
	"strconv"
	"sync"

	"github.com/godbus/dbus/v5"
)

// errNoBus means that there is no session bus to reach a Secret Service on.
var errNoBus = errors.New("there is no D-Bus session bus")

// checkBus looks for a session bus before go-keyring does: without one, godbus would
// start a dbus-daemon, and leave it running after every call (godbus/dbus#268).
func checkBus() error {
	if addr := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); addr != "" && addr != "autolaunch:" {
		return nil
	}
	// The user's bus under systemd, where godbus looks next.
	if _, err := os.Stat("/run/user/" + strconv.Itoa(os.Getuid()) + "/bus"); err == nil {
		return nil
	}
	return errNoBus
}

// secret is a secret as the Secret Service returns it
// (https://specifications.freedesktop.org/secret-service-spec, section 5).
type secret struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

// lookup finds a secret that go-keyring has stored, with a third of the calls that
// go-keyring makes: it unlocks nothing and looks for no collection. It is a hit only if
// there is exactly one item and it is unlocked; go-keyring handles all other cases.
// answered means that there is a Secret Service on the bus.
func lookup(service, name string) (value string, hit, answered bool) {
	shared.Lock()
	defer shared.Unlock()
	b := shared.secretBus
	shared.secretBus = nil // until it has answered: a dead connection is not used again
	if b == nil {
		if b = dialSecrets(); b == nil {
			return "", false, false
		}
	}
	const of = "org.freedesktop.Secret.Service."
	// Not OpenSession first: GNOME's keyring can abort if that is the first call of a
	// connection and many connect at once (its issues 190, 196 and 199). A search only
	// fails then, and go-keyring tries again.
	var unlocked, locked []dbus.ObjectPath
	searched := map[string]string{"service": service, "username": name}
	if err := b.secrets.Call(of+"SearchItems", 0, searched).Store(&unlocked, &locked); err != nil {
		_ = b.conn.Close()
		return "", false, !isNoService(err)
	}
	if len(unlocked) != 1 || len(locked) != 0 {
		shared.secretBus = b
		return "", false, true
	}
	if b.session == "" {
		var output dbus.Variant
		if b.secrets.Call(of+"OpenSession", 0, "plain", dbus.MakeVariant("")).Store(&output, &b.session) != nil {
			_ = b.conn.Close()
			return "", false, true
		}
	}
	var values map[dbus.ObjectPath]secret
	if b.secrets.Call(of+"GetSecrets", 0, unlocked, b.session).Store(&values) != nil {
		_ = b.conn.Close()
		return "", false, true
	}
	shared.secretBus = b
	got, ok := values[unlocked[0]]
	return string(got.Value), ok, true
}

// secretBus is a connection to the Secret Service with a session.
type secretBus struct {
	conn    *dbus.Conn
	secrets dbus.BusObject
	session dbus.ObjectPath
}

// shared is the connection of the last look-up: a process that waits for another one to
// refresh makes up to four.
var shared struct {
	sync.Mutex
	*secretBus
}

func dialSecrets() *secretBus {
	// dbus.SessionBus would start a bus if there is none.
	conn, err := dbus.SessionBusPrivateNoAutoStartup()
	if err != nil {
		return nil
	}
	if conn.Auth(nil) != nil || conn.Hello() != nil {
		_ = conn.Close()
		return nil
	}
	return &secretBus{conn: conn, secrets: conn.Object("org.freedesktop.secrets", "/org/freedesktop/secrets")}
}

// isNoService reports whether err means that no Secret Service is on the bus and none can
// be started.
func isNoService(err error) bool {
	var answer dbus.Error
	return errors.As(err, &answer) && (answer.Name == "org.freedesktop.DBus.Error.ServiceUnknown" ||
		answer.Name == "org.freedesktop.DBus.Error.NameHasNoOwner")
}
