package pin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"docker-credential-cgr/references"
)

const (
	host  = "cgr.dev"
	image = "FROM cgr.dev/org/python:3.13\n"
)

// tree creates a folder with files of these texts. A path that ends with "/" is a folder, and
// "-> TARGET" a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range files {
		full := filepath.Join(root, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		switch target, link := strings.CutPrefix(text, "-> "); {
		case strings.HasSuffix(path, "/"):
			err = os.MkdirAll(full, 0o755)
		case link:
			err = os.Symlink(filepath.FromSlash(target), full)
			if _, gone := os.Lstat(full); filepath.Separator == '\\' && errors.Join(err, gone) != nil {
				t.Skip("no links: this user may make none, or it is Wine:", errors.Join(err, gone))
			}
		default:
			err = os.WriteFile(full, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// walked returns the paths of the files that Walk finds, with slashes, relative to root.
func walked(t *testing.T, root string, paths ...string) []string {
	t.Helper()
	tree, err := Walk(t.Context(), at(root, paths...), nil, host)
	if err != nil || len(tree.Skipped) > 0 {
		t.Fatalf("got %v and error %v, want nothing skipped", tree, err)
	}
	return pathsOf(t, root, tree.Files)
}

func at(root string, paths ...string) []string {
	full := make([]string, len(paths))
	for i, path := range paths {
		full[i] = filepath.Join(root, filepath.FromSlash(path))
	}
	return full
}

func pathsOf(t *testing.T, root string, files []File) []string {
	t.Helper()
	var all []string
	for _, f := range files {
		rel, err := filepath.Rel(root, f.Path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, filepath.ToSlash(rel))
	}
	return all
}

// here returns the path of a file in the current folder as Walk returns it.
func here(path string) string { return filepath.FromSlash("./" + path) }

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWalk(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		paths []string // "" if nil
		want  []string
	}{
		{
			name: "every text file that names the registry, in the order of the paths",
			files: map[string]string{
				"b/Dockerfile": image, "Dockerfile": image, "b.yaml": "image: cgr.dev/a/b", "b-x/dev.dockerfile": image,
				"README.md": image, "main.go": image, "empty.yaml": "", "notes": image, "program": "\x7fELF\x00cgr.dev/a/b",
			},
			want: []string{"Dockerfile", "README.md", "b-x/dev.dockerfile", "b.yaml", "b/Dockerfile", "main.go", "notes"},
		},
		{
			name:  "hidden folders and files, and never .git",
			files: map[string]string{".github/workflows/ci.yml": image, ".devcontainer/Dockerfile": image, ".gitlab-ci.yml": image, ".git/x.yaml": image, "a/.GIT/Dockerfile": image},
			want:  []string{".devcontainer/Dockerfile", ".github/workflows/ci.yml", ".gitlab-ci.yml"},
		},
		{
			name:  "the host in any letter case, and no other file",
			files: map[string]string{"a.yaml": "image: CGR.Dev/a/b", "b.yaml": "image: docker.io/a/b", "Dockerfile": "FROM scratch\n"},
			want:  []string{"a.yaml"},
		},
		{
			name:  "what .gitignore names, outside of a work tree",
			files: map[string]string{".gitignore": "build/\n", "Dockerfile": image, "build/Dockerfile": image},
			want:  []string{"Dockerfile", "build/Dockerfile"},
		},
		{
			name:  "I78 links in a folder: in it, out of it, and round in a circle",
			files: map[string]string{"a/Dockerfile": image, "a/b.yaml": "-> Dockerfile", "a/out": "-> ../x", "x/Dockerfile": image, "a/loop": "-> .", "a/Dockerfile.loop": "-> Dockerfile.loop"},
			paths: []string{"a"},
			want:  []string{"a/Dockerfile"},
		},
		{
			name:  "I78 links that are named, to a file and to a folder",
			files: map[string]string{"x/y/real": image, "Dockerfile": "-> x/y/real", "z": "-> x", "x/a.yaml": image},
			paths: []string{"Dockerfile", "z"},
			want:  []string{"Dockerfile", "z/a.yaml"},
		},
		{
			name:  "each file once",
			files: map[string]string{"a/Dockerfile": image, "a/b/Dockerfile": image, "link": "-> a"},
			paths: []string{"a/b", "a", "a/b/Dockerfile", "link", "a/../a"},
			want:  []string{"a/b/Dockerfile", "a/Dockerfile"},
		},
		{
			name:  "files that are named, in their order",
			files: map[string]string{"b": "# syntax=docker/dockerfile:1\n\nARG X=cgr.dev/a/b\nFROM $X\n", "a.yml": "image: cgr.dev/a/b\n", "plain.yml": "a: b\n"},
			paths: []string{"b", "plain.yml", "a.yml"},
			want:  []string{"b", "a.yml"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := tree(t, tt.files)
			if tt.paths == nil {
				tt.paths = []string{""}
			}
			same(t, walked(t, root, tt.paths...), tt.want...)
		})
	}
}

// Each file is opened and read once, so that the work grows with the tree alone.
func TestWalkReadsEachFileOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	for _, n := range []int{1000, 20_000} {
		files := map[string]string{"last/zz": image}
		size := int64(len(image))
		for i := range n {
			text := strings.Repeat("no image here\n", i%7)
			files[fmt.Sprintf("d%02d/f%05d.js", i%20, i)] = text
			size += int64(len(text))
		}
		got, err := Walk(t.Context(), []string{tree(t, files)}, nil, host)
		if err != nil || len(got.Files) != 1 || got.Opened != int64(n+1) || got.Bytes != size {
			t.Errorf("got %d files opened and %d bytes read, %v, want %d, %d, and the one in the last", got.Opened, got.Bytes, err, n+1, size)
		}
	}
}

func TestWalkHere(t *testing.T) {
	root := tree(t, map[string]string{"Dockerfile": image, "a/ci.yml": image, ".github/workflows/ci.yml": image})
	t.Chdir(root)
	var got []string
	for _, paths := range [][]string{{"."}, {"./a", "Dockerfile"}} {
		tree, err := Walk(t.Context(), paths, nil, host)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range tree.Files {
			got = append(got, filepath.ToSlash(f.Path))
			if string(f.Text) != image {
				t.Errorf("%s: got the text %q, want %q", f.Path, f.Text, image)
			}
		}
	}
	same(t, got, "./.github/workflows/ci.yml", "./Dockerfile", "./a/ci.yml", "./a/ci.yml", "./Dockerfile")

	t.Chdir(filepath.Join(root, ".github", "workflows"))
	one, err := Walk(t.Context(), []string{"ci.yml"}, nil, host)
	if err != nil || len(one.Files) != 1 || one.Files[0].Kind != references.Workflow {
		t.Errorf("got %v and error %v, want one workflow: the folder's name tells it", one, err)
	}
}

func TestWalkFileWithSeveralNames(t *testing.T) {
	root := tree(t, map[string]string{"a.yaml": image})
	if err := os.Link(filepath.Join(root, "a.yaml"), filepath.Join(root, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	same(t, walked(t, root, ""), "a.yaml", "b.yaml")
}

func TestWalkRefusesArguments(t *testing.T) {
	root := tree(t, map[string]string{
		"Dockerfile": image, "dangling": "-> nowhere", "loop": "-> loop",
	})
	for _, tt := range []struct {
		paths []string
		want  string
	}{
		{[]string{"Dockerfile", "gone"}, "gone does not exist"},
		{[]string{"gone", "gone\x1b[2J"}, `gone does not exist|gone\x1b[2J `},
		{[]string{"dangling"}, "dangling is a link to something that does not exist"},
		{[]string{"loop"}, "loop cannot be read: "},
	} {
		t.Run(strings.Join(tt.paths, " "), func(t *testing.T) {
			_, err := Walk(t.Context(), at(root, tt.paths...), nil, host)
			if wrong := new(ArgumentError); !errors.As(err, &wrong) {
				t.Fatalf("got %v, want an *ArgumentError", err)
			}
			text := strings.ReplaceAll(strings.ReplaceAll(err.Error(), root+string(filepath.Separator), ""), "\n", "|")
			if !strings.HasPrefix(text, tt.want) {
				t.Errorf("got %q, want %q", text, tt.want)
			}
		})
	}
	if _, err := newArgument(filepath.Join(root, "Dockerfile") + string(filepath.Separator)); err == nil {
		t.Error("FILE/: got no error, want one")
	}
}

func TestWalkEndsWithItsContext(t *testing.T) {
	root := tree(t, map[string]string{"Dockerfile": image})
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if tree, err := Walk(ctx, []string{root}, nil, host); err != why || tree != nil {
		t.Errorf("got %v and error %v, want nothing and %v", tree, err, why)
	}
}

func TestWalkManyFilesInOrder(t *testing.T) {
	files := map[string]string{}
	var want []string
	for i := range 300 {
		path := fmt.Sprintf("d%02d/f%03d.yaml", i%20, i)
		files[path] = fmt.Sprintf("image: cgr.dev/org/image:%d\n", i)
		want = append(want, path)
	}
	slices.Sort(want)
	root := tree(t, files)
	found, err := Walk(t.Context(), []string{root}, nil, host)
	if err != nil {
		t.Fatal(err)
	}
	same(t, pathsOf(t, root, found.Files), want...)
	for i, f := range found.Files {
		if string(f.Text) != files[want[i]] {
			t.Errorf("%s: got %q, want %q", want[i], f.Text, files[want[i]])
		}
	}
}

func TestExclude(t *testing.T) {
	for _, tt := range []struct{ pattern, covers, leaves string }{
		{"*.md", "README.md docs/x.md .md", "md README.mdx"},
		{"docs/", "docs/a docs/b/c x/docs/a", "docs x/docs docs.md"},
		{"docs", "docs docs/a x/docs x/docs/a", "docsx xdocs"},
		{"/docs", "docs docs/a", "x/docs"},
		{"./docs/x", "docs/x docs/x/y", "x docs/xy y/docs/x"},
		{"charts/*/test.yaml", "charts/a/test.yaml", "charts/test.yaml charts/a/b/test.yaml"},
		{"charts/**/test.yaml", "charts/test.yaml charts/a/test.yaml charts/a/b/test.yaml charts/a/test.yaml/x", "test.yaml x/charts/test.yaml"},
		{"**/a/b", "a/b x/a/b x/y/a/b/c", "a/x/b"},
		{"a/**", "a a/b a/b/c", "b"},
		{"[ab]?.go", "a1.go x/b2.go", "c1.go a.go"},
		{`\*`, "* x/*", "a"},
	} {
		e, err := parseExclude([]string{tt.pattern})
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
		}
		for path := range strings.FieldsSeq(tt.covers) {
			if !e.covers(path) {
				t.Errorf("%q leaves %s, want it left out", tt.pattern, path)
			}
		}
		for path := range strings.FieldsSeq(tt.leaves) {
			if e.covers(path) {
				t.Errorf("%q leaves %s out, want it read", tt.pattern, path)
			}
		}
	}
	for _, pattern := range []string{"", "/", "!a", "a//b", "[", "a/[", "\\"} {
		if _, err := parseExclude([]string{pattern}); err == nil {
			t.Errorf("%q: got no error, want one", pattern)
		}
	}
}

func FuzzExclude(f *testing.F) {
	f.Add("**/a/*.md", "x/a/y.md")
	f.Add("a/**/**/b/", "a/b/c")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		e, err := parseExclude([]string{pattern})
		if err == nil && e.covers(path) && !e.covers(path+"/below") {
			t.Errorf("%q covers %q and not what is below it", pattern, path)
		}
	})
}
