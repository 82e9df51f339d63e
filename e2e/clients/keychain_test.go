//go:build e2e && linux

package clients

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"docker-credential-cgr/e2e/program"
)

// TestSecretService keeps a session in GNOME's keyring: there it is, and in no
// file, which the search at the end of the test sees to.
func TestSecretService(t *testing.T) {
	p := newPlaceFor(t, docker)
	p.set("CHAINGUARD_KEYCHAIN=")
	p.signsInAlone()
	bus := p.startBus()
	stop := p.startKeyring(bus)

	docker.pulls(p, privateImage)
	p.wantCounts("first pull", map[string]int{"windows": 1, "signin": 1, "sts.refresh": 1})
	access := p.answer()
	kept := p.inKeyring()
	if !strings.Contains(kept, access) {
		t.Error("the access token is not in the keyring")
	}
	if refresh := p.lastRefreshToken(); !strings.Contains(kept, refresh) {
		t.Error("the refresh token is not in the keyring")
	}

	// With the next start of the desktop all of it is there.
	stop()
	p.startKeyring(bus)
	docker.pulls(p, privateImage)
	if again := p.answer(); again != access {
		t.Error("the keyring's next run gave another token")
	}
	p.wantCounts("pull after the keyring's next start", map[string]int{"windows": 0, "issuer": 0})

	p.must("docker", "logout", p.host)
	if kept := p.inKeyring(); kept != "" {
		t.Error("something is in the keyring after docker logout")
	}
}

// answer is the secret that `get` gives.
func (p *fixture) answer() string {
	p.t.Helper()
	r := p.get()
	var answer struct{ ServerURL, Username, Secret string }
	if err := json.Unmarshal([]byte(r.stdout), &answer); err != nil || r.code != 0 {
		p.t.Fatalf("no answer (%v): %s", err, r)
	}
	if answer.ServerURL != p.host || answer.Username != "_token" || answer.Secret == "" {
		p.t.Fatalf("an answer for %q with user %q, want %q and _token", answer.ServerURL, answer.Username, p.host)
	}
	return answer.Secret
}

// inKeyring is all that the program keeps in the keyring, as another program
// reads it.
func (p *fixture) inKeyring() string {
	p.t.Helper()
	return p.asks("", "secret-tool", "search", "--all", "service", program.Name).stdout
}

// lastRefreshToken is the one refresh token that is good.
func (p *fixture) lastRefreshToken() string {
	last := ""
	for _, secret := range p.platform.Issued() {
		if !strings.Contains(secret, ".") { // the others are JWTs
			last = secret
		}
	}
	return last
}

// TestLockedKeyring has a keyring that holds a session and is locked. That is an
// error that names the way out, soon; never "not found", with which a client
// would go on without a word; and never a reason to use a file instead.
func TestLockedKeyring(t *testing.T) {
	prompts := []struct {
		name     string
		prompter func(t *testing.T, bus *dbus.Conn) (asked func() bool)
	}{
		{"nobody shows the prompt", func(*testing.T, *dbus.Conn) func() bool { return func() bool { return true } }},
		{"nobody answers the prompt", startSilentPrompter},
	}
	for _, prompt := range prompts {
		for _, setting := range []string{"auto", "os"} {
			t.Run(prompt.name+", "+setting, func(t *testing.T) {
				p := newFixture(t)
				p.set("CHAINGUARD_KEYCHAIN=" + setting)
				p.signsInAlone()
				bus := p.startBus()
				p.startKeyring(bus)
				p.answer()
				p.wantCounts("sign-in", map[string]int{"windows": 1})
				p.lockKeyring(bus)
				asked := prompt.prompter(t, bus)

				r := p.get()
				p.wantKeychainError(r, "Secret Service", "unlock", "CHAINGUARD_KEYCHAIN=file")
				if r.took > 5*time.Second {
					t.Errorf("it took %s: %s", r.took, r)
				}
				if !asked() {
					t.Error("the keyring did not ask for its password")
				}
				if r, _ := crane.tryPull(p, privateImage); r.code == 0 || !strings.Contains(r.stderr, "unlock") {
					t.Errorf("a pull with a locked keyring does not tell of it: %s", r)
				}
				p.wantCounts("with a locked keyring", map[string]int{"windows": 0, "issuer": 0})
				p.wantNoRecords()
			})
		}
	}
}

// TestNoBus has no session bus, as in ssh or cron. The program says so, and
// starts none that would stay behind.
func TestNoBus(t *testing.T) {
	p := newFixture(t)
	p.set("CHAINGUARD_KEYCHAIN=os")
	p.signsInAlone()
	r := p.get()
	p.wantKeychainError(r, "there is no D-Bus session bus", "CHAINGUARD_KEYCHAIN=file")
	for _, left := range processes(p.dir, nil) {
		if strings.Contains(left.arguments, "dbus") {
			t.Errorf("it left behind %s", left)
		}
	}
	p.wantCounts("without a bus", map[string]int{"windows": 0, "issuer": 0})
	p.wantNoRecords()
}

// TestNoSecretService has a bus that nobody keeps secrets on.
func TestNoSecretService(t *testing.T) {
	p := newFixture(t)
	p.set("CHAINGUARD_KEYCHAIN=os")
	p.signsInAlone()
	p.startBus()
	p.wantKeychainError(p.get(), secretsName, "CHAINGUARD_KEYCHAIN=file")
	p.wantCounts("without a Secret Service", map[string]int{"windows": 0, "issuer": 0})
	p.wantNoRecords()
}

// wantKeychainError wants a failure in one line on standard output, where Docker's
// protocol has it, that is not "not found" and holds these words.
func (p *fixture) wantKeychainError(r result, words ...string) {
	p.t.Helper()
	if r.code != 1 || strings.Count(r.stdout, "\n") != 1 || strings.Contains(r.stdout, "credentials not found") {
		p.t.Errorf("no error of the keychain: %s", r)
	}
	for _, word := range words {
		if !strings.Contains(r.stdout, word) {
			p.t.Errorf("no word of %q: %s", word, r)
		}
	}
}

// wantNoRecords looks for a file store that nobody asked for.
func (p *fixture) wantNoRecords() {
	p.t.Helper()
	records, err := filepath.Glob(filepath.Join(p.home, ".local", "state", program.Name, "*.json"))
	if err != nil || records != nil {
		p.t.Errorf("a file store was made: %v (%v)", records, err)
	}
}

// TestKeychainContract runs the keychain's own tests, which every store has to
// pass, with GNOME's keyring.
func TestKeychainContract(t *testing.T) {
	p := newFixture(t)
	test := p.path("keychain.test")
	build := exec.Command("go", "test", "-c", "-o", test, "./keychain")
	build.Dir = program.Root()
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the tests of the keychain: %v\n%s", err, out)
	}
	p.startKeyring(p.startBus())
	p.set("KEYCHAIN_CONTRACT_OS=1")
	r := p.must(test, "-test.run", "Contract/T12 OS keychain", "-test.v")
	if !strings.Contains(r.stdout, "--- PASS: TestContract/") || strings.Contains(r.stdout, "--- SKIP") {
		t.Errorf("the contract was not tested: %s", r)
	}
}
