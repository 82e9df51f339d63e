package e2e

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"docker-credential-cgr/references"
	"docker-credential-cgr/registry"
)

const (
	pinHost   = "cgr.dev"
	pinDigest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// lines are those of an instruction, counted from 1.
type lines struct{ first, last int }

func (l lines) hold(line int) bool { return l.first <= line && line <= l.last }

// named is an image that a Dockerfile needs, and the instruction that says so.
type named struct {
	name string
	lines
	base bool // of a FROM, which sees the ARGs
}

// built is what BuildKit reads in a Dockerfile.
type built struct {
	images   []named
	args     []lines // of ARGs before the first FROM
	triggers []lines // of ONBUILDs that fail when they are due
}

// readWithBuildKit gives the images of a Dockerfile, as a build for linux/amd64 without
// build arguments would need them, or the reason for which BuildKit refuses the file.
func readWithBuildKit(data []byte) (built, error) {
	var b built
	if syntax, _, at, ok := parser.DetectSyntax(data); ok {
		b.images = append(b.images, named{name: syntax, lines: span(at)})
	}
	file, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return b, err
	}
	stages, metaArgs, err := instructions.Parse(file.AST, linter.New(&linter.Config{}))
	if err != nil {
		return b, err
	}
	if len(stages) == 0 {
		return b, errors.New("no stages")
	}
	lex := shell.NewLex(file.EscapeToken)
	env := environment{
		"BUILDPLATFORM": "linux/amd64", "BUILDOS": "linux", "BUILDOSVERSION": "", "BUILDARCH": "amd64", "BUILDVARIANT": "",
		"TARGETPLATFORM": "linux/amd64", "TARGETOS": "linux", "TARGETOSVERSION": "", "TARGETARCH": "amd64", "TARGETVARIANT": "",
		"TARGETSTAGE": "default",
	}
	for _, command := range metaArgs {
		b.args = append(b.args, span(command.Location()))
		for _, arg := range command.Args {
			if arg.Value == nil {
				continue
			}
			result, err := lex.ProcessWordWithMatches(*arg.Value, env)
			if err != nil {
				return b, err
			}
			env[arg.Key] = result.Result
		}
	}
	for _, stage := range stages {
		base, err := lex.ProcessWordWithMatches(stage.BaseName, env)
		if err != nil {
			return b, err
		}
		if base.Result == "" {
			return b, errors.New("no base")
		}
		b.images = append(b.images, named{base.Result, span(stage.Location), true})
		for _, command := range stage.Commands {
			if err := b.read(command, lex); err != nil {
				return b, err
			}
		}
	}
	return b, nil
}

// read adds the images of a command, which may be in ONBUILD.
func (b *built) read(command instructions.Command, lex *shell.Lex) error {
	at := span(command.Location())
	if onbuild, ok := command.(*instructions.OnbuildCommand); ok {
		trigger, err := parseTrigger(onbuild.Expression)
		before := len(b.images)
		if err == nil {
			err = b.read(trigger, lex)
		}
		if err != nil {
			b.images = b.images[:before]
			b.triggers = append(b.triggers, at)
		}
		for i := range b.images[before:] {
			b.images[before+i].lines = at
		}
		return nil
	}
	switch c := command.(type) {
	case *instructions.CopyCommand:
		from, err := lex.ProcessWordWithMatches(c.From, environment{})
		if err != nil {
			return err
		}
		if from.Result != c.From {
			return errors.New("a variable in --from")
		}
		b.images = append(b.images, named{name: c.From, lines: at})
	case *instructions.RunCommand:
		for _, mount := range instructions.GetMounts(c) {
			b.images = append(b.images, named{name: mount.From, lines: at})
		}
	}
	return nil
}

// parseTrigger reads what ONBUILD has as BuildKit does when it is due. A byte order mark
// is dropped there, and makes no instruction here: nobody writes one.
func parseTrigger(expression string) (instructions.Command, error) {
	if strings.HasPrefix(expression, "\ufeff") {
		return nil, errors.New("a byte order mark")
	}
	file, err := parser.Parse(strings.NewReader(expression))
	if err != nil {
		return nil, err
	}
	if len(file.AST.Children) != 1 {
		return nil, errors.New("several instructions in one trigger")
	}
	return instructions.ParseCommand(file.AST.Children[0])
}

// ours gives the images of the registry. What is no reference fails the build.
func (b built) ours() []named {
	var ours []named
	for _, image := range b.images {
		host, _, ok := strings.Cut(image.name, "/")
		_, err := registry.Parse(image.name, pinHost)
		if ok && err == nil && strings.EqualFold(strings.TrimSuffix(host, ":443"), pinHost) {
			ours = append(ours, image)
		}
	}
	return ours
}

type environment map[string]string

func (e environment) Get(name string) (string, bool) { value, ok := e[name]; return value, ok }
func (e environment) Keys() []string                 { return nil }

func span(ranges []parser.Range) lines {
	return lines{ranges[0].Start.Line, ranges[len(ranges)-1].End.Line}
}

// pinCase is one of the marked Dockerfiles of the package.
type pinCase struct {
	name, text  string
	found, left int
	refused     bool
}

func pinCases(t testing.TB) []pinCase {
	t.Helper()
	data, err := os.ReadFile("../references/testdata/dockerfiles.txt")
	if err != nil {
		t.Fatal(err)
	}
	var cases []pinCase
	for _, text := range strings.Split(string(data), "\n=== ")[1:] {
		name, text, _ := strings.Cut(text, "\n")
		c := pinCase{found: strings.Count(text, "⟦"), left: strings.Count(text, "⟨")}
		c.name, _, c.refused = strings.Cut(name, " | refused")
		for strings.Contains(text, "¦") {
			before, after, _ := strings.Cut(text, "¦")
			_, after, _ = strings.Cut(after, "⟩")
			text = before + after
		}
		c.text = strings.NewReplacer("⟦", "", "⟧", "", "⟨", "", "␠", " ", "␉", "\t", "␍", "\r", "␂", "\ufeff", "␄\n", "").Replace(text + "\n")
		cases = append(cases, c)
	}
	return cases
}

// findAll returns what references.Find finds: what can be pinned or is, and what is left.
func findAll(kind references.Kind, data []byte, host string) (found, left []references.Reference, err error) {
	all, err := references.Find(kind, data, host)
	for _, r := range all {
		if r.Class <= references.ReadOnly {
			found = append(found, r)
		} else {
			left = append(left, r)
		}
	}
	return found, left, err
}

// TestBuildKit finds in each Dockerfile what BuildKit finds, but for what is marked to
// be left.
func TestBuildKit(t *testing.T) {
	for _, c := range pinCases(t) {
		t.Run(c.name, func(t *testing.T) {
			found, left, err := findAll(references.Dockerfile, []byte(c.text), pinHost)
			left = slices.DeleteFunc(left, func(l references.Reference) bool { return l.Class == references.Comment })
			if err != nil || len(found) != c.found || len(left) != c.left {
				t.Errorf("got %+v, %+v, %v, want %d found and %d left", found, left, err, c.found, c.left)
			}
			if _, err := readWithBuildKit([]byte(c.text)); (err != nil) != c.refused {
				t.Errorf("got %v from BuildKit, want it to refuse the file: %t", err, c.refused)
			}
			againstBuildKit(t, []byte(c.text))
		})
	}
	for name, data := range pinFiles(t) {
		t.Run(name, func(t *testing.T) { againstBuildKit(t, data) })
	}
}

// pinFiles gives the Dockerfiles in testdata/pin.
func pinFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir("testdata/pin", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || references.KindOf(filepath.ToSlash(path)) != references.Dockerfile {
			return err
		}
		files[path], err = os.ReadFile(path)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return files
}

func FuzzAgainstBuildKit(f *testing.F) {
	for _, c := range pinCases(f) {
		f.Add([]byte(c.text))
	}
	for _, data := range pinFiles(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { againstBuildKit(t, data) })
}

// againstBuildKit checks that what is found, and nothing else of ours, is what BuildKit
// needs; that what is left is said for the instruction, or for an ARG that it may use;
// and that the file with digests needs the same images with them. Without the host in
// one piece nothing is looked for.
func againstBuildKit(t *testing.T, data []byte) {
	t.Helper()
	if !bytes.Contains(bytes.ToLower(data), []byte(pinHost)) {
		return
	}
	b, refused := readWithBuildKit(data)
	found, left, err := findAll(references.Dockerfile, data, pinHost)
	if err != nil && refused == nil && bytes.IndexByte(data, 0) < 0 {
		t.Errorf("got %v, want what BuildKit reads: %+v", err, b.ours())
	}
	if err != nil || refused != nil {
		return
	}
	for _, image := range b.ours() {
		isFound := slices.ContainsFunc(found, func(f references.Reference) bool { return b.says(f, data, image) })
		isLeft := slices.ContainsFunc(left, func(l references.Reference) bool { return b.mayNeed(l.Line, image) || isEnd(l, image) })
		if !isFound && !isLeft {
			t.Errorf("got %+v and %+v left, want %+v", found, left, image)
		}
	}
	for _, f := range found {
		if f.Class == references.ReadOnly {
			continue // it has a digest, and is not changed
		}
		triggered := slices.ContainsFunc(b.triggers, func(at lines) bool { return at.hold(f.Line) })
		if !triggered && !slices.ContainsFunc(b.images, func(image named) bool { return b.says(f, data, image) }) {
			t.Errorf("got %q in line %d, want what BuildKit needs: %+v", data[f.Start:f.End], f.Line, b.images)
		}
	}
	b.checkPinned(t, data, found, left)
}

// mayNeed says whether a line is of the instruction that names an image, or of an ARG
// that it sees.
func (b built) mayNeed(line int, image named) bool {
	return image.hold(line) || image.base && slices.ContainsFunc(b.args, func(at lines) bool { return at.hold(line) })
}

// isEnd reports whether what is left says that nothing is read from there on, and the
// image is needed there.
func isEnd(l references.Reference, image named) bool {
	return strings.Contains(l.Reason, "nothing below is read") && l.Line <= image.last
}

func (b built) says(f references.Reference, data []byte, image named) bool {
	return string(data[f.Start:f.End]) == image.name && b.mayNeed(f.Line, image)
}

// checkPinned gives digests to what is found, and lets BuildKit read that. Where an
// instruction has the same name twice, found and left, either may be pinned.
func (b built) checkPinned(t *testing.T, data []byte, found []references.Reference, left []references.Reference) {
	t.Helper()
	text := string(data)
	for _, f := range slices.Backward(found) {
		if f.Class == references.ReadOnly {
			continue
		}
		name, _, _ := strings.Cut(text[f.Start:f.End], "@")
		text = text[:f.Start] + name + pinDigest + text[f.End:]
	}
	again, leftAgain, err := findAll(references.Dockerfile, []byte(text), pinHost)
	if err != nil || len(again) != len(found) || len(leftAgain) != len(left) {
		t.Fatalf("got %+v, %+v, %v in the pinned file, want as before: %+v, %+v", again, leftAgain, err, found, left)
	}
	after, err := readWithBuildKit([]byte(text))
	if err != nil || len(after.images) != len(b.images) {
		t.Fatalf("got %+v, %v from BuildKit in the pinned file, want as many as %+v", after.images, err, b.images)
	}
	for i, image := range after.images {
		want := b.images[i]
		if slices.ContainsFunc(found, func(f references.Reference) bool { return b.says(f, data, want) }) {
			want.name, _, _ = strings.Cut(want.name, "@")
			want.name += pinDigest
		}
		isLeft := slices.ContainsFunc(left, func(l references.Reference) bool { return b.mayNeed(l.Line, want) || isEnd(l, want) })
		if image != want && !(isLeft && image == b.images[i]) {
			t.Errorf("got %+v in the pinned file, want %q", image, want.name)
		}
	}
}
