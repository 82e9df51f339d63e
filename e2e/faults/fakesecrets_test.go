//go:build e2e && linux

package faults

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"docker-credential-cgr/e2e/desktop"
	"docker-credential-cgr/e2e/program"
)

// Names of the Secret Service API that its client, go-keyring, calls.
const (
	collectionPath = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	itemPath       = "/org/freedesktop/secrets/collection/login/"
	noPrompt       = dbus.ObjectPath("/")
)

// fakeSecrets is a Secret Service that has one collection, never locked, and that
// lies or leaves as a test wants.
type fakeSecrets struct {
	address string

	mu     sync.Mutex
	conn   *dbus.Conn
	items  []fakeItem
	calls  []string // of the service, for what is read
	drops  bool     // takes what is to be kept, and keeps nothing
	leaves int      // after so many more sessions it leaves the bus in the middle of a call; -1: never
	stays  bool     // where it leaves, another one is there already
}

type fakeItem struct {
	attributes map[string]string
	value      []byte
}

type fakeSecret struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

func startFakeSecrets(t *testing.T, session *desktop.Session) *fakeSecrets {
	t.Helper()
	f := &fakeSecrets{address: session.Address(), leaves: -1, stays: true}
	if err := f.appear(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.disappear)
	return f
}

// appear takes the service's name on the bus, from the current owner.
func (f *fakeSecrets) appear() error {
	conn, err := dbus.Connect(f.address)
	if err != nil {
		return err
	}
	exports := []struct {
		what    any
		path    dbus.ObjectPath
		service string
	}{
		{fakeService{f}, desktop.SecretsPath, "org.freedesktop.Secret.Service"},
		{fakeProperties{}, desktop.SecretsPath, "org.freedesktop.DBus.Properties"},
		{fakeCollection{f}, collectionPath, "org.freedesktop.Secret.Collection"},
		{fakeSession{f}, "/org/freedesktop/secrets/session/s", "org.freedesktop.Secret.Session"},
	}
	for _, e := range exports {
		if err := conn.Export(e.what, e.path, e.service); err != nil {
			return err
		}
	}
	f.mu.Lock()
	for i := range f.items {
		_ = conn.Export(fakeItemObject{f, i}, dbus.ObjectPath(fmt.Sprint(itemPath, i)), "org.freedesktop.Secret.Item")
	}
	former := f.conn
	f.conn = conn
	f.mu.Unlock()
	reply, err := conn.RequestName(desktop.SecretsName, dbus.NameFlagAllowReplacement|dbus.NameFlagReplaceExisting)
	if err == nil && reply != dbus.RequestNameReplyPrimaryOwner {
		err = fmt.Errorf("the name is somebody else's (%v)", reply)
	}
	if former != nil {
		_ = former.Close()
	}
	return err
}

func (f *fakeSecrets) disappear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn != nil {
		_ = f.conn.Close()
	}
	f.conn = nil
}

type fakeService struct{ f *fakeSecrets }

func (s fakeService) OpenSession(string, dbus.Variant) (dbus.Variant, dbus.ObjectPath, *dbus.Error) {
	f := s.f
	f.mu.Lock()
	f.calls = append(f.calls, "OpenSession")
	leaves := f.leaves == 0
	f.leaves = max(f.leaves-1, -1)
	stays := f.stays
	f.mu.Unlock()
	if leaves && stays {
		_ = f.appear() // closes the connection that the answer would go to
	} else if leaves {
		f.disappear()
	}
	return dbus.MakeVariant(""), "/org/freedesktop/secrets/session/s", nil
}

func (s fakeService) Unlock(objects []dbus.ObjectPath) ([]dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	return objects, noPrompt, nil
}

func (s fakeService) SearchItems(attributes map[string]string) (unlocked, locked []dbus.ObjectPath, _ *dbus.Error) {
	s.f.mu.Lock()
	s.f.calls = append(s.f.calls, "SearchItems")
	s.f.mu.Unlock()
	unlocked, err := fakeCollection(s).SearchItems(attributes)
	return unlocked, []dbus.ObjectPath{}, err
}

func (s fakeService) GetSecrets(items []dbus.ObjectPath, session dbus.ObjectPath) (map[dbus.ObjectPath]fakeSecret, *dbus.Error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.f.calls = append(s.f.calls, "GetSecrets")
	secrets := map[dbus.ObjectPath]fakeSecret{}
	for i, item := range s.f.items {
		if path := dbus.ObjectPath(fmt.Sprint(itemPath, i)); slices.Contains(items, path) {
			secrets[path] = fakeSecret{session, []byte{}, item.value, "text/plain"}
		}
	}
	return secrets, nil
}

type fakeProperties struct{}

func (fakeProperties) Get(string, string) (dbus.Variant, *dbus.Error) {
	return dbus.MakeVariant([]dbus.ObjectPath{collectionPath}), nil
}

type fakeSession struct{ f *fakeSecrets }

func (fakeSession) Close() *dbus.Error { return nil }

type fakeCollection struct{ f *fakeSecrets }

func (c fakeCollection) SearchItems(attributes map[string]string) ([]dbus.ObjectPath, *dbus.Error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	for i, item := range c.f.items {
		if item.value != nil && maps.Equal(item.attributes, attributes) {
			return []dbus.ObjectPath{dbus.ObjectPath(fmt.Sprint(itemPath, i))}, nil
		}
	}
	return []dbus.ObjectPath{}, nil
}

func (c fakeCollection) CreateItem(properties map[string]dbus.Variant, secret fakeSecret, _ bool) (dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	attributes, _ := properties["org.freedesktop.Secret.Item.Attributes"].Value().(map[string]string)
	f := c.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.drops {
		return dbus.ObjectPath(itemPath + "none"), noPrompt, nil
	}
	for i, item := range f.items {
		if maps.Equal(item.attributes, attributes) {
			f.items[i].value = secret.Value
			return dbus.ObjectPath(fmt.Sprint(itemPath, i)), noPrompt, nil
		}
	}
	f.items = append(f.items, fakeItem{attributes, secret.Value})
	path := dbus.ObjectPath(fmt.Sprint(itemPath, len(f.items)-1))
	_ = f.conn.Export(fakeItemObject{f, len(f.items) - 1}, path, "org.freedesktop.Secret.Item")
	return path, noPrompt, nil
}

type fakeItemObject struct {
	f *fakeSecrets
	i int
}

func (o fakeItemObject) GetSecret(session dbus.ObjectPath) (fakeSecret, *dbus.Error) {
	o.f.mu.Lock()
	defer o.f.mu.Unlock()
	return fakeSecret{session, []byte{}, o.f.items[o.i].value, "text/plain"}, nil
}

func (o fakeItemObject) Delete() (dbus.ObjectPath, *dbus.Error) {
	o.f.mu.Lock()
	defer o.f.mu.Unlock()
	o.f.items[o.i].value = nil
	return noPrompt, nil
}

// newFake makes a place whose keyring is a fake one.
func newFake(t *testing.T) (*fixture, *fakeSecrets) {
	t.Helper()
	p, session := newBus(t)
	return p, startFakeSecrets(t, session)
}

// A keyring that goes away in the middle of a conversation and is there again at
// once: it is asked once more.
func TestF6_OneRetry(t *testing.T) {
	p, f := newFake(t)
	p.login()
	p.served(p.get())
	f.mu.Lock()
	f.leaves = 0
	f.mu.Unlock()
	p.served(p.get())
	p.nothingWeaker()
}

// One that goes away for good in the middle of a conversation is an error, not a
// reason to take another store.
func TestF6_LeavesForGood(t *testing.T) {
	p, f := newFake(t)
	p.login()
	f.mu.Lock()
	f.leaves, f.stays = 0, false
	f.mu.Unlock()
	r := p.with(alwaysSignsIn).get()
	p.broken(r, "Secret Service")
	p.within(r, keychainLimit)
	p.nothingWeaker()
	if n := len(p.windows()); n != 1 {
		t.Errorf("got %d windows, want the login's", n)
	}
}

// A keyring that says yes and keeps nothing: the token is given all the same,
// what was there stays, and who signs in is told that nothing was kept.
func TestF7_DropsWrites(t *testing.T) {
	p, f := newFake(t)
	p.platform.Change(shortLife)
	p.login()
	p.platform.Change(longLife)
	f.mu.Lock()
	f.drops = true
	before := fmt.Sprint(f.items)
	f.mu.Unlock()
	r := p.get()
	p.served(r)
	if !strings.Contains(r.stderr, "Secret Service") || !strings.Contains(r.stderr, "another") {
		t.Errorf("it does not say what could not be kept: %s", r)
	}
	f.mu.Lock()
	if after := fmt.Sprint(f.items); after != before {
		t.Error("what was there has changed")
	}
	f.items = nil
	f.mu.Unlock()
	p.notKept(p.run("", program.Name, "login"), "Secret Service")
	r = p.run(`{"ServerURL":"`+p.host+`","Username":"org/id","Secret":"a pull token of nobody"}`, program.Name, "store")
	p.broken(r, "Secret Service", "had none")
	p.nothingWeaker()
}

// GNOME's keyring can abort where a connection's first call is OpenSession.
func TestSecretIsSearchedBeforeASessionIsOpened(t *testing.T) {
	p, f := newFake(t)
	p.login()
	p.served(p.get())
	f.mu.Lock()
	f.calls = nil
	f.mu.Unlock()
	p.served(p.get())
	f.mu.Lock()
	defer f.mu.Unlock()
	if want := []string{"SearchItems", "OpenSession", "GetSecrets"}; !slices.Equal(f.calls, want) {
		t.Errorf("got the calls %v, want %v", f.calls, want)
	}
}
