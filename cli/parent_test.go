package cli

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestLoginCommand(t *testing.T) {
	for command, want := range map[string]string{
		"podman login cgr.dev":                                      "podman login",
		"/usr/bin/podman login --username u --password-stdin":       "podman login",
		"podman --log-level debug --root=/x --syslog login cgr.dev": "podman login",
		"podman-remote --url ssh://x login cgr.dev":                 "podman-remote login",
		"skopeo login cgr.dev":                                      "skopeo login",
		"skopeo --debug login cgr.dev":                              "skopeo login",
		"buildah login cgr.dev":                                     "buildah login",

		"podman pull cgr.dev/org/login":           "",
		"podman pull login":                       "",
		"podman run --rm cgr.dev/org/image login": "",
		"podman --remote=true run image login":    "",
		"podman logout cgr.dev":                   "",
		"podman":                                  "",
		"podman --version":                        "",
		"docker login cgr.dev":                    "",
		"docker pull cgr.dev/org/image":           "",
		"sh -c podman login":                      "",
		"podmanx login":                           "",
		"":                                        "",
	} {
		if got := loginCommand(strings.Fields(command)); got != want {
			t.Errorf("%s: got %q, want %q", command, got, want)
		}
	}
	if got := loginCommand(nil); got != "" {
		t.Errorf("no arguments: got %q", got)
	}
}

func TestRedrawsTerminal(t *testing.T) {
	for command, want := range map[string]bool{
		"/usr/libexec/docker/cli-plugins/docker-buildx buildx build .": true,
		"docker-buildx":                   true,
		"docker build -t x .":             true,
		"docker --debug buildx bake":      true,
		"docker compose up":               true,
		"docker-compose up":               true,
		"buildctl build --frontend x":     true,
		"docker pull cgr.dev/org/image":   false,
		"docker run --rm cgr.dev/o/image": false,
		"crane pull build":                false,
		"":                                false,
	} {
		if got := redrawsTerminal(strings.Fields(command)); got != want {
			t.Errorf("%s: got %v, want %v", command, got, want)
		}
	}
}

// printAbove resets the scrolling region of the terminal, also after a signal.
func TestPrintAbove(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no process can send itself a signal there")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		defer w.Close()
		Program{Stderr: w, Signals: []os.Signal{os.Interrupt}}.printAbove(24, "not signed in\n")
	}()
	const region = "\x1b[13;24r\x1b[13;1H"
	var got []byte
	for buffer := make([]byte, 100); !strings.HasSuffix(string(got), region); {
		n, err := r.Read(buffer)
		if err != nil {
			t.Fatalf("got %q, %v, want it to end with %q", got, err, region)
		}
		got = append(got, buffer[:n]...)
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(os.Interrupt)
	}
	if err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	want := "\x1b[24;1H\nnot signed in\n" + strings.Repeat("\n", 11) + region + "\x1b7\x1b[r\x1b8"
	if got := string(got) + string(rest); err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func FuzzLoginCommand(f *testing.F) {
	f.Add("podman\x00--x\x00login")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		args := strings.Split(text, "\x00")
		if got := loginCommand(args); got != "" && !slices.Contains(args[1:], "login") {
			t.Errorf("%q: got %q, want a login only where there is one", args, got)
		}
	})
}

// TestParentArgs runs itself as a child of a process with known arguments.
func TestParentArgs(t *testing.T) {
	if os.Getenv("TEST_PARENT") != "" {
		_, _ = os.Stdout.WriteString(strings.Join(parentArgs(), "|"))
		os.Exit(0)
	}
	if runtime.GOOS != "linux" {
		if got := parentArgs(); len(got) > 1 {
			t.Errorf("got %q, want a name at most", got)
		}
		return
	}
	child := exec.Command("sh", "-c", `"$0" -test.run='^TestParentArgs$'; exit`, os.Args[0], "", "a b")
	child.Env = append(os.Environ(), "TEST_PARENT=1")
	out, err := child.Output()
	want := strings.Join(child.Args, "|")
	if err != nil || string(out) != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}
