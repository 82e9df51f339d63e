//go:build unix

package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReadRefusesOpenFiles(t *testing.T) {
	for name, mode := range map[string]os.FileMode{"I20 group-writable": 0o620, "I20 world-writable": 0o602} {
		t.Run(name, func(t *testing.T) {
			path := settingsFile(t, "keychain: file\n")
			must(t, os.Chmod(path, mode))
			c, err := Read(Sources{Getenv: environment(nil), File: path})
			if err == nil || !strings.Contains(withHints(err), "chmod go-w "+path) {
				t.Errorf("got error %v, want the command that fixes it", err)
			}
			if c.Keychain != KeychainAuto {
				t.Errorf("got keychain %q, want what the file says unused", c.Keychain)
			}
			if err := Update(path, map[string]string{"keychain": "os"}); err == nil {
				t.Error("Update: got no error, want one")
			}
		})
	}
	path := settingsFile(t, "keychain: file\n")
	must(t, os.Chmod(path, 0o644))
	if _, err := Read(Sources{Getenv: environment(nil), File: path}); err != nil {
		t.Errorf("a file that others may read: got %v, want no error", err)
	}
}

func TestReadRefusesAnothersFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := settingsFile(t, "keychain: file\n")
	must(t, os.Chown(path, 12345, -1))
	_, err := Read(Sources{Getenv: environment(nil), File: path})
	if err == nil || !strings.Contains(err.Error(), "belongs to user 12345") {
		t.Errorf("I20 another user's file: got %v, want its owner named", err)
	}
	dir := t.TempDir()
	must(t, os.Chown(dir, 12345, -1))
	if err := Update(filepath.Join(dir, "a", "config.yaml"), map[string]string{"keychain": "os"}); err == nil || !strings.Contains(err.Error(), "belongs to user 12345") {
		t.Errorf("another user's folder: got %v, want its owner named", err)
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("got %v made in another user's folder", files)
	}
}

func TestReadDoesNotWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	must(t, syscall.Mkfifo(path, 0o600))
	for _, path := range []string{path, "/dev/zero"} {
		if _, err := Read(Sources{Getenv: environment(nil), File: path}); err == nil || !strings.Contains(err.Error(), path+" is not a regular file") {
			t.Errorf("I20 %s: got %v, want it refused", path, err)
		}
	}
}

// The HOME of a container may be a folder that its user cannot read.
func TestReadWithAnothersHome(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can look everywhere")
	}
	home := t.TempDir()
	must(t, os.Chmod(home, 0))
	t.Cleanup(func() { _ = os.Chmod(home, 0o700) })
	if _, err := Read(Sources{Getenv: environment(map[string]string{"HOME": home})}); err != nil {
		t.Errorf("F12 got %v, want no error", err)
	}
	must(t, os.Chmod(home, 0o700))
	path, _, _ := Sources{Getenv: environment(map[string]string{"HOME": home})}.path()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, nil, 0))
	if _, err := Read(Sources{Getenv: environment(map[string]string{"HOME": home})}); err == nil || !strings.Contains(err.Error(), "cannot read "+path) {
		t.Errorf("a file that cannot be read: got %v, want it named", err)
	}
}
