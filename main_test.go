package main

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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

// unexplained are the texts with a hint that docs/troubleshooting.md leaves out, and why.
var unexplained = map[string]string{
	"unknown command %q":      "the hint has the commands that exist",
	"the value is empty":      "the hint is the command to use",
	"%s":                      "a misspelled flag; the hint has the right one",
	"%s:%d: %s":               "a finding in Docker's configuration, which describes itself",
	"%s:%d:%d: %s":            "an error of syntax at a place in a file",
	"%s: %v":                  "the registry's own message",
	"%w: %w":                  "wraps another text of this page",
	"cannot %s: %w":           "wraps the platform's message",
	"failed: %v":              "wraps the reason of a sign-in that failed",
	"%s cannot be pulled: %v": "wraps a row about images",
	"%w: %s":                  "wraps a row about files",
}

// TestTroubleshooting compares docs/troubleshooting.md with the source: each message on the page
// is in a text of the source, and each text that has a hint there is on the page.
func TestTroubleshooting(t *testing.T) {
	page, err := os.ReadFile("docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	own, rest, _ := strings.Cut(string(page), "Docker's own messages:")
	_, others, _ := strings.Cut(rest, "\n## ")
	var messages []*regexp.Regexp
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\| ").FindAllStringSubmatch(own+others, -1) {
		for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			// "…" is for what the program puts in; the kind of store is put in, too.
			text := strings.TrimSuffix(strings.TrimPrefix(quoted[1], "not signed in: "), " file store")
			messages = append(messages, regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(text), "…", ".+")))
		}
	}
	texts, hinted := sourceTexts(t)
	if len(messages) < 100 || len(hinted) < 100 {
		t.Fatalf("got only %d messages and %d texts with hints", len(messages), len(hinted))
	}
	all := strings.Join(texts, "\n") + "\ncredentials not found in native keychain" // of the protocol's library
	for _, message := range messages {
		if !message.MatchString(all) {
			t.Errorf("no text of the source has %q", message)
		}
	}
	for _, text := range hinted {
		isExplained := slices.ContainsFunc(messages, func(message *regexp.Regexp) bool { return message.MatchString(text) })
		if _, leftOut := unexplained[text]; isExplained == leftOut {
			t.Errorf("explained is %v and left out is %v, want one of them: %q", isExplained, leftOut, text)
		}
	}
	for text := range unexplained {
		if !slices.Contains(hinted, text) {
			t.Errorf("%q is left out and not in the source", text)
		}
	}
}

// sourceTexts returns all string literals of the product, and the texts of the errors, warnings
// and findings that have hints.
func sourceTexts(t *testing.T) (all, hinted []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir() && (path == "e2e" || path == "release"):
			return cmp.Or(err, fs.SkipDir)
		case d.IsDir() || filepath.Ext(path) != ".go" || isTest(path):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				all = append(all, unquote(literal))
			}
			if call, ok := n.(*ast.CallExpr); ok {
				if text := hintedText(call); text != "" {
					hinted = append(hinted, text)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, hinted
}

// hintedText returns the literals in the text of a call that attaches hints to it, or "" for
// another call, or one without literals.
func hintedText(call *ast.CallExpr) string {
	at := map[string]int{"With": 0, "WarnHint": 1, "failure": 1, "warning": 1} // the text's argument
	var name string
	switch function := call.Fun.(type) {
	case *ast.SelectorExpr:
		name = function.Sel.Name
	case *ast.Ident:
		name = function.Name
	}
	i, ok := at[name]
	if !ok || len(call.Args) <= i+1 {
		return ""
	}
	var text strings.Builder
	ast.Inspect(call.Args[i], func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			text.WriteString(unquote(literal))
		}
		return true
	})
	return text.String()
}

func unquote(literal *ast.BasicLit) string {
	text, _ := strconv.Unquote(literal.Value) // the parser has accepted it
	return text
}
