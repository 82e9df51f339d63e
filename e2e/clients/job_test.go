//go:build e2e && linux

package clients

import (
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
)

// TestJob is a job that has nothing but what GitHub Actions gives it: one command,
// and every client pulls, also when the tokens of that command have run out.
func TestJob(t *testing.T) {
	const subject = "repo:acme/shop:ref:refs/heads/main"
	eachOf(t, []client{docker, podman, skopeo}, func(t *testing.T, c client) {
		p := newMachine(t)
		p.prepareFor(c)
		identity := p.platform.WorkloadIdentity(subject, "registry.pull")
		p.set(p.platform.GitHubEnviron(subject)...)

		const life = 3 * time.Second
		p.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime, b.IDTokenLifetime = life, life })
		p.must("docker-credential-cgr", "configure-docker", "--identity", identity)
		end := time.Now().Add(life)
		p.wantCounts("configure-docker", map[string]int{"windows": 0, "ci.github": 1, "sts.exchange": 1})
		p.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime, b.IDTokenLifetime = 0, 0 })
		time.Sleep(time.Until(end))

		c.pulls(p, privateImage)
		p.wantCounts("pull after the tokens' end", map[string]int{"windows": 0, "ci.github": 1, "sts.exchange": 1, "issuer": 1})
		c.pulls(p, privateImage)
		p.wantCounts("next pull", map[string]int{"windows": 0, "ci": 0, "issuer": 0})
	})
}
