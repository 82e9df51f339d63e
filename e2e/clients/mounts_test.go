//go:build e2e && linux

package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRootBindMount has a configuration that is mounted by itself, as in a
// container that is given this one file: it cannot be replaced, and stays as it was.
func TestRootBindMount(t *testing.T) {
	const theirs = "{\"auths\": {},\n  \"HttpHeaders\": {\"Meta\": \"1e3\"}}\n"
	for name, mount := range map[string]string{
		"I33 mounted by itself": "",
		"I33 mounted read-only": "mount -o remount,ro,bind $CONFIG",
	} {
		t.Run(name, func(t *testing.T) {
			p := newMachine(t)
			p.mountsConfig(theirs)
			r, text := p.configuresInMounts(mount, "")
			if r.code != 1 || !strings.Contains(r.stderr, "it is a mount point") || !strings.Contains(r.stderr, "put this in by hand: ") {
				t.Errorf("want the reason and what to write by hand, got %s", r)
			}
			if text != theirs {
				t.Errorf("the file is %q now", text)
			}
			p.wantConfigAlone()
		})
	}
}

// TestRootReadOnlyHome has a home that nothing can be written to.
func TestRootReadOnlyHome(t *testing.T) {
	const mount = "mount --bind $HOME $HOME; mount -o remount,ro,bind $HOME; "
	t.Run("F12 with a configuration", func(t *testing.T) {
		p := newMachine(t)
		p.writeConfig(`{"auths": {}}`)
		p.wantRefusal(p.run("sh", "-ec", mount+"docker-credential-cgr configure-docker"), "read-only file system")
		if text, err := os.ReadFile(p.configFile()); string(text) != `{"auths": {}}` {
			t.Errorf("the file is %q now (%v)", text, err)
		}
		p.wantConfigAlone()
	})
	t.Run("F12 empty", func(t *testing.T) {
		p := newMachine(t)
		p.wantRefusal(p.run("sh", "-ec", mount+"docker-credential-cgr configure-docker"), "read-only file system")
	})
}

// mountsConfig has configuresInMounts mount a file with this text as Docker's
// configuration.
func (p *fixture) mountsConfig(text string) (file string) {
	p.t.Helper()
	p.writeConfig("{}") // to mount on
	file = p.path("mounted.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.set("FILE="+file, "CONFIG="+p.configFile(), "SEEN="+p.path("seen"))
	return file
}

// configuresInMounts runs configure-docker where the configuration is mounted,
// after the shell's commands more, and gives what it then holds.
func (p *fixture) configuresInMounts(more, flag string) (r result, text string) {
	p.t.Helper()
	r = p.run("sh", "-ec", fmt.Sprintf(`
		mount --bind $FILE $CONFIG
		%s
		code=0
		docker-credential-cgr configure-docker %s || code=$?
		cat $CONFIG >$SEEN
		exit $code`, more, flag))
	seen, err := os.ReadFile(p.environ["SEEN"])
	if err != nil {
		p.t.Fatalf("%v: %s", err, r)
	}
	return r, string(seen)
}

// wantRefusal checks that the command fails with one error, with what to write by hand as
// its hint, and does not sign in.
func (p *fixture) wantRefusal(r result, why string) {
	p.t.Helper()
	if r.code != 1 || r.stdout != "" || strings.Count(r.stderr, "\n") != 2 {
		p.t.Errorf("want an error and a hint, got %s", r)
	}
	for _, word := range []string{why, p.configFile(), fmt.Sprintf(`put this in by hand: "credHelpers": {"%s": "cgr"}`, p.host)} {
		if !strings.Contains(r.stderr, word) {
			p.t.Errorf("no word of %q: %s", word, r)
		}
	}
	p.wantCounts("refused", map[string]int{"windows": 0, "": 0})
}

// wantConfigAlone wants no file of ours beside Docker's.
func (p *fixture) wantConfigAlone() {
	p.t.Helper()
	found, err := filepath.Glob(filepath.Join(filepath.Dir(p.configFile()), "*"))
	hidden, hiddenErr := filepath.Glob(filepath.Join(filepath.Dir(p.configFile()), ".*"))
	if found = append(found, hidden...); len(found) != 1 || err != nil || hiddenErr != nil {
		p.t.Errorf("beside the configuration lie %q", found)
	}
}
