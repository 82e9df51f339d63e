//go:build e2e && linux

package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDockerPlugin runs the program as `docker cgr`.
func TestDockerPlugin(t *testing.T) {
	p := newMachine(t)
	plugins := filepath.Join(p.home, ".docker", "cli-plugins")
	if err := os.MkdirAll(plugins, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(bin, "docker-credential-cgr"), filepath.Join(plugins, "docker-cgr")); err != nil {
		t.Fatal(err)
	}
	if r := p.must("docker", "--help"); !strings.Contains(r.stdout, "Sign in to the Chainguard registry") {
		t.Errorf("docker --help does not show the plugin: %s", r)
	}
	if r := p.run("docker", "cgr", "status"); r.code != 3 {
		t.Errorf("docker cgr status, signed out: %s", r)
	}
	p.must("docker", "cgr", "login")
	p.must("docker", "cgr", "status")
	p.wantCounts("docker cgr", map[string]int{"windows": 1})
}
