package doctor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/keychain"
)

func TestStore(t *testing.T) {
	t.Run("P10 it comes back, and nothing stays", func(t *testing.T) {
		p := newChecker(t)
		want(t, only(t, p.checkStore(), "store"), OK, "file store "+p.Home, "")
		left, err := filepath.Glob(filepath.Join(p.Home, ".local", "state", name, "*"))
		if err != nil || len(left) != 0 {
			t.Errorf("got %v, %v left, want nothing", left, err)
		}
	})
	t.Run("I42 open to others", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			t.Skip("access control lists decide there")
		}
		p := newChecker(t)
		dir := filepath.Join(p.Home, ".local", "state", name)
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, 0o777)); err != nil {
			t.Fatal(err)
		}
		want(t, only(t, p.checkStore(), "store"), Failure, dir+" is open to other users (mode 0777)", "see who changed it, then run: chmod 700 "+dir)
	})
	t.Run("nothing is stored", func(t *testing.T) {
		p := newChecker(t)
		p.Session = session(t, p, keychain.None)
		want(t, only(t, p.checkStore(), "store"), Warning, "nothing is stored", "docker-credential-cgr config unset keychain")
		p.Config.Identity = "0123456789012345678901234567890123456789"
		want(t, only(t, p.checkStore(), "store"), OK, "nothing is stored", "")
	})
	t.Run("F12 nowhere to write", func(t *testing.T) {
		p := newChecker(t)
		t.Setenv("XDG_STATE_HOME", filepath.Join(p.Home, "file"))
		if err := os.WriteFile(filepath.Join(p.Home, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		p.Session = session(t, p, keychain.File)
		want(t, only(t, p.checkStore(), "store"), Failure, "cannot write to the file store", "set HOME (or XDG_STATE_HOME) to a directory that you can write to")
	})
}

// F2, F4: a keychain that never answers is named as locked, and no other is taken.
func TestStoreSilent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no bus to be silent")
	}
	p := newChecker(t)
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+path)
	p.Session = session(t, p, keychain.Auto)
	want(t, only(t, p.checkStore(), "store"), Failure, "the Secret Service: no answer within", "unlock the keychain")
}

func TestStoreFailure(t *testing.T) {
	locked := &keychain.Error{Store: "Secret Service", Do: "read", Err: hint.With(errors.New("failed to unlock"), hint.Text("unlock the keychain"))}
	broken := &keychain.Error{Store: "kernel keyring", Do: "write to", Err: errors.New("quota exceeded")}
	linked := &keychain.Error{Store: "file store /x", Do: "read", Err: hint.With(fmt.Errorf("%w: /x is not a folder (a link is not followed)", keychain.ErrNotPrivate), hint.Text("remove it"))}
	homeless := hint.With(fmt.Errorf("%w: user 1234 has no home directory", keychain.ErrNoStore), hint.Text("set HOME or XDG_STATE_HOME"))
	for _, test := range []struct {
		name, kind   string
		err          error
		message, fix string
	}{
		{"F1 locked", config.KeychainAuto, locked, "cannot read the Secret Service: failed to unlock", "unlock the keychain"},
		{"F10 broken", config.KeychainKernel, broken, "cannot write to the kernel keyring: quota exceeded", "config set keychain file"},
		{"broken, and chosen by itself", config.KeychainAuto, broken, "quota exceeded", "set HOME"},
		{"I24 no place", config.KeychainFile, homeless, "nothing can be stored: user 1234 has no home directory", "set HOME or XDG_STATE_HOME"},
		{"I42 a link", config.KeychainFile, linked, "/x is not a folder (a link is not followed)", "remove it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := Checker{Config: config.Config{Keychain: test.kind}}
			want(t, p.storeFailure(test.err), Failure, test.message, test.fix)
		})
	}
	t.Run("a machine's own identity needs no place", func(t *testing.T) {
		p := Checker{Config: config.Config{Identity: "0123456789012345678901234567890123456789"}}
		want(t, p.storeFailure(homeless), Warning, "each command requests a new token", "set HOME or XDG_STATE_HOME")
	})
}

func TestDescribeStore(t *testing.T) {
	want(t, describeStore("Secret Service", "", false), OK, "secrets are stored in the Secret Service", "")
	want(t, describeStore("kernel keyring", "no Secret Service: there is no bus", true), OK, "kernel keyring (there is no Secret Service: there is no bus), which is in memory", "")
	want(t, describeStore("file store /x", "", false), OK, "file store /x", "")
	t.Run("P9 a weaker one is named", func(t *testing.T) {
		want(t, describeStore("file store /x", "no Secret Service: none; no kernel keyring: none", false), Warning,
			"file store /x (there is no Secret Service: none; no kernel keyring: none)", "docker-credential-cgr config set keychain file")
	})
}
