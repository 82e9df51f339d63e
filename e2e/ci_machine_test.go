package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// machine has the home directories, programs and platform of a CI job.
type machine struct {
	t        *testing.T
	platform *fakeplatform.Platform
	built    string   // the folder of the program, not in PATH
	dir      string   // has all other files
	store    string   // where a home may contain secrets; empty means nowhere
	environ  []string // of every program, without the variables of the CI system and its pipeline
	output   string   // of all scripts
	earlier  int      // how many secrets the platform had issued before the job
}

// newMachine returns a machine on which the program is not installed yet.
func newMachine(t *testing.T, built string) *machine {
	t.Helper()
	platform, err := fakeplatform.Start()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{
		t: t, platform: platform, built: built, dir: t.TempDir(),
		store: filepath.Join(".local", "state", program.Name) + string(filepath.Separator),
	}
	t.Cleanup(func() { _ = platform.Close() })
	for _, name := range []string{"administrator", "home", "root", "bin", "tools", "job", "runner", "helper"} {
		if err := os.Mkdir(m.path(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// These replace built-in settings, so sudo must keep them.
	settings := append(platform.Environ(), "CHAINGUARD_KEYCHAIN=file", "DBUS_SESSION_BUS_ADDRESS=",
		"GORACE=atexit_sleep_ms=0") // otherwise each exit takes a second with the race detector
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		settings = append(settings, "GOCOVERDIR="+dir)
	}
	// The last of these are GitHub's, for actions.
	path := strings.Join([]string{m.path("tools"), m.path("bin"), m.path("runner/docker-credential-cgr/bin"), os.Getenv("PATH")}, string(os.PathListSeparator))
	settings = append(settings, "GITHUB_ACTION_PATH="+program.Root(), "RUNNER_TEMP="+m.path("runner"), "GITHUB_PATH="+m.path("runner/path"))
	m.environ = append(settings, "PATH="+path, "HOME="+m.path("home"), "CI=true", "BROWSER=visit", "WINDOWS="+m.path("windows"))

	for _, name := range []string{"docker", "crane", "curl", "wget", "circleci", "buildkite-agent"} {
		m.addTool(name, "exec ci-tool "+name+` "$@"`)
	}
	m.addTool("az", "echo "+clusterIssuer)
	m.addTool("gcloud", "echo "+fakeplatform.GoogleSubject)
	// Like sudo with env_reset, its default: root's home and no variables of the job.
	m.addTool("sudo", `exec env -i SUDO_USER=ci USER=root HOME="`+m.path("root")+`" PATH="$PATH" `+strings.Join(settings, " ")+` "$@"`)
	return m
}

func (m *machine) path(name string) string { return filepath.Join(m.dir, name) }

func (m *machine) addTool(name, script string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.path("tools"), name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		m.t.Fatal(err)
	}
}

// serveRelease serves the installer and an archive with the program over HTTP, as a release has
// them, and returns the URL of the folder.
func (m *machine) serveRelease() string {
	m.t.Helper()
	binary, err := os.ReadFile(filepath.Join(m.built, program.Name))
	if err != nil {
		m.t.Fatal(err)
	}
	installer, err := os.ReadFile(filepath.Join(program.Root(), "install.sh"))
	if err != nil {
		m.t.Fatal(err)
	}
	var archive bytes.Buffer
	compressed := gzip.NewWriter(&archive)
	files := tar.NewWriter(compressed)
	err = files.WriteHeader(&tar.Header{Name: program.Name, Mode: 0o755, Size: int64(len(binary))})
	if err == nil {
		_, err = files.Write(binary)
	}
	if err := errors.Join(err, files.Close(), compressed.Close()); err != nil {
		m.t.Fatal(err)
	}
	name := fmt.Sprintf("%s_1.0.0_%s_%s.tar.gz", program.Name, runtime.GOOS, runtime.GOARCH)
	release := map[string]string{
		"/install.sh":    string(installer),
		"/" + name:       archive.String(),
		"/checksums.txt": fmt.Sprintf("%x  %s\n", sha256.Sum256(archive.Bytes()), name),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, found := release[r.URL.Path]
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, text)
	}))
	m.t.Cleanup(server.Close)
	return server.URL
}

// install puts the program into PATH.
func (m *machine) install() {
	m.t.Helper()
	if err := os.Symlink(filepath.Join(m.built, program.Name), filepath.Join(m.path("bin"), program.Name)); err != nil {
		m.t.Fatal(err)
	}
}

// command returns a command of the job.
func (m *machine) command(environ []string, name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(m.t.Context(), 2*testenv.Timeout)
	m.t.Cleanup(cancel)
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.WaitDelay = m.path("job"), time.Second
	c.Env = append(m.environ[:len(m.environ):len(m.environ)], environ...)
	return c
}

// run runs a script, appends its output to m.output and returns it. The output includes the
// commands, as in the logs of some systems, unless quiet is set.
func (m *machine) run(environ []string, quiet bool, script string) (string, error) {
	flags := "-eux"
	if quiet {
		flags = "-eu"
	}
	output, err := m.command(environ, "bash", flags, "-o", "pipefail", "-c", script).CombinedOutput()
	m.output += string(output)
	return string(output), err
}

// mustRun runs scripts and fails the test if one fails.
func (m *machine) mustRun(environ []string, quiet bool, scripts ...string) {
	m.t.Helper()
	for _, script := range scripts {
		if output, err := m.run(environ, quiet, script); err != nil {
			m.t.Fatalf("%v\n%s\nprinted:\n%s", err, script, output)
		}
	}
}

// asAdministrator runs a command with another home, as an owner of the organization who signs
// in for it, and returns its standard output.
func (m *machine) asAdministrator(command string) string {
	m.t.Helper()
	c := m.command([]string{
		"HOME=" + m.path("administrator"), "PATH=" + m.path("tools") + string(os.PathListSeparator) + m.built +
			string(os.PathListSeparator) + os.Getenv("PATH"), "CI=", "CHAINGUARD_AUTH_AUTO_LOGIN=always",
	}, "bash", "-euc", command)
	var stderr strings.Builder
	c.Stderr = &stderr
	output, err := c.Output()
	if err != nil {
		m.t.Fatalf("%v\n%s\nprinted:\n%s", err, command, stderr.String())
	}
	return strings.TrimSpace(string(output))
}

// leaks returns where issued secrets are: in the output, except for those that GitHub's runner
// masks, and in files outside of the store.
func (m *machine) leaks() (found []string) {
	secrets := m.platform.Issued()
	holds := func(text string) bool {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				return true
			}
		}
		return false
	}
	if holds(m.log()) {
		found = append(found, "what the job printed")
	}
	for _, folder := range []string{"home", "root", "job"} {
		err := filepath.WalkDir(m.path(folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() || m.store != "" && strings.Contains(path, m.store) {
				return err
			}
			text, err := os.ReadFile(path)
			if holds(string(text)) {
				found = append(found, path)
			}
			return err
		})
		if err != nil {
			m.t.Error(err)
		}
	}
	return found
}

// log returns the output as GitHub's runner logs it: values are masked from the mask command on.
func (m *machine) log() string {
	var log strings.Builder
	var masked []string
	for line := range strings.Lines(m.output) {
		if secret, ok := strings.CutPrefix(line, "::add-mask::"); ok {
			masked = append(masked, strings.TrimSuffix(secret, "\n"), "***")
			continue
		}
		log.WriteString(strings.NewReplacer(masked...).Replace(line))
	}
	return log.String()
}

// windows returns how many interactive sign-ins were started.
func (m *machine) windows() int { return m.platform.Count("oauth") + m.platform.Count("headless") }

// buildProgram builds the program for the tests of a job. It skips the test without a shell.
func buildProgram(t *testing.T) (binDir string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the pages' scripts are for Unix")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("bash is not installed")
	}
	binDir = t.TempDir()
	if _, err := program.Build(binDir); err != nil {
		t.Fatal(err)
	}
	return binDir
}

// digest returns the digest of the private image's tag.
func (m *machine) digest() string {
	records := m.platform.History(fakeplatform.Organization+"/python", "latest")
	return records[len(records)-1].Digest
}
