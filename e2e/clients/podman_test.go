//go:build e2e && linux

package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPodmanConfiguration has no Docker: Podman and Skopeo ask the helper because
// their own file says so.
func TestPodmanConfiguration(t *testing.T) {
	eachOf(t, []client{podman, skopeo}, func(t *testing.T, c client) {
		p := newMachine(t)
		p.must("docker-credential-cgr", "configure-docker", "--podman", "--no-login")
		own := filepath.Join(p.home, ".config", "containers", "auth.json")
		if text, err := os.ReadFile(own); err != nil || !strings.Contains(string(text), `"`+p.host+`": "cgr"`) {
			t.Fatalf("%s is %q (%v)", own, text, err)
		}
		if err := os.RemoveAll(filepath.Dir(p.configFile())); err != nil {
			t.Fatal(err)
		}
		p.signsInAlone()
		c.pulls(p, privateImage)
		p.wantCounts("pull", map[string]int{"windows": 1, "signin": 1})

		p.must("docker-credential-cgr", "configure-docker", "--podman", "--remove")
		if _, err := os.Lstat(own); !os.IsNotExist(err) {
			t.Errorf("%s is still there (%v)", own, err)
		}
		if r, _ := c.tryPull(p, privateImage); r.code == 0 {
			t.Errorf("the helper is still asked: %s", r)
		}
	})
}

// TestPodmanShadow has a login of before in the file that lasts as long as the
// desktop's session. It goes before the helper, which the doctor tells.
func TestPodmanShadow(t *testing.T) {
	p := newMachine(t)
	user, token := p.platform.PullToken(time.Hour)
	p.start(token, podmanCommand(p, "login", "--tls-verify=false", "--username", user, "--password-stdin", p.host)...).wait()
	p.must("docker-credential-cgr", "configure-docker", "--podman", "--no-login")
	p.signsInAlone()
	for _, c := range []client{podman, skopeo} {
		c.pulls(p, privateImage)
		p.wantCounts(c.name+" with the login", map[string]int{"windows": 0, "issuer": 0})
	}
	shadow := filepath.Join(p.environ["XDG_RUNTIME_DIR"], "containers", "auth.json")
	if r := p.run("docker-credential-cgr", "doctor"); r.code != 1 || !strings.Contains(r.stdout, shadow) {
		t.Errorf("the doctor does not name %s: %s", shadow, r)
	}

	p.must(podmanCommand(p, "logout", p.host)...)
	if r := p.run("docker-credential-cgr", "doctor"); strings.Contains(r.stdout, shadow) {
		t.Errorf("the doctor still names %s: %s", shadow, r)
	}
	p.wantCounts("doctor", map[string]int{"windows": 0})
	podman.pulls(p, privateImage)
	p.wantCounts("without the login", map[string]int{"windows": 1, "signin": 1})
}
