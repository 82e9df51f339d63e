package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
)

// TestRefreshMemory refreshes the secrets of 500 namespaces, and measures the memory.
func TestRefreshMemory(t *testing.T) {
	binary, err := program.BuildFor(t.TempDir(), runtime.GOOS, runtime.GOARCH) // without the race detector
	if err != nil {
		t.Fatal(err)
	}
	platform, err := fakeplatform.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer platform.Close()
	const subject = "system:serviceaccount:ops:refresh-cgr-pull"
	platform.WorkloadIdentity(subject, "registry.pull")
	c := &fakeCluster{}
	for i := range 500 {
		c.names = append(c.names, fmt.Sprintf("ns-%d", i))
	}
	dir := t.TempDir()
	environ, stop, err := c.start(dir)
	defer stop()
	if err != nil {
		t.Fatal(err)
	}
	idToken := filepath.Join(dir, "id-token")
	if err := os.WriteFile(idToken, []byte(platform.IDToken(subject)), 0o600); err != nil {
		t.Fatal(err)
	}
	peak := filepath.Join(dir, "peak")
	if out, err := exec.Command("go", "build", "-o", peak, "bench/peak.go").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(peak, binary, "kubernetes", "refresh-secret", "cgr-pull", "--selector=pull=cgr", "--identity-token="+idToken, "--service-account-dir="+dir)
	cmd.Env = platform.Environ() // no HOME
	for name, value := range environ {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if c.requests != 1001 || platform.Count("sts.exchange") != 1 || platform.Count("") != 1 {
		t.Errorf("got %d requests to the cluster and %d to the platform, want 1001 and one exchange", c.requests, platform.Count(""))
	}
	const limit = 30 << 10 // KiB
	got, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || got > limit {
		t.Errorf("it used %d KiB (%v), want at most %d", got, err, limit)
	}
	t.Logf("500 namespaces: %d requests to the cluster, 1 exchange, %d KiB", c.requests, got)
}
