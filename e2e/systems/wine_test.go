//go:build e2e && linux

package systems

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// wine64 is not in PATH on Debian; the script that is needs 32-bit Wine too.
const wine64 = "/usr/lib/wine/wine64"

// wine is a Windows of a test.
type wine struct {
	environ testenv.Environ
	home    string // %USERPROFILE%
	local   string // %LocalAppData%
}

func newWine(t *testing.T) *wine {
	t.Helper()
	if _, err := os.Stat(wine64); err != nil {
		t.Skip("wine64 is not installed: run sh e2e/systems/install.sh")
	}
	const compiler = "x86_64-w64-mingw32-gcc"
	require(t, compiler)

	dir := t.TempDir()
	prefix := filepath.Join(dir, "prefix")
	w := &wine{environ: testenv.Environ{
		"HOME": dir, "PATH": os.Getenv("PATH"), "WINEPREFIX": prefix, "WINEDEBUG": "-all",
		// No questions about .NET and HTML, and no menu entries.
		"WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=",
	}}
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = w.environ.List()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	t.Cleanup(func() { // ends the processes of this prefix
		cmd := exec.Command("/usr/lib/wine/wineserver", "-k", "-w")
		cmd.Env = w.environ.List()
		_ = cmd.Run()
	})
	run(wine64, "wineboot", "--init")
	run(compiler, "-Wall", "-shared", "-O2", "-s", "-o", filepath.Join(prefix, "drive_c/windows/system32/bcryptprimitives.dll"),
		"testdata/bcryptprimitives.c", "-ladvapi32")
	homes, err := filepath.Glob(filepath.Join(prefix, "drive_c/users/*/AppData/Local"))
	for _, local := range homes {
		if !strings.Contains(local, "/Public/") {
			w.local, w.home = local, filepath.Dir(filepath.Dir(local))
		}
	}
	if w.local == "" {
		t.Fatalf("got no home in %q, %v", homes, err)
	}
	return w
}

func (w *wine) command(ctx context.Context, binary string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, wine64, append([]string{binary}, args...)...)
}

// stored returns what is in %LocalAppData%.
func (w *wine) stored(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir(w.local)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return strings.Join(names, " ")
}

// unitTested are the packages whose tests run on Windows: those that store, lock, write or start something.
var unitTested = []string{
	"atomicfile", "config", "dockerconfig", "helper", "hint", "keychain", "pin", "references", "signin/openurl", "state", "token/store",
}

func TestWindows(t *testing.T) {
	w := newWine(t)
	t.Run("unit tests", func(t *testing.T) {
		before := w.stored(t)
		for _, name := range unitTested {
			t.Run(name, func(t *testing.T) { w.testPackage(t, name) })
		}
		if after := w.stored(t); after != before {
			t.Errorf("the tests have written to the user's folder: got %s, want %s", after, before)
		}
	})

	binary := build(t, "windows", "amd64")
	fixtureOf := func(t *testing.T, settings ...string) *fixture {
		f := newFixture(t, func(ctx context.Context, args ...string) *exec.Cmd { return w.command(ctx, binary, args...) }, settings...)
		for name, value := range w.environ {
			f.environ[name] = value
		}
		return f
	}
	for _, kind := range []string{"os", "file"} {
		t.Run("keychain "+kind, func(t *testing.T) {
			f := fixtureOf(t, "CHAINGUARD_KEYCHAIN="+kind)
			f.succeed(program.Name, "", "version")
			f.wantForeign()
			f.wantSignedOut()
			f.wantPullToken()
			f.wantRefresh()
			f.wantOneRefresh()
			f.succeed("", "", "logout")
			f.wantSignedOut()
			secrets, err := filepath.Glob(filepath.Join(w.local, program.Name, "*.json"))
			if err != nil || len(secrets) != 0 {
				t.Errorf("got the files %v, %v, want none after a logout", secrets, err)
			}
		})
	}
	t.Run("configure-docker", func(t *testing.T) {
		f := fixtureOf(t)
		file := filepath.Join(w.home, ".docker", "config.json")
		f.succeed("Updated auth config", "", "configure-docker", "--no-login")
		text, err := os.ReadFile(file)
		if want := `"` + f.platform.RegistryHost() + `": "cgr"`; err != nil || !strings.Contains(string(text), want) {
			t.Errorf("got %s, %v, want %s in it", text, err, want)
		}
		f.succeed("Removed", "", "configure-docker", "--remove")
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("got %v, want no file", err)
		}
	})
	t.Run("PowerShell", func(t *testing.T) {
		f := fixtureOf(t, "CHAINGUARD_KEYCHAIN=nonsense")
		const hint = "hint: Remove-Item Env:CHAINGUARD_KEYCHAIN, or correct it"
		if r := f.run("", "status"); r.code == 0 || !strings.Contains(r.err, hint) {
			t.Errorf("status: got %v, want %q", r, hint)
		}
		f.environ.Set("CHAINGUARD_KEYCHAIN=file")
		f.signIn()
		f.succeed("$env:CHAINGUARD_TOKEN = 'eyJ", "", "pull-token", "create", "-o", "env")
		f.succeed("", "", "logout")
	})
	t.Run("images pin", func(t *testing.T) {
		dir := t.TempDir()
		f := fixtureOf(t)
		f.command = func(ctx context.Context, args ...string) *exec.Cmd {
			cmd := w.command(ctx, binary, args...)
			cmd.Dir = dir
			return cmd
		}
		image := f.platform.RegistryHost() + "/chainguard/python:latest"
		file := filepath.Join(dir, "app", "Dockerfile")
		if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("FROM "+image+"\r\nUSER 1\r\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		f.succeed(`.\app\Dockerfile:1: `+image+" -> sha256:", "", "images", "pin", ".")
		text, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(text), "FROM "+image+"@sha256:") || !strings.HasSuffix(string(text), "\r\nUSER 1\r\n") {
			t.Errorf("got %q, %v, want the image pinned and the line ends as before", text, err)
		}
		f.succeed("", "", "images", "pin", "--check", ".")
	})
}

// testPackage runs the unit tests of a package on Windows.
func (w *wine) testPackage(t *testing.T, name string) {
	dir := filepath.Join(program.Root(), name)
	binary := filepath.Join(t.TempDir(), "test.exe")
	compile := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", binary, ".")
	compile.Dir = dir
	compile.Env = append(os.Environ(), "GOWORK=off", "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	test := w.command(t.Context(), binary, "-test.short", "-test.v", "-test.timeout=3m")
	test.Dir = dir
	// The contract of package keychain writes to this Windows' Credential Manager only.
	test.Env = w.environ.With("KEYCHAIN_CONTRACT_OS=1").List()
	out, err := test.CombinedOutput()
	t.Logf("%s", out) // .ci/run lists what was skipped, and why
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("got %v, want that the tests pass", err)
	}
}

// wantOneRefresh checks that of two processes with an expired token, one waits for the refresh of the other.
func (f *fixture) wantOneRefresh() {
	f.t.Helper()
	f.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = time.Second }) // has expired at once
	f.succeed("", "", "logout")
	f.signIn()
	f.platform.ResetCounts()
	f.platform.Change(func(b *fakeplatform.Behavior) {
		b.AccessLifetime = time.Hour
		b.Latency["sts.refresh"] = 5 * time.Second
	})
	first := f.start(f.platform.RegistryHost()+"\n", "get")
	testenv.Await(f.t, "the first process refreshes", func() bool { return f.platform.Count("sts.refresh") > 0 })
	second := f.run(f.platform.RegistryHost()+"\n", "get")
	if got := f.end(first); got.code != 0 || got.out != second.out {
		f.t.Errorf("got %v and %v, want the same token", got, second)
	}
	if n := f.platform.Count("sts.refresh"); n != 1 {
		f.t.Errorf("got %d refreshes, want 1", n)
	}
	f.platform.Change(func(b *fakeplatform.Behavior) { b.Latency["sts.refresh"] = 0 })
}
