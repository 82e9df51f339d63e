package openurl

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"docker-credential-cgr/keychain"
)

// TestMain lets the test program be the child that opens a browser, as the
// program itself is.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == Verb {
		if Open(os.Args[2]) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// script writes an executable that keeps its arguments in a file.
func script(t *testing.T, dir, name, body string) (path string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the browsers of these tests are shell scripts")
	}
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpen(t *testing.T) {
	const target = "https://issuer.example/oauth?a=$(id)&b='\";x"
	dir := t.TempDir()
	note := filepath.Join(dir, "note")
	good := script(t, dir, "good", `printf '%s' "$*" >"`+note+`"`)
	files := filepath.Join(dir, "Program Files", "x (x86)")
	if err := os.MkdirAll(files, 0o700); err != nil {
		t.Fatal(err)
	}
	blanks := script(t, files, "good.exe", `printf '%s' "$*" >"`+note+`"`)
	apostrophe := script(t, dir, "o'brien", `printf '%s' "$*" >"`+note+`"`)
	bad := script(t, dir, "bad", "exit 1")
	text := script(t, dir, "w3m", `printf 'text browser' >"`+note+`"`)
	tests := []struct {
		name, browser, target, want string // want "": an error
	}{
		{"I25 one", good, target, target},
		{"I25 one with an argument", good + " -x", target, "-x " + target},
		{"I25 a path with blanks", blanks, target, target},
		{"I25 a path with blanks in quotes, with an argument", "'" + blanks + "' -x", target, "-x " + target},
		{"I25 a path with blanks behind backslashes", strings.ReplaceAll(blanks, " ", `\ `) + " -x %s", target, "-x " + target},
		{"I25 an apostrophe in a path", apostrophe, target, target},
		{"I25 the next where one has an open quote", `"` + good + ":" + good, target, target},
		{"I25 an open quote", `"` + good, target, ""},
		{"I25 the next where one fails", bad + ":" + good, target, target},
		{"I25 the next where one is missing", dir + "/missing:" + good, target, target},
		{"I25 the next where one is empty", ": :" + good, target, target},
		{"I25 the next where one needs a terminal", text + ":" + good, target, target},
		{"I25 a text browser alone", text, target, ""},
		{"F22 one that fails", bad, target, ""},
		{"F22 one that is missing", dir + "/missing", target, ""},
		{"F22 a list of nothing", ":", target, ""},
		{"F22 blanks", "  ", target, ""},
		{"I18 a file's address", good, "file:///etc/passwd", ""},
		{"I18 a script's address", good, "javascript:alert(1)", ""},
		{"I18 an option", good, "--version", ""},
		{"I18 no address", good, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_ = os.Remove(note) // there may be none
			t.Setenv("BROWSER", test.browser)
			err := Open(test.target)
			got, _ := os.ReadFile(note)
			if (err != nil) != (test.want == "") || string(got) != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestIsSecret(t *testing.T) {
	for entry, want := range map[string]bool{
		"CHAINGUARD_TOKEN=x": true, "CHAINGUARD_IDENTITY_ID=x": true, "chainguard_token=x": true, "ACTIONS_ID_TOKEN_REQUEST_TOKEN=x": true,
		"CIRCLE_OIDC_TOKEN=x": true, "CIRCLE_OIDC_TOKEN_V2=x": true, "BITBUCKET_STEP_OIDC_TOKEN=x": true, "BUILDKITE_AGENT_ACCESS_TOKEN=x": true,
		"MY_ID_TOKEN=x": true, "my_id_token=x": true,
		"PATH=/bin": false, "DISPLAY=:0": false, "HOME=CHAINGUARD_TOKEN": false, "MY_CHAINGUARD_TOKEN=x": false,
		"MY_ID_TOKENS=x": false, "BUILDKITE_BRANCH=x": false,
	} {
		if got := isSecret(entry, "MY_ID_TOKEN"); got != want {
			t.Errorf("S22 %s: got %v, want %v", entry, got, want)
		}
	}
	for _, entry := range []string{"PATH=/bin", `=C:=C:\`, ""} {
		if isSecret(entry, "") {
			t.Errorf("S22 %q is a secret where none is named, want it left", entry)
		}
	}
}

// The child that opens the browser has nothing of ours: not our streams, not our
// secrets, not our terminal, and does not keep us waiting.
func TestStartBrowser(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what a process holds is read from /proc")
	}
	dir := t.TempDir()
	note, release := filepath.Join(dir, "note"), filepath.Join(dir, "release")
	t.Setenv("BROWSER", script(t, dir, "browser", `
streams=$(for pid in $PPID $$; do for f in 0 1 2; do readlink /proc/$pid/fd/$f; done; done)
files=$(ls -l /proc/$PPID/fd /proc/$$/fd)
{ env; echo "streams" $streams; echo "$files"; echo "session $(cut -d' ' -f6 /proc/$$/stat)"; echo "argument $*"; } >"`+note+`.part"
mv "`+note+`.part" "`+note+`"
echo chatter; echo chatter >&2
while [ -e "`+note+`" ] && [ ! -e "`+release+`" ]; do sleep 0.01; done`)) // the folder goes with the test
	t.Setenv("CHAINGUARD_TOKEN", "hunter2-hunter2")
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "hunter3-hunter3")
	t.Setenv("MY_ID_TOKEN", "hunter4-hunter4")
	t.Setenv("HARMLESS", "stays")

	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("LOCALAPPDATA", t.TempDir())
	store, err := keychain.Open(keychain.File, "docker-credential-cgr", 0)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := store.TryLock("session-of-opener")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	var failures atomic.Int32
	if err := Start("https://issuer.example/x", "MY_ID_TOKEN", func() { failures.Add(1) }); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.WriteFile(release, nil, 0o600); err != nil {
			t.Error(err)
		}
	}()
	// It got here although the browser stays in front.
	waitFor(t, "the browser", func() bool { _, err := os.Stat(note); return err == nil })
	text, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	if strings.Contains(got, "hunter") {
		t.Errorf("S22 got %s, want no secret in the child's environment", got)
	}
	if !strings.Contains(got, "HARMLESS=stays\n") || !strings.Contains(got, "argument https://issuer.example/x\n") {
		t.Errorf("got %s, want the rest of the environment, and the address", got)
	}
	if want := "streams" + strings.Repeat(" /dev/null", 6) + "\n"; !strings.Contains(got, want) {
		t.Errorf("F23 got %s, want the null device for the streams of the child and of the browser", got)
	}
	if strings.Contains(got, "socket:") || strings.Contains(got, ".lock") {
		t.Errorf("C17 got %s, want neither a listener nor a lock in the child", got)
	}
	session, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got, "session "+strings.Fields(string(session))[5]+"\n") {
		t.Errorf("F23 got %s, want a session of its own", got)
	}
	if failures.Load() != 0 {
		t.Errorf("got %d failures, want none", failures.Load())
	}
}

func TestStartBrowserFails(t *testing.T) {
	t.Setenv("BROWSER", filepath.Join(t.TempDir(), "missing"))
	failed := make(chan struct{})
	if err := Start("https://issuer.example/x", "MY_ID_TOKEN", func() { close(failed) }); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "word that no browser could be opened", func() bool {
		select {
		case <-failed:
			return true
		default:
			return false
		}
	})
}

// waitFor waits until done says so.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
