package keychain

import (
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
// a failure) is go-keyring's to tell apart.
func lookup(service, name string) (value string, hit bool) {
	// Not the shared connection, which would start a bus where there is none.
	conn, err := dbus.SessionBusPrivateNoAutoStartup()
	if err != nil {
		return "", false
	}
	defer conn.Close()
	if conn.Auth(nil) != nil || conn.Hello() != nil {
		return "", false
	}
	const of = "org.freedesktop.Secret.Service."
	secrets := conn.Object("org.freedesktop.secrets", "/org/freedesktop/secrets")
	// Both at once: neither needs the other's answer.
	opened := secrets.Go(of+"OpenSession", 0, nil, "plain", dbus.MakeVariant(""))
	found := secrets.Go(of+"SearchItems", 0, nil, map[string]string{"service": service, "username": name})

	var output dbus.Variant
	var session dbus.ObjectPath
	if (<-opened.Done).Store(&output, &session) != nil {
		return "", false
	}
	var unlocked, locked []dbus.ObjectPath
	if (<-found.Done).Store(&unlocked, &locked) != nil || len(unlocked) != 1 || len(locked) != 0 {
		return "", false
	}
	var values map[dbus.ObjectPath]secret
	if secrets.Call(of+"GetSecrets", 0, unlocked, session).Store(&values) != nil {
		return "", false
	}
	got, ok := values[unlocked[0]]
	return string(got.Value), ok
}
