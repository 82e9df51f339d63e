//go:build linux

// Package desktop runs a private D-Bus session with GNOME's keyring for tests. It can lock, unlock
// and kill the keyring. It uses none of the machine's services.
package desktop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
)

// Names of the Secret Service (freedesktop.org Secret Service API 0.2).
const (
	SecretsName = "org.freedesktop.secrets"
	SecretsPath = dbus.ObjectPath("/org/freedesktop/secrets")

	secretsService = "org.freedesktop.Secret.Service"
	prompterName   = "org.gnome.keyring.SystemPrompter"
)

// Timeouts of a wait and of a D-Bus call.
const (
	waitLimit = 60 * time.Second
	callLimit = 10 * time.Second
)

// busConfig is the configuration of a session bus that every user can use and that starts no
// services.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=%s</listen>
  <policy context="default">
    <allow user="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

// A User is the user of the session's programs.
type User struct {
	UID int
	// Dir is a folder of the user for the session's files. Its path must be short enough for a
	// socket.
	Dir string
	// Environ is the environment of the session's programs, including HOME.
	Environ []string
}

// Session is a private D-Bus session.
type Session struct {
	// Conn is the test's connection to the bus.
	Conn *dbus.Conn

	user         User
	socket       string
	bus, keyring *exec.Cmd
}

// Start starts a session bus for a user. The caller must call Close.
func Start(user User) (_ *Session, err error) {
	s := &Session{user: user, socket: filepath.Join(user.Dir, "bus")}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	config := filepath.Join(user.Dir, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, s.socket), 0o644); err != nil {
		return nil, err
	}
	if s.bus, err = s.start("", "dbus-daemon", "--nofork", "--nopidfile", "--config-file", config); err != nil {
		return nil, err
	}
	err = await("the bus answers", func() (err error) {
		s.Conn, err = dbus.Connect("unix:path=" + s.socket)
		return err
	})
	return s, err
}

// Address returns the address of the bus, for DBUS_SESSION_BUS_ADDRESS.
func (s *Session) Address() string { return "unix:path=" + s.socket }

// StartKeyring starts GNOME's keyring on the bus, unlocked.
func (s *Session) StartKeyring() (err error) {
	s.keyring, err = s.start("the keyring's password", "gnome-keyring-daemon", "--foreground", "--unlock",
		"--components=secrets", "--control-directory", filepath.Join(s.user.Dir, "keyring"))
	if err != nil {
		return err
	}
	return await("the keyring is unlocked", func() error { return s.isLocked(false) })
}

// Lock locks the keyring.
func (s *Session) Lock() error {
	path, err := s.defaultKeyring()
	if err != nil {
		return err
	}
	if err := s.call(SecretsPath, secretsService+".Lock", []dbus.ObjectPath{path}).Err; err != nil {
		return err
	}
	return await("the keyring is locked", func() error { return s.isLocked(true) })
}

// KillKeyring kills the keyring's daemon with SIGKILL.
func (s *Session) KillKeyring() { kill(&s.keyring) }

// KillBus kills the bus. The keyring ends with it.
func (s *Session) KillBus() { kill(&s.bus) }

// Close ends the session. It may be called more than once.
func (s *Session) Close() {
	if s.Conn != nil {
		_ = s.Conn.Close() // the bus may be dead
	}
	s.KillKeyring()
	s.KillBus()
}

func kill(cmd **exec.Cmd) {
	if *cmd == nil {
		return
	}
	_ = (*cmd).Process.Kill()
	_ = (*cmd).Wait() // it was killed
	*cmd = nil
}

// start starts a program of the session.
func (s *Session) start(input string, args ...string) (*exec.Cmd, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = s.user.Dir
	cmd.Env = append(append([]string{}, s.user.Environ...), "XDG_RUNTIME_DIR="+s.user.Dir, "DBUS_SESSION_BUS_ADDRESS="+s.Address())
	cmd.Stdin = strings.NewReader(input)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if s.user.UID != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(s.user.UID), Gid: uint32(s.user.UID)}
	}
	return cmd, cmd.Start()
}

// call calls a method of the Secret Service.
func (s *Session) call(path dbus.ObjectPath, method string, args ...any) *dbus.Call {
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	return s.Conn.Object(SecretsName, path).CallWithContext(ctx, method, dbus.FlagNoAutoStart, args...)
}

// defaultKeyring returns the path of the default keyring.
func (s *Session) defaultKeyring() (path dbus.ObjectPath, err error) {
	err = s.call(SecretsPath, secretsService+".ReadAlias", "default").Store(&path)
	if err == nil && path == "/" {
		err = errors.New("there is no default keyring")
	}
	return path, err
}

func (s *Session) isLocked(want bool) error {
	path, err := s.defaultKeyring()
	if err != nil {
		return err
	}
	var locked bool
	err = s.call(path, "org.freedesktop.DBus.Properties.Get", "org.freedesktop.Secret.Collection", "Locked").Store(&locked)
	if err == nil && locked != want {
		err = fmt.Errorf("locked is %v", locked)
	}
	return err
}

// silentPrompter replaces GNOME's prompter. It shows no prompts and never responds.
type silentPrompter struct{ asked *atomic.Bool }

// BeginPrompting is the method of org.gnome.keyring.Prompter (GNOME's gcr).
func (s silentPrompter) BeginPrompting(dbus.ObjectPath) *dbus.Error {
	s.asked.Store(true)
	return nil
}

// PromptSilently replaces the prompter with one that never responds. asked reports whether a prompt
// was requested.
func (s *Session) PromptSilently() (asked func() bool, err error) {
	prompter := silentPrompter{new(atomic.Bool)}
	if err := s.Conn.Export(prompter, "/org/gnome/keyring/Prompter", "org.gnome.keyring.internal.Prompter"); err != nil {
		return nil, err
	}
	reply, err := s.Conn.RequestName(prompterName, dbus.NameFlagDoNotQueue)
	if err == nil && reply != dbus.RequestNameReplyPrimaryOwner {
		err = fmt.Errorf("%s has another owner", prompterName)
	}
	return prompter.asked.Load, err
}

// await waits until check returns nil.
func await(what string, check func() error) (err error) {
	for end := time.Now().Add(waitLimit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = check(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("timeout while waiting until %s: %w", what, err)
}
