package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
)

// corpus is testdata/pin: files like those of public repositories, with images of cgr.dev and other
// registries. NAME.diff is the expected change of a file, and NAME.left has the references that stay
// unpinned, if any ("LINE: TEXT", or "all: not read"). A digest is written as
// sha256:{REPOSITORY:TAG}.
type corpus struct {
	platform *fakeplatform.Platform
	binary   string
	environ  []string
	files    map[string]file   // by path
	diffs    map[string]string // by path; with digests to be filled in
	left     map[string]string // by path
	digests  map[string]string // by repository and tag
}

// file is a file of the corpus.
type file struct {
	text string
	mode fs.FileMode // zero for any
}

// digestOf matches the placeholder of a digest.
var digestOf = regexp.MustCompile(`sha256:\{([^}]+)\}`)

// beside are files that name images, and are not changed.
var beside = map[string]string{
	".gitignore":              "node_modules/\n/ci/generated.yaml\n",
	"README.md":               "FROM cgr.dev/chainguard/python:latest\n",
	"node_modules/Dockerfile": "FROM cgr.dev/chainguard/python:latest\n",
	"ci/generated.yaml":       "image: cgr.dev/chainguard/python:latest\n",
	"ci/binary.yaml":          "image: cgr.dev/chainguard/python:latest\n\x00\x01",
	"build/Dockerfile.md":     "FROM cgr.dev/chainguard/python:latest\n",
	"build/program":           "\x7fELF\x00\x01cgr.dev/chainguard/python:latest",
	"compose/notes.txt":       "image: cgr.dev/chainguard/python:latest\n",
}

// besideLeft is what is left of them.
var besideLeft = map[string]string{
	"README.md":           "1: cgr.dev/chainguard/python:latest\n",
	"build/Dockerfile.md": "1: cgr.dev/chainguard/python:latest\n",
	"compose/notes.txt":   "1: cgr.dev/chainguard/python:latest\n",
	"ci/binary.yaml":      "all: not read\n",
}

func newCorpus(t *testing.T) *corpus {
	t.Helper()
	binary, err := program.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	platform, err := fakeplatform.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = platform.Close() })
	id, secret := platform.PullToken(time.Hour)
	c := &corpus{
		platform: platform, binary: binary,
		files: map[string]file{}, diffs: map[string]string{}, left: map[string]string{}, digests: map[string]string{},
	}
	home := t.TempDir()
	c.environ = append(platform.Environ(),
		"PATH="+os.Getenv("PATH"), "HOME="+home, "CHAINGUARD_KEYCHAIN=file", "DBUS_SESSION_BUS_ADDRESS=", "CI=true",
		"CHAINGUARD_IDENTITY_ID="+id, "CHAINGUARD_TOKEN="+secret,
		"GORACE=atexit_sleep_ms=0", "GOCOVERDIR="+os.Getenv("GOCOVERDIR"), "SYSTEMROOT="+os.Getenv("SYSTEMROOT"), "LOCALAPPDATA="+home, "APPDATA="+home)
	c.load(t, filepath.Join("testdata", "pin"))
	c.push(t)
	return c
}

// load reads the corpus. The fake platform's registry replaces cgr.dev.
func (c *corpus) load(t *testing.T, root string) {
	t.Helper()
	read := func(path string, _ fs.DirEntry, err error) error {
		info, statErr := os.Stat(path)
		if err = errors.Join(err, statErr); err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		here := strings.ReplaceAll(string(text), "cgr.dev", c.platform.RegistryHost())
		name, err := filepath.Rel(root, path)
		name = filepath.ToSlash(name)
		switch extension := filepath.Ext(name); extension {
		case ".diff":
			c.diffs[strings.TrimSuffix(name, extension)] = here
		case ".left":
			c.left[strings.TrimSuffix(name, extension)] = here
		default:
			// Not the modes that a checkout gives.
			c.files[name] = file{here, []fs.FileMode{0o644, 0o600, 0o755}[len(c.files)%3]}
		}
		return err
	}
	if err := filepath.WalkDir(root, read); err != nil {
		t.Fatal(err)
	}
	delete(c.files, ".gitattributes")
	if len(c.files) < 60 || len(c.files) != len(c.diffs) {
		t.Fatalf("the corpus has %d files and %d diffs, want 60 at least, and a diff for each", len(c.files), len(c.diffs))
	}
	for name, text := range besideLeft {
		c.left[name] = strings.ReplaceAll(text, "cgr.dev", c.platform.RegistryHost())
	}
	for name, text := range beside {
		c.files[name] = file{strings.ReplaceAll(text, "cgr.dev", c.platform.RegistryHost()), 0o640}
	}
}

// push pushes an image for every expected digest.
func (c *corpus) push(t *testing.T) {
	t.Helper()
	for _, diff := range c.diffs {
		for _, match := range digestOf.FindAllStringSubmatch(diff, -1) {
			if c.digests[match[1]] == "" {
				c.digests[match[1]] = c.move(t, match[1])
			}
		}
	}
	if len(c.digests) < 25 {
		t.Fatalf("the corpus names %d images, want 25 at least", len(c.digests))
	}
}

// move points a tag to a new image and returns its digest.
func (c *corpus) move(t *testing.T, image string) (digest string) {
	t.Helper()
	repository, tag, _ := strings.Cut(image, ":")
	digest, err := c.platform.AddImage(t.Context(), repository, tag, "after "+c.digests[image]+" "+image)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// diff returns the expected diff of a file; dropTag replaces tags with digests.
func (c *corpus) diff(name string, dropTag bool) string {
	text := c.diffs[name]
	if dropTag {
		text = regexp.MustCompile(`:[\w.-]+@sha256:\{`).ReplaceAllString(text, "@sha256:{")
	}
	return digestOf.ReplaceAllStringFunc(text, func(found string) string {
		return c.digests[digestOf.FindStringSubmatch(found)[1]]
	})
}

// want returns the expected files after everything is pinned.
func (c *corpus) want(t *testing.T, dropTag bool) map[string]file {
	t.Helper()
	want := maps.Clone(c.files)
	for name := range c.diffs {
		f, ok := c.files[name]
		if !ok {
			continue
		}
		text, err := applied(f.text, c.diff(name, dropTag))
		if err != nil {
			t.Fatalf("the diff of %s is not one of that file: %v", name, err)
		}
		want[name] = file{text, f.mode}
	}
	return want
}

// applied applies a unified diff to a text.
func applied(text, diff string) (string, error) {
	const noNewline = "\\ No newline at end of file\n"
	var out strings.Builder
	before := slices.Collect(strings.Lines(text))
	at := 0
	lines := slices.Collect(strings.Lines(diff))
	for i, line := range lines {
		if strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "+++ ") || line == noNewline {
			continue
		}
		var start int
		if _, err := fmt.Sscanf(line, "@@ -%d", &start); err == nil {
			if start-1 < at || start-1 > len(before) {
				return "", fmt.Errorf("a hunk at line %d", start)
			}
			out.WriteString(strings.Join(before[at:start-1], ""))
			at = start - 1
			continue
		}
		sign, rest := line[0], line[1:]
		if i+1 < len(lines) && lines[i+1] == noNewline {
			rest = strings.TrimSuffix(rest, "\n")
		}
		if sign != '+' {
			if at == len(before) || before[at] != rest {
				return "", fmt.Errorf("line %d is not %q", at+1, rest)
			}
			at++
		}
		if sign != '-' {
			out.WriteString(rest)
		}
	}
	return out.String() + strings.Join(before[at:], ""), nil
}

// tree writes the corpus to a new repository.
func (c *corpus) tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "git", "init", "--quiet", root).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	for name, f := range c.files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(path, []byte(f.text), 0o600), os.Chmod(path, f.mode)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// wantTree compares the files of a folder with the expected ones.
func wantTree(t *testing.T, root string, want map[string]file) {
	t.Helper()
	missing := maps.Clone(want)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == ".git" {
			return fs.SkipDir
		}
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(root, path)
		name := filepath.ToSlash(relative)
		text, readErr := os.ReadFile(path)
		info, statErr := entry.Info()
		if err = errors.Join(err, readErr, statErr); err != nil {
			return err
		}
		w, known := want[name]
		switch {
		case !known:
			t.Errorf("%s is new", name)
		case string(text) != w.text:
			t.Errorf("%s: got\n%q, want\n%q", name, text, w.text)
		case w.mode != 0 && filepath.Separator == '/' && info.Mode().Perm() != w.mode:
			t.Errorf("%s: got mode %v, want %v", name, info.Mode().Perm(), w.mode)
		}
		delete(missing, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range missing {
		t.Errorf("%s is gone", name)
	}
}
