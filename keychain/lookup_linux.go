package keychain

import (
	"errors"

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
	// Not the shared connection, which would start a bus where there is none.
	conn, err := dbus.SessionBusPrivateNoAutoStartup()
	if err != nil {
		return "", false, false
	}
	defer conn.Close()
	if conn.Auth(nil) != nil || conn.Hello() != nil {
		return "", false, false
	}
	const of = "org.freedesktop.Secret.Service."
	secrets := conn.Object("org.freedesktop.secrets", "/org/freedesktop/secrets")
	// Both at once: neither needs the other's answer.
	opened := secrets.Go(of+"OpenSession", 0, nil, "plain", dbus.MakeVariant(""))
	found := secrets.Go(of+"SearchItems", 0, nil, map[string]string{"service": service, "username": name})

	var output dbus.Variant
	var session dbus.ObjectPath
	if err := (<-opened.Done).Store(&output, &session); err != nil {
		return "", false, !nobodyThere(err)
	}
	var unlocked, locked []dbus.ObjectPath
	if (<-found.Done).Store(&unlocked, &locked) != nil || len(unlocked) != 1 || len(locked) != 0 {
		return "", false, true
	}
	var values map[dbus.ObjectPath]secret
	if secrets.Call(of+"GetSecrets", 0, unlocked, session).Store(&values) != nil {
		return "", false, true
	}
	got, ok := values[unlocked[0]]
	return string(got.Value), ok, true
}

// nobodyThere says whether err is the bus's word that no Secret Service is there
// and none can be started.
func nobodyThere(err error) bool {
	var answer dbus.Error
	return errors.As(err, &answer) && (answer.Name == "org.freedesktop.DBus.Error.ServiceUnknown" ||
		answer.Name == "org.freedesktop.DBus.Error.NameHasNoOwner")
}
