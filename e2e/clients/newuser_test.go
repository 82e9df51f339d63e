//go:build e2e && linux

package clients

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"docker-credential-cgr/e2e/fakeplatform"
)

// TestNewUser is somebody at their desktop, with nothing set up: one command, a
// sign-in on the page, and Docker pulls. Another command, and nothing of it is left.
func TestNewUser(t *testing.T) {
	p := newMachine(t)
	p.useDocker()
	p.set("CHAINGUARD_KEYCHAIN=") // the desktop's own
	p.startKeyring(p.startBus())
	nextAddress := p.takesAddresses()
	tab := p.openTab()
	screen := p.openTerminal()

	screen.types("docker-credential-cgr configure-docker")
	address := nextAddress()
	screen.shows(regexp.MustCompile(`sign in in your browser \(\d:\d\d left\)`))
	tab.do(chromedp.Navigate(address))
	tab.signIn(fakeplatform.Ada, "lovelace")
	if text := tab.text("main:has(.good)"); !strings.Contains(text, "signed in as "+fakeplatform.Ada) {
		t.Errorf("the last page says %q", text)
	}
	screen.succeeds("Updated auth config for "+p.host+" in "+p.configFile(), "Signed in as "+fakeplatform.Ada, "docker pull "+p.host)
	p.wantCounts("configure-docker", map[string]int{"oauth": 1, "signin": 1})

	p.pullsInTerminal(screen, "docker pull ")
	p.wantCounts("pull", map[string]int{"oauth": 0, "issuer": 0})
	screen.runs("docker-credential-cgr status", fakeplatform.Ada, p.host)
	p.wantCounts("status", map[string]int{"oauth": 0, "signin": 0})
	screen.runs("docker-credential-cgr configure-docker --remove")
	if _, err := os.Lstat(p.configFile()); !os.IsNotExist(err) {
		t.Errorf("the file that configure-docker made is still there (%v)", err)
	}

	// Who has a file of their own has it back as it was.
	const own = "{ \"auths\" : {},\r\n\t\"credHelpers\":{\"gcr.io\": \"gcloud\"}, \"detachKeys\":\"ctrl-e,e\" }"
	p.writeConfig(own)
	screen.runs("docker-credential-cgr configure-docker", "Already signed in")
	p.pullsInTerminal(screen, "docker pull ")
	screen.runs("docker-credential-cgr configure-docker --remove")
	if text, err := os.ReadFile(p.configFile()); string(text) != own {
		t.Errorf("after --remove the file is %q (%v), want %q", text, err, own)
	}
	p.wantCounts("the second time", map[string]int{"oauth": 0, "issuer": 0})
}

// pullsInTerminal types a command that pulls, with the private image behind it,
// which has to arrive at the tests' daemon.
func (p *fixture) pullsInTerminal(screen *terminal, command string) {
	p.t.Helper()
	screen.runs(command + p.host + "/" + privateImage)
	to := p.path("tmp/image")
	docker.arrived(p, privateImage, to)
	if err := os.Remove(to); err != nil {
		p.t.Fatal(err)
	}
}
