package doctor

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

func TestProgram(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the advice is a shell's, and links take rights that tests may not have")
	}
	dir := t.TempDir()
	make := func(path ...string) string {
		file := filepath.Join(append([]string{dir}, path...)...)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		return file
	}
	link := func(to string, path ...string) string {
		file := make(path...)
		if err := errors.Join(os.Remove(file), os.Symlink(to, file)); err != nil {
			t.Fatal(err)
		}
		return file
	}
	self, renamed, other := make("self", name), make("cgr helper"), make("other", name)
	toSelf, toChainctl := link(self, "bin", name), link(make("chainctl"), "chain", name)
	for _, test := range []struct {
		name, self, found string
		err               error
		status            Status
		message, fix      string
	}{
		{"found", self, self, nil, OK, self, ""},
		{"found by a link", self, toSelf, nil, OK, toSelf, ""},
		{"replaced while it ran", self + " (deleted)", self, nil, OK, self, ""},
		{"not in PATH", self, "", exec.ErrNotFound, Failure, "is not in PATH", "export PATH=" + filepath.Dir(self) + ":$PATH "},
		{"under another name", renamed, "", exec.ErrNotFound, Failure, "is not in PATH", "sudo install '" + renamed + "' /usr/local/bin/" + name},
		{"in the current folder alone", self, "./" + name, exec.ErrDot, Failure, "is not in PATH", "export PATH="},
		{"nobody knows where it is", "", "", exec.ErrNotFound, Failure, "is not in PATH", "put it into the first directory in PATH, under the name " + name},
		{"chainctl's link", self, toChainctl, nil, Failure, "Docker will run " + toChainctl + " (chainctl), not", "export PATH=" + filepath.Dir(self) + ":$PATH "},
		{"another program", self, other, nil, Failure, other + " (another program)", "or: sudo rm " + other},
		{"another program, and we have another name", renamed, other, nil, Failure, other, "sudo rm " + other + " && sudo install '" + renamed + "'"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Program(name, test.self, func(asked string) (string, error) {
				if asked != name {
					t.Errorf("got %q looked for, want %q", asked, name)
				}
				return test.found, test.err
			})
			want(t, got, test.status, test.message, test.fix)
		})
	}
}

// Apps get launchd's PATH, and not that of a shell.
func TestApps(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the advice is a shell's, and links take rights that tests may not have")
	}
	dir := t.TempDir()
	make := func(path ...string) string {
		file := filepath.Join(append([]string{dir}, path...)...)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o755)); err != nil {
			t.Fatal(err)
		}
		return file
	}
	brew := make("opt", "bin", name)
	linked, empty, other, system := filepath.Join(dir, "linked"), filepath.Join(dir, "empty"), filepath.Join(dir, "other"), filepath.Join(dir, "system")
	make("other", name)
	make("system", name)
	if err := errors.Join(os.Mkdir(linked, 0o755), os.Symlink(brew, filepath.Join(linked, name))); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, system string
		dirs         []string
		status       Status
		message, fix string
	}{
		{"linked", "darwin", []string{linked, empty}, OK, filepath.Join(linked, name), ""},
		{"installed there", "darwin", []string{empty, filepath.Dir(brew)}, OK, brew, ""},
		{"not there", "darwin", []string{empty}, Warning, "do not look in " + filepath.Dir(brew), "sudo ln -sf " + brew + " " + filepath.Join(empty, name)},
		{"another one there", "darwin", []string{other, linked}, Warning, "will run " + filepath.Join(other, name) + ", not " + brew,
			"sudo ln -sf " + brew + " " + filepath.Join(other, name)},
		{"another one elsewhere", "darwin", []string{empty, system}, Warning, "will run " + filepath.Join(system, name),
			"sudo rm " + filepath.Join(system, name) + " && sudo ln -sf " + brew + " " + filepath.Join(empty, name)},
		{"another system", "linux", []string{empty}, OK, "not checked", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			want(t, apps(test.system, name, func(string) (string, error) { return brew, nil }, test.dirs), test.status, test.message, test.fix)
		})
	}
	notFound := func(string) (string, error) { return "", exec.ErrNotFound }
	want(t, Apps("darwin", name, notFound), OK, "not checked", "")
	c := &Checker{Name: name, System: "darwin", Executable: brew, LookPath: func(string) (string, error) { return brew, nil }, Getenv: os.Getenv, EUID: -1}
	if results := c.checkProgram(); len(results) != 2 {
		t.Errorf("got %v, want the program and a warning about apps", results)
	}
}

func TestSudo(t *testing.T) {
	home := t.TempDir()
	sudo := func(who string) func(string) string { return getenv(map[string]string{"SUDO_USER": who}) }
	want(t, Sudo(sudo(""), 0, home), OK, "not run by sudo", "")
	want(t, Sudo(sudo("ada"), 1000, home), OK, "not run by sudo", "")
	want(t, Sudo(sudo("root"), 0, home), OK, "not run by sudo", "")
	want(t, Sudo(sudo("ada"), 0, filepath.Join(home, "none")), Warning, "this is for root's Docker", "for ada's own run it without sudo")
	if runtime.GOOS == "windows" {
		return
	}
	if os.Geteuid() == 0 { // else it is not root's anyway
		want(t, Sudo(sudo("ada"), 0, home), Warning, "this is for root's Docker", "for ada's own")
		if err := os.Chown(home, 12345, -1); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("I35 root with HOME of another user, without sudo", func(t *testing.T) {
		want(t, Sudo(sudo(""), 0, home), Failure, "run as root, but HOME is "+home, "set HOME to root's")
	})
	t.Run("I35 HOME of another user", func(t *testing.T) {
		want(t, Sudo(sudo("ada"), 0, home), Failure, "which is not root's", "run it without sudo for ada's own Docker, or with sudo -H for root's")
	})
}
