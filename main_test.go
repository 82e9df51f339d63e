package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// banned are packages that must not be in the binary, which runs for every image that is
// pulled, with the reason.
var banned = map[string]string{
	"html/template":                    "as text/template below, which cobra imports and does not execute unless asked to",
	"encoding/gob":                     "its init is heavy, and it walks maps in random order",
	"expvar":                           "it adds itself to the default HTTP server",
	"net/http/pprof":                   "as expvar",
	"testing":                          "tests do not belong in the program",
	"google.golang.org/protobuf/proto": "2.4 times an empty program's start",
	"google.golang.org/grpc":           "as protobuf; the token service speaks forms and JSON",
	"chainguard.dev/sdk/sts":           "pulls grpc; the fake platform of the tests is built on it instead",
	"k8s.io/api/core/v1":               "2.4 times an empty program's start",
	"github.com/moby/buildkit":         "as k8s.io/api",
	"github.com/google/go-containerregistry/pkg": "as k8s.io/api",
}

// TestDependencies compares the packages that the program links on each system with those
// that are banned.
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

// TestTemplatesAreDropped looks for text/template's executor in the binary: if it is
// reachable, the linker keeps every exported method, which is 2.3 MB.
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
	if !strings.Contains(string(symbols), "/cli.Run") {
		t.Fatal("the list of symbols lacks our own")
	}
	if strings.Contains(string(symbols), "text/template.(*Template).Execute") {
		t.Error("the program executes text/template: make pages and help texts constants")
	}
}

// TestFewDependencies limits the number of direct dependencies, and looks for the reason for
// each in docs/decisions.
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

// threatID is an ID of docs/threats.md in a test: in a comment, a message or a test's name.
var threatID = regexp.MustCompile(`(?:\b|Test)([PIFCST][1-9][0-9]?)(?:\b|_)`)

// TestThreatsAreListed looks in docs/threats.md for each ID that a test names.
func TestThreatsAreListed(t *testing.T) {
	page, err := os.ReadFile("docs/threats.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	err = filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !isTest(path) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, match := range threatID.FindAllStringSubmatch(string(text), -1) {
			id := match[1]
			if !seen[id] && !strings.Contains(string(page), "\n| "+id+" | ") {
				t.Errorf("%s names %s, which docs/threats.md does not explain", path, id)
			}
			seen[id] = true
		}
		return nil
	})
	if err != nil || len(seen) < 100 {
		t.Errorf("found %d IDs in the tests, want over 100: %v", len(seen), err)
	}
}

func isTest(path string) bool {
	return strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".txtar")
}

// TestLinksResolve checks the links between the pages of this repository.
func TestLinksResolve(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	if !slices.Contains(pages, "README.md") || len(pages) < 20 {
		t.Fatalf("got only the pages %q", pages)
	}
	link := regexp.MustCompile(`\]\(([^)#]*)(#[^)]*)?\)`)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			target, fragment := page, match[2]
			if strings.Contains(match[1], "://") {
				continue
			}
			if match[1] != "" {
				target = filepath.Join(filepath.Dir(page), match[1])
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if fragment != "" && !hasHeading(t, target, fragment[1:]) {
				t.Errorf("%s: %s has no heading for #%s", page, target, fragment[1:])
			}
		}
	}
}

// hasHeading reports whether a page has the heading that GitHub gives the anchor.
func hasHeading(t *testing.T, page, anchor string) bool {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	dropped := regexp.MustCompile(`[^a-z0-9 _-]`)
	for line := range strings.Lines(string(text)) {
		heading, isHeading := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !isHeading || !strings.HasPrefix(line, "#") {
			continue
		}
		name := dropped.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
		if strings.ReplaceAll(name, " ", "-") == anchor {
			return true
		}
	}
	return false
}

// TestTroubleshootingTexts checks that the program's messages in docs/troubleshooting.md are
// those of the source.
func TestTroubleshootingTexts(t *testing.T) {
	page, err := os.ReadFile("docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || isTest(path) {
			return err
		}
		text, err := os.ReadFile(path)
		source.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	own, _, _ := strings.Cut(string(page), "Docker's own messages")
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(own, -1)
	if len(rows) < 8 {
		t.Fatalf("got only %d messages", len(rows))
	}
	for _, row := range rows {
		if text := strings.TrimSuffix(strings.TrimPrefix(row[1], "not signed in: "), " file store"); !strings.Contains(source.String(), text) && text != "credentials not found in native keychain" {
			t.Errorf("no source has %q", text)
		}
	}
}
