package references

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/registry"
)

func FuzzYAML(f *testing.F) {
	for _, m := range slices.Concat(yamlImages, workflowImages) {
		text, _, _ := m.parse()
		f.Add(text, true)
	}
	for _, test := range yamlLeft {
		text, _, _ := test.parse()
		f.Add(text, test.workflow)
	}
	f.Add("image: &a !!str # c\r\n  \"cgr.dev/a/b\" # d\r\nb: {image: *a}\r\n...\r\n---\r\n- image: 'cgr.dev/a/b:c'", false)
	f.Add("\ufeffé: [{image: cgr.dev/a/b, platform: linux/arm64}, {? image : cgr.dev/c/d}]", false)
	f.Add("image: |\n  cgr.dev/a/b\n---\nimage: \"cgr.dev/a\\\n  /b\"\n", false)
	f.Fuzz(func(t *testing.T, text string, workflow bool) {
		if len(text) < 100_000 {
			checkYAML(t, text, workflow)
		}
	})
}

// checkYAML holds what is found in a file to what must be true of any: each range is a
// reference, pinning changes the values of these alone, and is undone byte for byte.
func checkYAML(t *testing.T, text string, workflow bool) {
	t.Helper()
	found, left, err := findYAML([]byte(text), testHost, workflow)
	if err != nil {
		if found != nil || left != nil || strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("got %+v, %+v, %q, want one printable line alone", found, left, err)
		}
		return
	}
	var pinned strings.Builder
	end := 0
	changes := map[string]int{}
	for _, f := range found {
		if f.Start < end || f.End <= f.Start || f.End > len(text) {
			t.Fatalf("got %+v behind %d of %d, want them in order", f, end, len(text))
		}
		name := text[f.Start:f.End]
		if ref, err := registry.Parse(name, testHost); err != nil || ref != f.Image || !strings.EqualFold(name[:len(testHost)], testHost) {
			t.Errorf("got %q for %+v, %v, want its text", name, f, err)
		}
		if line := 1 + strings.Count(text[:f.Start], "\n"); line != f.Line {
			t.Errorf("got %q in line %d, want %d", name, f.Line, line)
		}
		pinned.WriteString(text[end:f.Start] + withDigest(name))
		end = f.End
		changes[name]++
	}
	pinned.WriteString(text[end:])
	for _, l := range left {
		if l.Line < 1 || l.Line > 1+strings.Count(text, "\n") || l.Why == "" || strings.ContainsFunc(l.Why, unicode.IsControl) {
			t.Errorf("got %+v left, want a line of the file and why", l)
		}
	}
	sameButFor(t, text, pinned.String(), changes)

	again, leftAgain, err := findYAML([]byte(pinned.String()), testHost, workflow)
	if err != nil || len(again) != len(found) || len(leftAgain) != len(left) {
		t.Fatalf("got %+v, %+v, %v in the pinned file, want as before: %+v, %+v", again, leftAgain, err, found, left)
	}
	undone := pinned.String()
	for i, f := range slices.Backward(again) {
		was := found[i]
		if f.Image.Digest != testDigest || f.Platform != was.Platform || f.Line != was.Line {
			t.Errorf("got %+v, want %+v pinned", f, was)
		}
		undone = undone[:f.Start] + text[was.Start:was.End] + undone[f.End:]
	}
	if undone != text {
		t.Errorf("got %q, want the bytes from before", undone)
	}
}

func withDigest(name string) string {
	name, _, _ = strings.Cut(name, "@")
	return name + "@" + testDigest
}

// sameButFor compares two files as YAML: in the second, each of the names is pinned as
// often as it was found.
func sameButFor(t *testing.T, before, after string, changes map[string]int) {
	t.Helper()
	a, b := scalars(t, before), scalars(t, after)
	if len(a) != len(b) {
		t.Fatalf("got %d nodes, want %d", len(b), len(a))
	}
	for i := range a {
		if a[i] == b[i] && !strings.HasSuffix(a[i], "@"+testDigest) {
			continue
		}
		_, value, _ := strings.Cut(a[i], "\x00")
		value = strings.TrimPrefix(value, dockerScheme)
		if changes[value] == 0 || strings.TrimSuffix(a[i], value)+withDigest(value) != b[i] {
			if a[i] != b[i] {
				t.Errorf("got %q, want %q, changed at most by its digest", b[i], a[i])
			}
			continue
		}
		changes[value]--
	}
	for name, n := range changes {
		if n != 0 && !strings.HasSuffix(name, "@"+testDigest) {
			t.Errorf("%q: got %d fewer changed than found", name, n)
		}
	}
}

// scalars are the nodes of a file, in order: what each is and, at the end, its value.
func scalars(t *testing.T, text string) []string {
	t.Helper()
	if !strings.Contains(strings.ToLower(text), testHost) {
		return nil // it need not be YAML
	}
	var all []string
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		all = append(all, fmt.Sprintf("%d %s %s %d\x00%s", n.Kind, n.Tag, n.Anchor, n.Style, n.Value))
		for _, child := range n.Content {
			visit(child)
		}
	}
	documents := yaml.NewDecoder(bytes.NewReader(asVersion11([]byte(text))))
	for {
		var document yaml.Node
		if err := documents.Decode(&document); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("got %v, want YAML", err)
		}
		visit(&document)
	}
}
