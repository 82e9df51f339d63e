package e2e

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// keepsFresh is the command of kubernetes.md that renews the credential in the background.
const keepsFresh = "docker-credential-cgr login --refresh &\n"

// TestLoginRefresh runs "login --refresh" together with programs that use the stored tokens.
func TestLoginRefresh(t *testing.T) {
	bin := buildProgram(t)
	t.Run("a pod's token over two lives", func(t *testing.T) {
		t.Parallel()
		const life = 5 * time.Second
		m, r := newPod(t, bin)
		m.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime, b.IDTokenLifetime = life, life })
		k := m.keepFresh(r.variables())
		began, mounted := time.Now(), time.Now()
		testenv.Await(t, "two lives are over", func() bool {
			if time.Since(mounted) > life/3 { // the kubelet replaces it in time
				r.variables()
				mounted = time.Now()
			}
			return time.Since(began) > 2*life
		})
		k.endsWith(syscall.SIGTERM, 0)
		tokens := m.tokens(m.platform.Issuer)
		for i, next := range tokens[1:] {
			if next.IssuedAt.Time().After(tokens[i].Expiry.Time()) {
				t.Errorf("token %d was issued at %s, after the previous one expired at %s", i+2, next.IssuedAt.Time(), tokens[i].Expiry.Time())
			}
		}
		newest := tokens[len(tokens)-1]
		if newest.IssuedAt.Time().Before(began.Add(life)) || !m.keeps(newest.raw) {
			t.Errorf("the newest token was issued at %s (%s after the start); want a newer one, in the store", newest.IssuedAt.Time(), newest.IssuedAt.Time().Sub(began))
		}
		if len(tokens) > 8 {
			t.Errorf("got %d tokens in two lifetimes, want at most 8", len(tokens))
		}
		m.wantPulled(0)
	})

	t.Run("Ctrl-C", func(t *testing.T) {
		t.Parallel()
		m, r := newPod(t, bin)
		k := m.keepFresh(r.variables())
		testenv.Await(t, "it renews tokens", func() bool { return k.said("Renewing the tokens") > 0 })
		k.endsWith(os.Interrupt, 130)
	})

	t.Run("a session that ends", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t, bin)
		m.install()
		m.platform.Change(func(b *fakeplatform.Behavior) { b.AutoApprove, b.AccessLifetime = true, time.Second })
		k := m.keepFresh([]string{"CI="})
		testenv.Await(t, "it renews tokens", func() bool { return k.said("Renewing the tokens") > 0 })
		m.platform.RevokeSessions()
		k.endsWith(nil, 3)
		if k.said("hint: docker-credential-cgr login") == 0 {
			t.Errorf("the hint is missing:\n%s", k.log())
		}
		if got := m.windows(); got != 1 {
			t.Errorf("got %d sign-ins, want 1", got)
		}
	})

	t.Run("C20 a person's session, beside many who ask", func(t *testing.T) {
		t.Parallel()
		const processes = 20
		m := newMachine(t, bin)
		m.install()
		// Access tokens are too short to be used twice, and reuse of a refresh token ends the session.
		m.platform.Change(func(b *fakeplatform.Behavior) {
			b.AutoApprove, b.AccessLifetime, b.Reuse = true, time.Second, fakeplatform.ReuseRevokes
		})
		k := m.keepFresh([]string{"CI=", "CHAINGUARD_DEBUG=1"})
		testenv.Await(t, "it renews tokens", func() bool { return k.said("Renewing the tokens") > 0 })

		refreshed := k.said("refreshing at")
		testenv.Await(t, "it refreshed while others ran get", func() bool {
			m.getAtOnce(processes)
			return k.said("refreshing at") > refreshed
		})
		// The sign-in and each successful refresh return a refresh token. One may be on its way.
		testenv.Await(t, "no refresh was refused", func() bool {
			requests := m.platform.Count("sts.refresh")
			return m.refreshTokens() >= 1+requests
		})

		// From now on, the first process refreshes and all others use its token.
		had := m.refreshTokens()
		testenv.Await(t, "it refreshed again", func() bool { return m.refreshTokens() > had })
		m.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = time.Hour })
		before := m.platform.Count("sts.refresh")
		if answers := m.getAtOnce(processes); len(slices.Compact(answers)) != 1 {
			t.Error("concurrent processes got different tokens")
		}
		// Its next check is within a second. It prints nothing if the check was earlier.
		turn := time.Now().Add(2 * time.Second)
		testenv.Await(t, "it had its turn", func() bool { return k.said("is valid") > 0 || time.Now().After(turn) })
		k.endsWith(syscall.SIGTERM, 0)
		m.getAtOnce(1)
		if got := m.platform.Count("sts.refresh") - before; got != 1 {
			t.Errorf("got %d refreshes for all, want 1", got)
		}
		if got := m.windows(); got != 1 {
			t.Errorf("got %d sign-ins, want 1", got)
		}
		if leaks := m.leaks(); len(leaks) > 0 {
			t.Errorf("a secret is in %v", leaks)
		}
	})
}

// newPod returns the pod of kubernetes.md.
func newPod(t *testing.T, bin string) (*machine, *ciRun) {
	t.Helper()
	m := newMachine(t, bin)
	i := slices.IndexFunc(ciJobs, func(j ciJob) bool { return j.name == "Kubernetes" })
	if blocks := readBlocks(t, ciJobs[i].page); blocks[2].text != keepsFresh {
		t.Fatalf("%s runs %q, want %q", ciJobs[i].page, blocks[2].text, keepsFresh)
	}
	return m, m.prepare(ciJobs[i])
}

// keeper is a running "login --refresh".
type keeper struct {
	m   *machine
	cmd *exec.Cmd
}

func (m *machine) keepFresh(environ []string) *keeper {
	m.t.Helper()
	k := &keeper{m, m.command(environ, "bash", "-c", "exec "+strings.TrimSuffix(keepsFresh, "&\n"))}
	log, err := os.Create(m.path("keeper.log"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the child has its own
	k.cmd.Stdout, k.cmd.Stderr = log, log
	if err := k.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		_ = k.cmd.Process.Kill() // an error where it has ended
		_ = k.cmd.Wait()
	})
	return k
}

func (k *keeper) log() string {
	k.m.t.Helper()
	text, err := os.ReadFile(k.m.path("keeper.log"))
	if err != nil {
		k.m.t.Fatal(err)
	}
	return string(text)
}

// said returns how often a text is in its log.
func (k *keeper) said(text string) int { return strings.Count(k.log(), text) }

// endsWith sends a signal, if any, and checks the exit code.
func (k *keeper) endsWith(signal os.Signal, code int) {
	k.m.t.Helper()
	if signal != nil {
		if err := k.cmd.Process.Signal(signal); err != nil {
			k.m.t.Errorf("it has exited: %v", err)
		}
	}
	err := k.cmd.Wait()
	k.m.output += k.log()
	if got := k.cmd.ProcessState.ExitCode(); got != code {
		k.m.t.Errorf("got exit code %d (%v), want %d:\n%s", got, err, code, k.log())
	}
}

// getAtOnce runs n concurrent get commands and returns their output.
func (m *machine) getAtOnce(n int) []string {
	m.t.Helper()
	answers, errs := make([]string, n), make([]error, n)
	var clients sync.WaitGroup
	for i := range n {
		get := m.command([]string{"CI="}, filepath.Join(m.built, program.Name), "get")
		get.Stdin = strings.NewReader(m.platform.RegistryHost())
		clients.Go(func() {
			answer, err := get.Output()
			answers[i], errs[i] = string(answer), err
		})
	}
	clients.Wait()
	for i, err := range errs {
		if err != nil || !strings.Contains(answers[i], `"Username":"_token"`) {
			var exit *exec.ExitError
			errors.As(err, &exit)
			m.t.Fatalf("get: %v: %s", err, exit.Stderr)
		}
	}
	return answers
}

// refreshTokens returns how many refresh tokens were issued. All other secrets are JWTs.
func (m *machine) refreshTokens() (n int) {
	for _, secret := range m.platform.Issued() {
		if !strings.Contains(secret, ".") {
			n++
		}
	}
	return n
}

// keeps reports whether a secret is in the file store.
func (m *machine) keeps(secret string) (found bool) {
	store := filepath.Join(m.path("home"), m.store)
	err := filepath.WalkDir(store, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		found = found || strings.Contains(string(text), secret)
		return err
	})
	if err != nil {
		m.t.Error(err)
	}
	return found
}
