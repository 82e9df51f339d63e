package pin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// tree makes a folder with files of these texts; a path with a "/" at its end is a
// folder, and "-> TARGET" a link.
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
			if err = os.Symlink(filepath.FromSlash(target), full); err != nil && filepath.Separator == '\\' {
				t.Skip("this user may make no links:", err)
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

// walked gives the paths of the files that Walk finds, with slashes, relative to root.
func walked(t *testing.T, root string, paths ...string) []string {
	t.Helper()
	files, skipped, err := Walk(t.Context(), at(root, paths...), nil, host)
	if err != nil || len(skipped) > 0 {
		t.Fatalf("got skipped %v and error %v, want neither", skipped, err)
	}
	return pathsOf(t, root, files)
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

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWalk(t *testing.T) {
	const repository = "ref: refs/heads/main\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		paths []string // "" if nil
		want  []string
	}{
		{
			name: "files whose names tell a kind, in the order of their paths",
			files: map[string]string{
				"b/Dockerfile": image, "Dockerfile": image, "b.yaml": "image: cgr.dev/a/b", "b-x/dev.dockerfile": image,
				"README.md": image, "main.go": image, "empty.yaml": "",
			},
			want: []string{"Dockerfile", "b-x/dev.dockerfile", "b.yaml", "b/Dockerfile"},
		},
		{
			name:  "hidden folders and files, and never .git",
			files: map[string]string{".github/workflows/ci.yml": image, ".devcontainer/Dockerfile": image, ".gitlab-ci.yml": image, ".git/x.yaml": image, "a/.git/Dockerfile": image},
			want:  []string{".devcontainer/Dockerfile", ".github/workflows/ci.yml", ".gitlab-ci.yml"},
		},
		{
			name:  "the host in any letter case, and no other file",
			files: map[string]string{"a.yaml": "image: CGR.Dev/a/b", "b.yaml": "image: docker.io/a/b", "Dockerfile": "FROM scratch\n"},
			want:  []string{"a.yaml"},
		},
		{
			name: "what .gitignore leaves out, outside of a repository too",
			files: map[string]string{
				".gitignore": "build/\n*.tmp.yaml\n/c/\n", "Dockerfile": image, "a.tmp.yaml": image, "build/Dockerfile": image,
				"c/Dockerfile": image, "d/c/Dockerfile": image, "d/.gitignore": "!x.tmp.yaml\nDockerfile.*\n", "d/x.tmp.yaml": image, "d/y.tmp.yaml": image, "d/Dockerfile.dev": image,
			},
			want: []string{"Dockerfile", "d/c/Dockerfile", "d/x.tmp.yaml"},
		},
		{
			name: "the rules above a folder, up to the top of the repository and no further",
			files: map[string]string{
				".gitignore": "keep.yaml\n", "r/.git/HEAD": repository, "r/.git/info/exclude": "excluded.yaml\nback.yaml\n",
				"r/.gitignore": "/a/b/rooted.yaml\nany.yaml\n", "r/a/.gitignore": "/b/near.yaml\n!back.yaml\n",
				"r/a/b/rooted.yaml": image, "r/a/b/any.yaml": image, "r/a/b/near.yaml": image, "r/a/b/excluded.yaml": image,
				"r/a/b/back.yaml": image, "r/a/b/keep.yaml": image, "r/a/b/c/rooted.yaml": image,
			},
			paths: []string{"r/a/b"},
			want:  []string{"r/a/b/back.yaml", "r/a/b/c/rooted.yaml", "r/a/b/keep.yaml"},
		},
		{
			name: "a repository within has its own rules alone",
			files: map[string]string{
				".git/HEAD": repository, ".gitignore": "a.yaml\n", "a.yaml": image, "in/a.yaml": image,
				"sub/.git/HEAD": repository, "sub/a.yaml": image, "sub/b.yaml": image, "sub/.gitignore": "b.yaml\n", "sub/deep/a.yaml": image, "sub/deep/b.yaml": image,
				"none/.git/": "", "none/a.yaml": image, // git takes a .git without HEAD for no repository
			},
			want: []string{"sub/a.yaml", "sub/deep/a.yaml"},
		},
		{
			name: "a submodule and a worktree, whose .git is a file",
			files: map[string]string{
				".git/HEAD": repository, ".gitignore": "a.yaml\n", ".git/info/exclude": "b.yaml\n",
				".git/modules/sub/HEAD": repository, ".git/modules/sub/info/exclude": "c.yaml\n",
				"sub/.git": "gitdir: ../.git/modules/sub\n", "sub/a.yaml": image, "sub/b.yaml": image, "sub/c.yaml": image,
				".git/worktrees/w/HEAD": repository, ".git/worktrees/w/commondir": "../..\n", ".git/worktrees/w/info/exclude": "a.yaml\n",
				"w/.git": "gitdir: ../.git/worktrees/w\n", "w/a.yaml": image, "w/b.yaml": image, "w/c.yaml": image,
				"lost/.git": "gitdir: ../.git/modules/lost\n", "lost/a.yaml": image,
			},
			want: []string{"sub/a.yaml", "sub/b.yaml", "w/a.yaml", "w/c.yaml"},
		},
		{
			name:  "P24 a path that is named is read, ignored or not",
			files: map[string]string{".git/HEAD": repository, ".gitignore": "build/\n*.log.yaml\n", "build/Dockerfile": image, "build/a.log.yaml": image, "a.log.yaml": image},
			paths: []string{"a.log.yaml", "build"},
			want:  []string{"a.log.yaml", "build/Dockerfile"},
		},
		{
			name:  "I78 links in a folder: in it, out of it, round in a circle, and for a .gitignore",
			files: map[string]string{"a/Dockerfile": image, "a/b.yaml": "-> Dockerfile", "a/out": "-> ../x", "x/Dockerfile": image, "a/loop": "-> .", "a/Dockerfile.loop": "-> Dockerfile.loop", "a/.gitignore": "-> ../x/rules", "x/rules": "Dockerfile\n"},
			paths: []string{"a"},
			want:  []string{"a/Dockerfile"},
		},
		{
			name:  "I78 links that are named, to a file and to a folder",
			files: map[string]string{"x/y/real": image, "Dockerfile": "-> x/y/real", "z": "-> x", "x/a.yaml": image, "x/.gitignore": "b.yaml\n", "x/b.yaml": image},
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

func TestWalkHere(t *testing.T) {
	root := tree(t, map[string]string{"Dockerfile": image, "a/ci.yml": image, ".github/workflows/ci.yml": image})
	t.Chdir(root)
	var got []string
	for _, paths := range [][]string{{"."}, {"./a", "Dockerfile"}} {
		files, _, err := Walk(t.Context(), paths, nil, host)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			got = append(got, filepath.ToSlash(f.Path))
			if string(f.Text) != image {
				t.Errorf("%s: got the text %q, want %q", f.Path, f.Text, image)
			}
		}
	}
	same(t, got, ".github/workflows/ci.yml", "Dockerfile", "a/ci.yml", "a/ci.yml", "Dockerfile")

	t.Chdir(filepath.Join(root, ".github", "workflows"))
	files, _, err := Walk(t.Context(), []string{"ci.yml"}, nil, host)
	if err != nil || len(files) != 1 || files[0].Kind != references.Workflow {
		t.Errorf("got %v and error %v, want one workflow: the folder's name tells it", files, err)
	}
}

func TestWalkFileWithSeveralNames(t *testing.T) {
	root := tree(t, map[string]string{"a.yaml": image})
	if err := os.Link(filepath.Join(root, "a.yaml"), filepath.Join(root, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	same(t, walked(t, root, ""), "a.yaml", "b.yaml")
}

// Where file names have no letter case, two spellings are one file. Elsewhere a hard
// link makes two of them one.
func TestWalkOneFileInTwoLetterCases(t *testing.T) {
	root := tree(t, map[string]string{"a.yaml": image})
	if err := os.Link(filepath.Join(root, "a.yaml"), filepath.Join(root, "A.yaml")); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	same(t, walked(t, root, "a.yaml", "A.yaml"), "a.yaml")
	two := tree(t, map[string]string{"x/a.yaml": image, "X/a.yaml": image})
	if entries, err := os.ReadDir(two); err != nil || len(entries) == 2 {
		same(t, walked(t, two, ""), "X/a.yaml", "x/a.yaml")
	}
}

func TestWalkRefusesArguments(t *testing.T) {
	root := tree(t, map[string]string{
		"Dockerfile": image, "dangling": "-> nowhere", "loop": "-> loop", "notes.txt": "cgr.dev/a/b\n", "main.py": "from cgr.dev import b\n", "empty": "",
	})
	for _, tt := range []struct {
		paths []string
		want  string
	}{
		{[]string{"Dockerfile", "gone"}, "gone does not exist"},
		{[]string{"gone", "gone\x1b[2J"}, `gone does not exist|gone\x1b[2J does not exist`},
		{[]string{"dangling"}, "dangling is a link to something that does not exist"},
		{[]string{"loop"}, "loop cannot be read: "},
		{[]string{"notes.txt"}, "notes.txt tells neither by its name nor by its first line what it is; known are Dockerfile"},
		{[]string{"main.py"}, "main.py tells neither"},
		{[]string{"empty"}, "empty tells neither"},
	} {
		t.Run(strings.Join(tt.paths, " "), func(t *testing.T) {
			_, _, err := Walk(t.Context(), at(root, tt.paths...), nil, host)
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
	if files, _, err := Walk(ctx, []string{root}, nil, host); err != why || files != nil {
		t.Errorf("got %v and error %v, want no files and %v", files, err, why)
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
	found, _, err := Walk(t.Context(), []string{root}, nil, host)
	if err != nil {
		t.Fatal(err)
	}
	same(t, pathsOf(t, root, found), want...)
	for i, f := range found {
		if string(f.Text) != files[want[i]] {
			t.Errorf("%s: got %q, want %q", want[i], f.Text, files[want[i]])
		}
	}
}

func TestWalkWithoutLetterCase(t *testing.T) {
	root := tree(t, map[string]string{".gitignore": "BUILD/\n", "build/Dockerfile": image, "Dockerfile": image, ".GIT/Dockerfile": image, "sub/.gitignore": "/X.YAML\n", "sub/x.yaml": image})
	w := walker{ctx: t.Context(), fold: true}
	if err := w.addAll([]string{root}); err != nil {
		t.Fatal(err)
	}
	w.readAll(host)
	var found []File
	for _, c := range w.found {
		found = append(found, c.File)
	}
	same(t, pathsOf(t, root, found), "Dockerfile")
}
