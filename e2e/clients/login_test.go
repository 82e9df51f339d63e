//go:build e2e && linux

package clients

import (
	"os"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
)

// TestDockerLogin stores a pull token through the helper, and erases it again.
func TestDockerLogin(t *testing.T) {
	c, p := docker, newPlaceFor(t, docker)
	user, token := p.platform.PullToken(time.Hour)
	r := p.must("docker", "login", "--username", user, "--password", token, p.host)
	if !strings.Contains(r.stdout, "Login Succeeded") {
		t.Errorf("no success: %s", r)
	}
	p.configHoldsNoSecret(user)
	c.pulls(p, privateImage)
	p.wantCounts("pull with a pull token", map[string]int{"windows": 0, "issuer": 0})

	p.must("docker", "logout", p.host)
	p.refusesPrivate(c)
	p.wantCounts("pull after docker logout", map[string]int{"windows": 0, "issuer": 0})
	// That erased what was stored, and not only the entry that points to it.
	if r := p.get(); r.code != 1 || !strings.Contains(r.stdout, "credentials not found in native keychain") {
		t.Errorf("get after docker logout: %s", r)
	}
	p.must("docker", "logout", p.host) // with nothing to do
}

// configHoldsNoSecret looks into Docker's configuration after a docker login.
func (p *fixture) configHoldsNoSecret(user string) {
	p.t.Helper()
	text, err := os.ReadFile(p.configFile())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, word := range []string{`"auth"`, "identitytoken", "password", user} {
		if strings.Contains(string(text), word) {
			p.t.Errorf("Docker's configuration holds %s:\n%s", word, text)
		}
	}
}

// TestDockerLoginSignsIn is `docker login HOST` by somebody who is not signed in: Docker
// asks the helper only if it was given no user name, and the sign-in is its login.
func TestDockerLoginSignsIn(t *testing.T) {
	c, p := docker, newPlaceFor(t, docker)
	p.signsInAlone()
	r := p.must("docker", "login", p.host)
	if !strings.Contains(r.stdout, "Login Succeeded") {
		t.Errorf("no success: %s", r)
	}
	p.wantCounts("docker login", map[string]int{"windows": 1, "signin": 1})
	p.configHoldsNoSecret("_token")
	c.pulls(p, privateImage)
	p.wantCounts("pull after docker login", map[string]int{"windows": 0, "issuer": 0})
}

// TestDockerLoginWithTheSession is `docker login HOST` by somebody who is signed
// in. Docker then stores what it got from the helper; a token that ends must not
// hide the session that goes on.
func TestDockerLoginWithTheSession(t *testing.T) {
	c, p := docker, newPlaceFor(t, docker)
	p.signsInWithAShortToken(c)
	p.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = 30 * time.Second })
	r := p.must("docker", "login", p.host)
	if !strings.Contains(r.stdout, "Login Succeeded") {
		t.Errorf("no success: %s", r)
	}
	p.configHoldsNoSecret("_token")
	p.wantCounts("docker login", map[string]int{"windows": 0, "signin": 0})

	p.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = time.Hour })
	c.pulls(p, privateImage)
	p.wantCounts("pull after docker login", map[string]int{"windows": 0, "signin": 0, "sts.refresh": 1})

	p.must("docker", "logout", p.host)
	p.set("CHAINGUARD_AUTH_AUTO_LOGIN=never")
	p.refusesPrivate(c)
}
