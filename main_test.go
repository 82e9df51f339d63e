package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// banned are packages that must not be in the binary, which runs for every image
// that is pulled, and why.
var banned = map[string]string{
	"html/template":                    "as text/template below, which cobra imports and does not execute unless asked to",
	"encoding/gob":                     "its init is heavy, and it walks maps in random order",
	"expvar":                           "it adds itself to the default HTTP server",
	"net/http/pprof":                   "as expvar",
	"testing":                          "tests do not belong into the program",
	"google.golang.org/protobuf/proto": "2.4 times an empty program's start",
	"google.golang.org/grpc":           "as protobuf; the token service speaks forms and JSON",
	"chainguard.dev/sdk/sts":           "pulls grpc; the fake platform of the tests is built on it instead",
	"k8s.io/api/core/v1":               "2.4 times an empty program's start",
	"github.com/moby/buildkit":         "as k8s.io/api",
	"github.com/google/go-containerregistry/pkg": "as k8s.io/api",
}

// TestDependencies reads what the program is linked from, on each system.
func TestDependencies(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "windows"} {
		cmd := exec.Command("go", "list", "-deps", ".")
		cmd.Env = append(cmd.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list on %s: %v", system, err)
		}
		packages := strings.Fields(string(out))
		if len(packages) < 100 {
			t.Fatalf("on %s the program has %d packages: that is not the whole list", system, len(packages))
		}
		for _, pkg := range packages {
			for prefix, why := range banned {
				if pkg == prefix || strings.HasPrefix(pkg, prefix+"/") {
					t.Errorf("on %s the program links %s: %s", system, pkg, why)
				}
			}
		}
	}
}

// TestTemplatesAreDropped looks for text/template's executor in the binary: once it
// is reachable the linker keeps every exported method, 2.3 MB of them.
func TestTemplatesAreDropped(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	binary := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	symbols, err := exec.Command("go", "tool", "nm", binary).Output()
	if err != nil {
		t.Fatalf("go tool nm: %v", err)
	}
	if !strings.Contains(string(symbols), "docker-credential-cgr/cli.Run") {
		t.Fatal("the list of symbols lacks our own")
	}
	if strings.Contains(string(symbols), "text/template.(*Template).Execute") {
		t.Error("the program executes text/template: pages and help texts are to be constants")
	}
}

// TestFewDependencies holds the list of direct dependencies short: each has its
// line in docs/decisions.
func TestFewDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{if not .Indirect}}{{.Path}}{{end}}", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	direct := strings.Fields(string(out))[1:] // less the module itself
	if got, most := len(direct), 18; got == 0 || got > most {
		t.Errorf("%d direct dependencies, want 1 to %d: %v", got, most, direct)
	}
	reasons, err := os.ReadFile("docs/decisions/0001-dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range direct {
		if !strings.Contains(string(reasons), "`"+module+"`") {
			t.Errorf("docs/decisions/0001-dependencies.md does not say why %s is here", module)
		}
	}
}
