//go:build e2e && linux

package clients

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"docker-credential-cgr/e2e/fakebrowser"
	"docker-credential-cgr/e2e/fakeplatform"
)

// remoteUID is the user on the other side of SSH. Nobody else on the machine is.
const remoteUID = 62001

// headlessAddress is how the address of a headless sign-in stands on a terminal:
// whole, alone on its line.
var headlessAddress = regexp.MustCompile(`(?m)^(http://127\.0\.0\.1:\d+/oauth\?headless_code=[A-Za-z0-9_-]{43}) *$`)

// TestOverSSH has a person far away from the machine that pulls, which has no
// screen: the program finds out by itself, shows an address that is opened
// elsewhere, and needs no file for what it keeps.
func TestOverSSH(t *testing.T) {
	t.Run("configure-docker, in Chromium", func(t *testing.T) {
		p := newMachine(t)
		far := p.startSSH()
		tab := p.openTab()
		screen := p.openTerminal()

		screen.types(far + "docker-credential-cgr configure-docker")
		screen.shows(regexp.MustCompile("open this address only if you started this yourself:"))
		tab.do(chromedp.Navigate(screen.shows(headlessAddress)))
		tab.signIn(fakeplatform.Ada, "lovelace")
		screen.succeeds("Updated auth config for "+p.host+" in "+p.configFile(), "Signed in as "+fakeplatform.Ada, "Storage: kernel keyring")
		p.wantNoBrowser(screen)
		p.wantCounts("configure-docker", map[string]int{"oauth": 1, "signin": 1})

		// The next session over SSH has it.
		p.pullsInTerminal(screen, far+"docker pull ")
		p.wantCounts("pull", map[string]int{"issuer": 0})
		screen.runs(far+"docker-credential-cgr status", fakeplatform.Ada)
		screen.runs(far + "docker-credential-cgr logout")
		p.wantNoRecords()
	})

	t.Run("docker pull, on another device", func(t *testing.T) {
		p := newFixture(t)
		far := p.startSSH()
		screen := p.openTerminal()

		screen.types(far + "docker pull " + p.host + "/" + privateImage)
		if _, page, err := (fakebrowser.Person{}).Visit(screen.shows(headlessAddress)); err != nil {
			t.Fatalf("%v: %s", err, page)
		}
		screen.succeeds("Downloaded newer image for " + p.host + "/" + privateImage)
		p.wantNoBrowser(screen)
		p.wantCounts("pull", map[string]int{"oauth": 1, "signin": 1})
		docker.arrived(p, privateImage, p.path("tmp/image"))
		screen.runs(far + "docker-credential-cgr logout")
		p.wantNoRecords()
	})
}

func (p *fixture) wantNoBrowser(screen *terminal) {
	p.t.Helper()
	if text := screen.text(); strings.Contains(text, "in your browser") {
		p.t.Errorf("it tried to open a browser over SSH:\n%s", text)
	}
}

// startSSH starts a daemon that lets somebody in as an ordinary user, whose home
// is the place's and who may use Docker. It gives what to type before a command
// so that it runs there, with a terminal.
func (p *fixture) startSSH() (far string) {
	p.t.Helper()
	p.set("BROWSER=", "CHAINGUARD_KEYCHAIN=") // neither is set on such a machine
	p.lendDocker(remoteUID)
	p.must("chown", "-R", fmt.Sprint(remoteUID), p.home)
	if err := os.Chmod(p.dir, 0o711); err != nil {
		p.t.Fatal(err)
	}
	for _, key := range []string{"host-key", "key"} {
		p.must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", p.path(key))
	}
	port := p.freePort()
	p.writeLines("sshd_config",
		fmt.Sprintf("ListenAddress 127.0.0.1:%d", port),
		"HostKey "+p.path("host-key"),
		"AuthorizedKeysFile "+p.path("key.pub"),
		"StrictModes no", // everybody may write to the folder above the place
		"AuthenticationMethods publickey",
		"UsePAM no",
		"PidFile none",
		"SetEnv "+strings.Join(p.remoteSettings(), " "), // one line: the first counts
	)
	publicKey, err := os.ReadFile(p.path("host-key.pub"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.writeLines("known_hosts", fmt.Sprintf("[127.0.0.1]:%d %s", port, publicKey))
	p.writeLines("ssh_config",
		"Host far",
		"HostName 127.0.0.1",
		fmt.Sprintf("Port %d", port),
		"User ada",
		"IdentityFile "+p.path("key"),
		"IdentityAgent none",
		"IdentitiesOnly yes",
		"UserKnownHostsFile "+p.path("known_hosts"),
		"StrictHostKeyChecking yes",
		"LogLevel ERROR",
	)
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		p.t.Fatal(err)
	}
	// The user and the folder are those of the place's own /etc and /run.
	p.startService("", "sh", "-ec", `
		echo "ada:x:$1:$1::$2:/bin/sh" >>/etc/passwd
		mkdir -m 755 /run/sshd
		exec "$0" -D -e -f "$3"`, sshd, fmt.Sprint(remoteUID), p.home, p.path("sshd_config"))
	p.await("sshd answers", func() error {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return err
		}
		defer conn.Close()
		if n, err := conn.Read(make([]byte, 4)); n < 4 {
			return errors.Join(errors.New("it says nothing"), err)
		}
		return nil
	})
	return "ssh -tt -F " + p.path("ssh_config") + " far "
}

// remoteSettings are what the machine on the other side has in everybody's
// environment: where the platform, Docker and the programs are.
func (p *fixture) remoteSettings() []string {
	settings := []string{"PATH=" + p.environ["PATH"], "DOCKER_HOST=" + p.environ["DOCKER_HOST"], "GORACE=" + p.environ["GORACE"]}
	return append(settings, p.platform.Environ()...)
}

// freePort gives a port of 127.0.0.1 that the system picks, for a program that
// cannot have it pick one.
func (p *fixture) freePort() int {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// writeLines writes a file into the place's folder.
func (p *fixture) writeLines(name string, lines ...string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		p.t.Fatal(err)
	}
}
