//go:build e2e && linux

package clients

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// loginCommands log in with a password from standard input, by client.
var loginCommands = map[string]func(p *fixture, args ...string) []string{
	"podman": func(p *fixture, args ...string) []string { return podmanCommand(p, args...) },
	"skopeo": func(_ *fixture, args ...string) []string { return append([]string{"skopeo"}, args...) },
	"buildah": func(p *fixture, args ...string) []string {
		return append([]string{"buildah", "--root", p.path("podman/root"), "--runroot", p.path("podman/run"), "--storage-driver", "vfs"}, args...)
	},
}

// TestPodmanLogin: a login with a pull token asks the helper for a credential before it
// stores its own, and opens no window for that, whatever auth.auto-login says.
func TestPodmanLogin(t *testing.T) {
	for name, command := range loginCommands {
		t.Run(name+" with the helper's own file", func(t *testing.T) {
			p := newMachine(t)
			p.signsInAlone()
			authFile := p.path("auth.json")
			if err := os.WriteFile(authFile, fmt.Appendf(nil, `{"credHelpers": {%q: "cgr"}}`, p.host), 0o600); err != nil {
				t.Fatal(err)
			}
			user, token := p.platform.PullToken(time.Hour)
			login := command(p, "login", "--authfile", authFile, "--tls-verify=false", "--username", user, "--password-stdin", p.host)
			r := p.start(token, login...).wait()
			wantLogin(t, name, r)
			p.wantCounts("login", map[string]int{"windows": 0, "oauth": 0, "issuer": 0})
			// The file names the helper, which stores the credential then.
			if r := p.get(); r.code != 0 || !strings.Contains(r.stdout, user) {
				t.Errorf("got %s, want the pull token stored", r)
			}
			if text, err := os.ReadFile(authFile); err != nil || strings.Contains(string(text), token) {
				t.Errorf("got %s, %v, want no pull token in it", text, err)
			}
		})
		t.Run(name+" with Docker's configuration", func(t *testing.T) {
			p := newFixture(t)
			p.set("DOCKER_CONFIG=")
			p.signsInAlone()
			user, token := p.platform.PullToken(time.Hour)
			r := p.start(token, command(p, "login", "--tls-verify=false", "--username", user, "--password-stdin", p.host)...).wait()
			wantLogin(t, name, r)
			p.wantCounts("login", map[string]int{"windows": 0, "oauth": 0, "issuer": 0})
			// Its own file takes the credential, in clear text.
			p.must(command(p, "logout", p.host)...)
		})
	}
}

// wantLogin checks that a client logged in, and asked the helper before.
func wantLogin(t *testing.T, client string, r result) {
	t.Helper()
	if r.code != 0 || !strings.Contains(r.stdout, "Login Succeeded!") {
		t.Fatalf("got %s", r)
	}
	if !strings.Contains(r.stderr, "not signed in: "+client+" login is about to store another credential") {
		t.Errorf("the helper was not asked, or says something else: %s", r)
	}
}

// TestPodmanPullStillSignsIn: only a login is told from other commands.
func TestPodmanPullStillSignsIn(t *testing.T) {
	p := newPlaceFor(t, podman)
	p.signsInAlone()
	podman.pulls(p, privateImage)
	p.wantCounts("pull", map[string]int{"windows": 1, "signin": 1})
}
