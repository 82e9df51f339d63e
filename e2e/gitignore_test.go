package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"docker-credential-cgr/pin"
)

// repository is a folder that git and pin.Walk look at.
type repository struct {
	testing.TB
	root    string
	environ []string
}

func newRepository(t testing.TB) *repository {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &repository{TB: t, root: filepath.Join(root, "r")}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GIT_") { // a hook that runs the tests sets some
			r.environ = append(r.environ, v)
		}
	}
	r.environ = append(r.environ, "HOME="+root, "XDG_CONFIG_HOME="+root, "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C")
	r.git(root, "", "init", "--quiet", r.root)
	return r
}

// git runs git in dir and gives what it printed.
func (r *repository) git(dir, input string, args ...string) string {
	r.Helper()
	c := exec.Command("git", append([]string{"-c", "core.quotePath=false", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"}, args...)...)
	c.Dir, c.Env, c.Stdin = dir, r.environ, strings.NewReader(input)
	var complaint bytes.Buffer
	c.Stderr = &complaint
	out, err := c.Output()
	if none := args[0] == "check-ignore" && c.ProcessState.ExitCode() == 1; err != nil && !none {
		r.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, complaint.String())
	}
	return string(out)
}

// write writes a file; a path with "/" at its end is a folder.
func (r *repository) write(path, text string) {
	r.Helper()
	full := filepath.Join(r.root, filepath.FromSlash(path))
	dir := filepath.Dir(full)
	if strings.HasSuffix(path, "/") {
		dir = full
	}
	err := os.MkdirAll(dir, 0o755)
	if err == nil && dir != full {
		err = os.WriteFile(full, []byte(text), 0o644)
	}
	if err != nil {
		r.Fatal(err)
	}
}

// listed gives the paths of the YAML files below the folder path that git does not
// ignore, by git's own word for each of the repositories there.
func (r *repository) listed(path string, repositories ...string) []string {
	r.Helper()
	var all []string
	for _, repository := range append([]string{path}, repositories...) {
		out := r.git(filepath.Join(r.root, repository), "", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
		for name := range strings.SplitSeq(out, "\x00") {
			if strings.HasSuffix(name, ".yaml") {
				all = append(all, filepath.ToSlash(filepath.Join(repository, name)))
			}
		}
	}
	slices.Sort(all)
	return all
}

// walked gives the paths of the files that pin.Walk finds below the folder path.
func (r *repository) walked(path string) []string {
	r.Helper()
	files, skipped, err := pin.Walk(r.Context(), []string{filepath.Join(r.root, path)}, nil, "cgr.dev")
	if err != nil || len(skipped) > 0 {
		r.Fatalf("got skipped %v and error %v, want neither", skipped, err)
	}
	var all []string
	for _, f := range files {
		rel, err := filepath.Rel(r.root, f.Path)
		if err != nil {
			r.Fatal(err)
		}
		all = append(all, filepath.ToSlash(rel))
	}
	slices.Sort(all)
	return all
}

// joinsStars says whether this git takes the stars of "a**/b" for a whole part of the
// path, against its own documentation, as it did before 2.52.
func (r *repository) joinsStars() bool {
	r.Helper()
	r.write("stars/.gitignore", "a**/b\n")
	r.write("stars/ax/y/b", "")
	old := r.git(r.root, "stars/ax/y/b", "check-ignore", "--no-index", "--stdin") != ""
	if err := os.RemoveAll(filepath.Join(r.root, "stars")); err != nil {
		r.Fatal(err)
	}
	return old
}

// TestGitignoreTable holds the table by which the product tests its patterns against
// git.
func TestGitignoreTable(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("some names in the table can be made on Linux alone")
	}
	table, err := os.ReadFile("../pin/testdata/gitignore.txt")
	if err != nil {
		t.Fatal(err)
	}
	r := newRepository(t)
	old := r.joinsStars()
	type row struct{ line, path, want string }
	var rows []row
	var paths strings.Builder
	for line := range strings.Lines(string(table)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		text, rest := unquoted(t, line)
		path, rest := unquoted(t, rest)
		words := strings.Fields(rest)
		if len(words) == 2 && old { // the table has what git says today
			words[0] = map[string]string{"kept": "ignored", "ignored": "kept"}[words[0]]
		}
		dir := fmt.Sprintf("row%d/", len(rows))
		r.write(dir+path, "")
		r.write(dir+".gitignore", text)
		rows = append(rows, row{strings.TrimSpace(line), dir + strings.TrimSuffix(path, "/"), words[0]})
		paths.WriteString(rows[len(rows)-1].path + "\x00")
	}
	ignored := strings.Split(r.git(r.root, paths.String(), "check-ignore", "--no-index", "--stdin", "-z"), "\x00")
	for _, row := range rows {
		got := "kept"
		if slices.Contains(ignored, row.path) {
			got = "ignored"
		}
		if got != row.want {
			t.Errorf("%s: git says %s", row.line, got)
		}
	}
}

// unquoted takes the quoted text off the front of line.
func unquoted(t *testing.T, line string) (text, rest string) {
	t.Helper()
	line = strings.TrimLeft(line, " ")
	quoted, err := strconv.QuotedPrefix(line)
	if err == nil {
		text, err = strconv.Unquote(quoted)
	}
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return text, line[len(quoted):]
}

// TestGitignoreRepositories compares with git what is found around a submodule, a
// worktree, a clone and a .git that is none.
func TestGitignoreRepositories(t *testing.T) {
	r := newRepository(t)
	const image = "image: cgr.dev/org/python:3.13\n"
	other := newRepository(t)
	other.write("a.yaml", image)
	other.write("b.yaml", image)
	other.write(".gitignore", "b.yaml\n")
	other.git(other.root, "", "add", ".")
	other.git(other.root, "", "commit", "--quiet", "-m", "a")

	r.write(".gitignore", "a.yaml\n/ignored/\n")
	r.write(".git/info/exclude", "c.yaml\n")
	r.git(r.root, "", "add", ".")
	r.git(r.root, "", "commit", "--quiet", "-m", "a")
	r.git(r.root, "", "submodule", "--quiet", "add", other.root, "sub")
	r.git(r.root, "", "clone", "--quiet", other.root, "clone")
	r.git(r.root, "", "clone", "--quiet", other.root, "ignored/clone")
	r.git(r.root, "", "worktree", "add", "--quiet", "--detach", "tree")
	r.write(".git/modules/sub/info/exclude", "d.yaml\n")
	r.write("none/.git/", "")
	r.write("lost/.git", "gitdir: ../.git/modules/lost\n")
	for _, dir := range []string{"", "sub", "sub/in", "clone", "clone/in", "tree", "tree/in", "none", "lost", "lost/in", ".github", "in/.git"} {
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			r.write(dir+"/"+name+".yaml", image)
		}
	}
	if got, want := r.walked(""), r.listed("", "sub", "clone", "tree"); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, dir := range []string{"sub/in", "clone/in", "tree/in", ".github"} {
		if got, want := r.walked(dir), r.listed(dir); !slices.Equal(got, want) {
			t.Errorf("%s: got  %q\nwant %q", dir, got, want)
		}
	}
}

// pieces are what the patterns of FuzzGitignore are made of, one a byte.
var pieces = [...]string{
	"\n", "/", "*", "**", "?", "[", "]", "!", "\\", " ", "-", "^", "#", ".", "a", "b", "A", "\r\n", "\t", "é", "\xc3", ":",
	"*\n", "\n!", "\n/", "/**/", "/**\n", "**/", "*/", "/*", ".yaml\n", "*.yaml\n", "!*.yaml\n", "a/", "b/", "ab", "a b", "*\n!*/\n", "[ab]", "[!a]", "[^b]", "[a-c]",
	"[[:alpha:]]", "[[:punct:]-a]", "[]a]", `\[`, `\ `, "[[:", ":]", "\ufeff", "[\\", "b-", "\x00", "***", ".yaml",
}

// ignoreFiles are the files with patterns in the tree of FuzzGitignore.
var ignoreFiles = [...]string{".gitignore", ".git/info/exclude", "a/.gitignore", "a/b/.gitignore"}

// FuzzGitignore compares with git what pin.Walk leaves out of a tree of 156 files with
// these patterns. A byte is one of the pieces, and 255 goes on with the next file.
func FuzzGitignore(f *testing.F) {
	if runtime.GOOS != "linux" {
		f.Skip("some names in the tree can be made on Linux alone")
	}
	r := newRepository(f)
	old := r.joinsStars()
	dirs := []string{""}
	for i := 0; i < len(dirs) && strings.Count(dirs[i], "/") < 2; i++ {
		for _, name := range []string{"a", "b", "a b"} {
			dirs = append(dirs, dirs[i]+name+"/")
		}
	}
	for _, dir := range dirs {
		for _, name := range []string{"a", "b", "ab", "A", "", "a ", "!a", "#", "[a]", `\`, "-", "é"} {
			r.write(dir+name+".yaml", "image: cgr.dev/org/python:3.13\n")
		}
	}
	for _, seed := range []string{"*\n!*/\n!*.yaml\n", "a/", "a/**/b.yaml\n", "**/a/*\n!a.yaml\n", "/*\n!/a\n!/a b/\n", "[!a].yaml\n", "[[:alpha:]]*.yaml\n!b/\n", `\!a.yaml`, "a b/\n!b/*.yaml\r\n"} {
		f.Add(append(spelled(seed), append([]byte{255, 255}, spelled("!*.yaml\n")...)...))
		f.Add(append([]byte{255}, spelled(seed)...))
		f.Add(append([]byte{255, 255, 255}, spelled(seed)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := *r
		r.TB = t
		texts := bytes.Split(data, []byte{255})
		for i, path := range ignoreFiles {
			var text strings.Builder
			if i < len(texts) {
				for _, b := range texts[i] {
					text.WriteString(pieces[int(b)%len(pieces)])
				}
			}
			patterns := text.String()
			if old {
				patterns = withoutJoinedStars(patterns)
			}
			r.write(path, patterns)
		}
		want := r.listed("")
		for _, dir := range []string{"", "a/", "a/b/"} {
			want = slices.DeleteFunc(want, func(path string) bool { return !strings.HasPrefix(path, dir) })
			got := r.walked(dir)
			if slices.Equal(got, want) {
				continue
			}
			if len(want) == 0 && r.git(r.root, dir, "check-ignore", "--no-index", "--stdin") != "" {
				continue // a folder that is named is walked all the same
			}
			t.Errorf("below %q, with the patterns %q:\ngot  %q\nwant %q", dir, r.patterns(), got, want)
		}
	})
}

// spelled gives the bytes that stand for a text in FuzzGitignore, the longest pieces first.
func spelled(text string) []byte {
	var out []byte
	for text != "" {
		best := -1
		for i, piece := range pieces {
			if strings.HasPrefix(text, piece) && (best < 0 || len(piece) > len(pieces[best])) {
				best = i
			}
		}
		if best < 0 {
			panic("no piece for " + text)
		}
		out = append(out, byte(best))
		text = text[len(pieces[best]):]
	}
	return out
}

// withoutJoinedStars makes one star of several that stand behind a plain text, which
// git before 2.52 takes for more than that.
func withoutJoinedStars(patterns string) string {
	lines := strings.SplitAfter(patterns, "\n")
	for i, line := range lines {
		start := 0
		if strings.HasPrefix(line, "!") {
			start = 1
		}
		at := strings.IndexAny(line[start:], "*?[\\") + start
		if at > start && line[at-1] != '/' && strings.HasPrefix(line[at:], "**") {
			lines[i] = line[:at] + "*" + strings.TrimLeft(line[at:], "*")
		}
	}
	return strings.Join(lines, "")
}

// patterns gives the patterns that are there, for a message.
func (r *repository) patterns() map[string]string {
	r.Helper()
	all := map[string]string{}
	for _, path := range ignoreFiles {
		text, err := os.ReadFile(filepath.Join(r.root, path))
		if err != nil {
			r.Fatal(err)
		}
		if len(text) > 0 {
			all[path] = string(text)
		}
	}
	return all
}
