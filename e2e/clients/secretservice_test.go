//go:build e2e && linux

package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"docker-credential-cgr/e2e/testenv"
)

// Names of the Secret Service (freedesktop.org Secret Service API 0.2) and of
// what asks for passwords in GNOME.
const (
	secretsName    = "org.freedesktop.secrets"
	secretsPath    = dbus.ObjectPath("/org/freedesktop/secrets")
	secretsService = "org.freedesktop.Secret.Service"
	prompterName   = "org.gnome.keyring.SystemPrompter"
)

// busConfig makes a session bus that everybody may use who can reach it, and that
// starts no services by itself: none of the machine's own is to answer.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=%s</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

// startBus starts a session bus for the place's programs and connects to it.
func (p *fixture) startBus() *dbus.Conn {
	p.t.Helper()
	config, socket := p.path("bus.conf"), p.path("bus")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, socket), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.startService("", "dbus-daemon", "--nofork", "--nopidfile", "--config-file", config)
	p.set("DBUS_SESSION_BUS_ADDRESS=unix:path=" + socket)

	var conn *dbus.Conn
	p.await("the bus answers", func() (err error) {
		conn, err = dbus.Connect("unix:path=" + socket)
		return err
	})
	p.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// startKeyring starts GNOME's keyring on the bus, unlocked. stop ends it.
func (p *fixture) startKeyring(conn *dbus.Conn) (stop func()) {
	p.t.Helper()
	stop = p.startService("the keyring's password", "gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets",
		"--control-directory", p.path("run/keyring"))
	p.await("the keyring is unlocked", func() error {
		locked, err := keyringLocked(conn)
		if err == nil && locked {
			err = errors.New("it is locked")
		}
		return err
	})
	return stop
}

// busLimit bounds one call.
const busLimit = 10 * time.Second

// callSecrets calls a method of what keeps secrets on the bus.
func callSecrets(conn *dbus.Conn, path dbus.ObjectPath, method string, args ...any) *dbus.Call {
	ctx, cancel := context.WithTimeout(context.Background(), busLimit)
	defer cancel()
	return conn.Object(secretsName, path).CallWithContext(ctx, method, dbus.FlagNoAutoStart, args...)
}

// loginKeyring is where the keyring that opens with the user's session lies.
func loginKeyring(conn *dbus.Conn) (path dbus.ObjectPath, err error) {
	err = callSecrets(conn, secretsPath, secretsService+".ReadAlias", "default").Store(&path)
	if err == nil && path == "/" {
		err = errors.New("there is no default keyring")
	}
	return path, err
}

func keyringLocked(conn *dbus.Conn) (bool, error) {
	path, err := loginKeyring(conn)
	if err != nil {
		return false, err
	}
	var locked bool
	err = callSecrets(conn, path, "org.freedesktop.DBus.Properties.Get", "org.freedesktop.Secret.Collection", "Locked").Store(&locked)
	return locked, err
}

// lockKeyring locks it, as a screen saver may.
func (p *fixture) lockKeyring(conn *dbus.Conn) {
	p.t.Helper()
	path, err := loginKeyring(conn)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := callSecrets(conn, secretsPath, secretsService+".Lock", []dbus.ObjectPath{path}).Err; err != nil {
		p.t.Fatal(err)
	}
	p.await("the keyring is locked", func() error {
		locked, err := keyringLocked(conn)
		if err == nil && !locked {
			err = errors.New("it is unlocked")
		}
		return err
	})
}

// silentPrompter takes the place of what shows prompts. It shows none, and never
// says so.
type silentPrompter struct{ asked *atomic.Bool }

// BeginPrompting is its one method (GNOME's libgcr, org.gnome.keyring.Prompter).
func (s silentPrompter) BeginPrompting(dbus.ObjectPath) *dbus.Error {
	s.asked.Store(true)
	return nil
}

// startSilentPrompter starts one. asked says whether a prompt was wanted.
func startSilentPrompter(t *testing.T, bus *dbus.Conn) (asked func() bool) {
	t.Helper()
	prompter := silentPrompter{new(atomic.Bool)}
	if err := bus.Export(prompter, "/org/gnome/keyring/Prompter", "org.gnome.keyring.internal.Prompter"); err != nil {
		t.Fatal(err)
	}
	reply, err := bus.RequestName(prompterName, dbus.NameFlagDoNotQueue)
	if err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("%s: %v (%v)", prompterName, reply, err)
	}
	return prompter.asked.Load
}

// await waits until check returns nil.
func (p *fixture) await(what string, check func() error) {
	p.t.Helper()
	var err error
	for end := time.Now().Add(testenv.Timeout); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	p.t.Fatalf("timeout while waiting until %s: %v", what, err)
}

// startService starts a program that runs until the test ends, or until stop is
// called.
func (p *fixture) startService(input string, args ...string) (stop func()) {
	p.t.Helper()
	var said bytes.Buffer
	// Not the test's own context, which would kill it before it can tidy up.
	cmd := p.command(context.Background(), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &said, &said
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	since, stopped := time.Now(), false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Signal(syscall.SIGTERM)
		killer := time.AfterFunc(15*time.Second, func() { _ = cmd.Process.Kill() })
		defer killer.Stop()
		err := cmd.Wait()
		done := result{command: strings.Join(args, " "), stderr: said.String(), code: cmd.ProcessState.ExitCode(), took: time.Since(since)}
		p.results = append(p.results, done)
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			p.t.Errorf("%v: %s", err, done)
		}
		if p.t.Failed() {
			p.t.Log(done)
		}
	}
	p.t.Cleanup(stop)
	return stop
}
