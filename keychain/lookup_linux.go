package keychain

import (
	"errors"
	"sync"

	"github.com/godbus/dbus/v5"
)

// secret is a secret as the Secret Service hands it over
// (https://specifications.freedesktop.org/secret-service-spec, section 5).
type secret struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

// lookup finds a secret that go-keyring has kept, in a third of the questions
// that go-keyring asks: it unlocks nothing and looks for no collection. It takes
// a plain hit alone; whatever else there is (nothing, several, something locked,
// a failure) is go-keyring's to tell apart. There says that a Secret Service was
// on the bus, whatever became of the question.
func lookup(service, name string) (value string, hit, there bool) {
	kept.Lock()
	defer kept.Unlock()
	b := kept.secretBus
	kept.secretBus = nil // until it has answered: a dead one is not asked again
	if b == nil {
		if b = dialSecrets(); b == nil {
			return "", false, false
		}
	}
	const of = "org.freedesktop.Secret.Service."
	// Not OpenSession first: GNOME's keyring can abort where that is a connection's
	// first call and many connect at once (its issues 190, 196 and 199). It only
	// fails a search there, and go-keyring asks again.
	var unlocked, locked []dbus.ObjectPath
	searched := map[string]string{"service": service, "username": name}
	if err := b.secrets.Call(of+"SearchItems", 0, searched).Store(&unlocked, &locked); err != nil {
		_ = b.conn.Close()
		return "", false, !nobodyThere(err)
	}
	if len(unlocked) != 1 || len(locked) != 0 {
		kept.secretBus = b
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
	kept.secretBus = b
	got, ok := values[unlocked[0]]
	return string(got.Value), ok, true
}

// secretBus is a connection to the Secret Service with a session.
type secretBus struct {
	conn    *dbus.Conn
	secrets dbus.BusObject
	session dbus.ObjectPath
}

// kept is the connection of the last look-up: a process that waits for another
// one's refresh looks up to four times.
var kept struct {
	sync.Mutex
	*secretBus
}

func dialSecrets() *secretBus {
	// Not the shared connection, which would start a bus where there is none.
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

// nobodyThere says whether err is the bus's word that no Secret Service is there
// and none can be started.
func nobodyThere(err error) bool {
	var answer dbus.Error
	return errors.As(err, &answer) && (answer.Name == "org.freedesktop.DBus.Error.ServiceUnknown" ||
		answer.Name == "org.freedesktop.DBus.Error.NameHasNoOwner")
}
