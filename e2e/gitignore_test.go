package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	t.Setenv("HOME", root) // the product asks git with the environment that it has
	t.Setenv("XDG_CONFIG_HOME", root)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
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

// walked returns the paths of the files that pin.Walk finds below the folder path, which
// git has told.
func (r *repository) walked(path string) []string {
	r.Helper()
	tree := r.walk(path)
	if len(tree.Unfiltered) > 0 {
		r.Errorf("got %v read without git, want none", tree.Unfiltered)
	}
	return r.found(tree)
}

func (r *repository) walk(path string) *pin.Tree {
	r.Helper()
	tree, err := pin.Walk(r.Context(), []string{filepath.Join(r.root, path)}, nil, "cgr.dev")
	if err != nil || len(tree.Skipped) > 0 {
		r.Fatalf("got skipped %v and error %v, want neither", tree, err)
	}
	return tree
}

func (r *repository) found(tree *pin.Tree) []string {
	r.Helper()
	var all []string
	for _, f := range tree.Files {
		rel, err := filepath.Rel(r.root, f.Path)
		if err != nil {
			r.Fatal(err)
		}
		all = append(all, filepath.ToSlash(rel))
	}
	slices.Sort(all)
	return all
}

const pinnable = "image: cgr.dev/org/python:3.13\n"

func (r *repository) want(got []string, want ...string) {
	r.Helper()
	if !slices.Equal(got, want) {
		r.Errorf("got %q, want %q", got, want)
	}
}

// What is tracked is read though it is ignored, and what the user's own patterns ignore
// is not.
func TestGitignoreAsGitHasIt(t *testing.T) {
	r := newRepository(t)
	r.write(".gitignore", "tracked.yaml\nignored.yaml\nbuild/\n")
	for _, name := range []string{"tracked.yaml", "ignored.yaml", "excluded.yaml", "new.yaml", "build/a.yaml", "a/b/c.yaml", "line\nfeed.yaml", "é.yaml"} {
		r.write(name, pinnable)
	}
	r.write(".git/info/exclude", "excluded.yaml\n")
	r.git(r.root, "", "add", "--force", "tracked.yaml")
	patterns := filepath.Join(t.TempDir(), "patterns")
	if err := os.WriteFile(patterns, []byte("new.yaml\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.git(r.root, "", "config", "--global", "core.excludesFile", patterns)
	r.want(r.walked(""), "a/b/c.yaml", "line\nfeed.yaml", "tracked.yaml", "é.yaml")
	r.want(r.walked("a"), "a/b/c.yaml")

	t.Run("a folder that is named and ignored", func(t *testing.T) {
		tree := r.walk("build")
		r.want(r.found(tree), "build/a.yaml")
		if len(tree.Unfiltered) != 1 || tree.Unfiltered[0].Reason != "git ignores it" {
			t.Errorf("got %v, want that git ignores it", tree.Unfiltered)
		}
	})
	t.Run("a hook's variables", func(t *testing.T) {
		other := newRepository(t)
		t.Setenv("GIT_DIR", filepath.Join(other.root, ".git"))
		t.Setenv("GIT_WORK_TREE", other.root)
		t.Setenv("GIT_INDEX_FILE", filepath.Join(other.root, "index"))
		t.Setenv("HOME", filepath.Dir(r.root))
		t.Setenv("XDG_CONFIG_HOME", filepath.Dir(r.root))
		r.want(r.walked(""), "a/b/c.yaml", "line\nfeed.yaml", "tracked.yaml", "é.yaml")
	})
	t.Run("a merge", func(t *testing.T) { // lists a path once for each side
		id := strings.TrimSpace(r.git(r.root, pinnable, "hash-object", "-w", "--stdin"))
		r.git(r.root, "0 0000000000000000000000000000000000000000 0\ttracked.yaml\n100644 "+id+" 1\ttracked.yaml\n100644 "+id+" 2\ttracked.yaml\n", "update-index", "--index-info")
		r.want(r.walked("."), "a/b/c.yaml", "line\nfeed.yaml", "tracked.yaml", "é.yaml")
	})
}

// A repository of somebody else may have settings that run programs. None runs.
func TestGitignoreOfAHostileRepository(t *testing.T) {
	r := newRepository(t)
	r.write("a.yaml", pinnable)
	r.write("b.yaml", pinnable)
	r.git(r.root, "", "add", "a.yaml")
	ran := filepath.Join(t.TempDir(), "ran")
	evil := filepath.Join(r.root, ".git", "evil")
	if err := os.WriteFile(evil, []byte("#!/bin/sh\necho \"$0\" >> '"+ran+"'\ncat\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"core.fsmonitor", "core.pager", "pager.ls-files", "core.editor", "core.sshCommand", "filter.x.clean", "filter.x.process", "diff.external", "alias.ls-files"} {
		r.git(r.root, "", "config", setting, evil)
	}
	r.write(".gitattributes", "* filter=x\n")
	r.git(r.root, "", "config", "core.hooksPath", filepath.Join(r.root, ".git", "evil-hooks"))
	for _, hook := range []string{"post-index-change", "fsmonitor-watchman", "post-checkout", "pre-commit"} {
		r.write(".git/evil-hooks/"+hook, "#!/bin/sh\necho \"$0\" >> '"+ran+"'\n")
		if err := os.Chmod(filepath.Join(r.root, ".git", "evil-hooks", hook), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.want(r.walked(""), "a.yaml", "b.yaml")
	if out, err := os.ReadFile(ran); err == nil {
		t.Errorf("git ran %s", out)
	}
}

// A repository in which git has to fetch objects to list the files must not get it to run
// what fetches them.
func TestGitignoreOfAHostilePartialClone(t *testing.T) {
	r := newRepository(t)
	r.write("a.yaml", pinnable)
	r.write("d/b.yaml", pinnable)
	r.write("e/c.yaml", pinnable)
	r.git(r.root, "", "add", ".")
	r.git(r.root, "", "commit", "--quiet", "-m", "a")
	tree := strings.TrimSpace(r.git(r.root, "", "rev-parse", "HEAD:d"))
	r.git(r.root, "", "sparse-checkout", "set", "--cone", "--sparse-index", "e")
	r.write("d/b.yaml", pinnable) // as an archive may have it
	if err := os.Remove(filepath.Join(r.root, ".git", "objects", tree[:2], tree[2:])); err != nil {
		t.Fatal(err)
	}
	ran := filepath.Join(t.TempDir(), "ran")
	for _, remote := range []map[string]string{
		{"url": "ssh://x/y"},
		{"url": "ext::touch " + ran},
		{"url": r.root, "uploadpack": "touch '" + ran + "'; false"},
	} {
		for setting, value := range map[string]string{
			"core.repositoryFormatVersion": "1", "extensions.partialClone": "origin", "remote.origin.promisor": "true",
			"core.sshCommand": "touch '" + ran + "'; false", "protocol.allow": "always",
		} {
			r.git(r.root, "", "config", setting, value)
		}
		for setting, value := range remote {
			r.git(r.root, "", "config", "remote.origin."+setting, value)
		}
		got := r.walk("")
		r.want(r.found(got), "a.yaml", "d/b.yaml", "e/c.yaml")
		if len(got.Unfiltered) != 1 || !strings.HasPrefix(got.Unfiltered[0].Reason, "git failed: ") {
			t.Errorf("%v: got %v read without git, want all", remote, got.Unfiltered)
		}
		if _, err := os.Stat(ran); err == nil {
			t.Errorf("%v: git ran it", remote)
		}
	}
}

// What git tracks and is not there has not been checked, which is said. Nothing outside
// of the folder takes its place: the index may lead there, itself or through a link.
func TestGitignoreOfMissingFiles(t *testing.T) {
	r := newRepository(t)
	for _, name := range []string{"a.yaml", "gone.yaml", "link/d.yaml", "xx/outside/e.yaml", "sparse/b.yaml", "sparse/c.yaml"} {
		r.write(name, pinnable)
	}
	r.git(r.root, "", "add", ".")
	r.git(r.root, "", "commit", "--quiet", "-m", "a")
	missing := func(want ...string) {
		t.Helper()
		tree, err := pin.Walk(t.Context(), []string{r.root}, nil, "cgr.dev")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range tree.Skipped {
			got = append(got, strings.TrimPrefix(filepath.ToSlash(s.Path), filepath.ToSlash(r.root)+"/")+" "+s.Reason)
		}
		r.want(got, want...)
		if slices.ContainsFunc(tree.Files, func(f pin.File) bool { return !strings.HasPrefix(f.Path, r.root) }) {
			t.Errorf("got %v, want nothing outside", r.found(tree))
		}
	}
	missing()
	if err := os.Remove(filepath.Join(r.root, "gone.yaml")); err != nil {
		t.Fatal(err)
	}
	missing("gone.yaml git tracks it, but it is missing")
	r.git(r.root, "", "rm", "--quiet", "gone.yaml")
	r.git(r.root, "", "sparse-checkout", "set", "--cone", "link", "xx/outside")
	missing("sparse/b.yaml git tracks it, but it is missing (and 1 more)")
	r.git(r.root, "", "sparse-checkout", "disable")

	r.write("../outside/d.yaml", pinnable)
	r.write("../outside/e.yaml", pinnable)
	if err := os.RemoveAll(filepath.Join(r.root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../outside", filepath.Join(r.root, "link")); err != nil {
		t.Skip("this user may make no links:", err)
	}
	missing("link/d.yaml git tracks it, but it is missing")
	index := filepath.Join(r.root, ".git", "index")
	entries, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(index, bytes.ReplaceAll(entries, []byte("xx/outside"), []byte("../outside")), 0o600); err != nil {
		t.Fatal(err)
	}
	tree, _ := pin.Walk(t.Context(), []string{r.root}, nil, "cgr.dev")
	r.want(r.found(tree), "a.yaml", "sparse/b.yaml", "sparse/c.yaml", "xx/outside/e.yaml")
}

// A submodule that was copied without its .git is read whole; one that is not there yet
// is another repository's matter.
func TestGitignoreOfSubmodulesWithoutGit(t *testing.T) {
	r := newRepository(t)
	r.write("a.yaml", pinnable)
	r.write("copied/b.yaml", pinnable)
	r.write("empty/", "")
	r.git(r.root, "", "add", "a.yaml")
	for _, path := range []string{"copied", "empty"} {
		r.git(r.root, "", "update-index", "--add", "--cacheinfo", "160000,0123456789012345678901234567890123456789,"+path)
	}
	tree := r.walk("")
	r.want(r.found(tree), "a.yaml", "copied/b.yaml")
	if len(tree.Unfiltered) != 1 || filepath.Base(tree.Unfiltered[0].Path) != "copied" {
		t.Errorf("got %v read whole, want the submodule", tree.Unfiltered)
	}
}

// A repository whose settings name another work tree is read as it is there.
func TestGitignoreOfAnotherWorkTree(t *testing.T) {
	other := newRepository(t)
	r := newRepository(t)
	r.write(".gitignore", "*.yaml\n")
	r.write("a.yaml", pinnable)
	r.git(r.root, "", "init", "--quiet", "nested")
	r.write("nested/b.yaml", pinnable)
	r.write("bare/c.yaml", pinnable)
	r.git(r.root, "", "init", "--quiet", "--bare", "bare")
	for _, path := range []string{"nested", "bare", ""} {
		workTree := other.root
		if path == "bare" {
			workTree = ".." // where a .git is, but with ignored files of its own
		}
		r.git(filepath.Join(r.root, path), "", "config", "core.bare", "false")
		r.git(filepath.Join(r.root, path), "", "config", "core.worktree", workTree)
		tree := r.walk(path)
		want := map[string][]string{"nested": {"nested/b.yaml"}, "bare": {"bare/c.yaml"}, "": {"a.yaml", "bare/c.yaml", "nested/b.yaml"}}[path]
		r.want(r.found(tree), want...)
		if len(tree.Unfiltered) == 0 || !strings.Contains(tree.Unfiltered[0].Reason, "git") {
			t.Errorf("%q: got %v read without git, want it", path, tree.Unfiltered)
		}
	}
}

// Where git cannot tell, everything is read, and that is said.
func TestGitignoreWithoutGit(t *testing.T) {
	r := newRepository(t)
	r.write(".gitignore", "ignored.yaml\n")
	r.write("ignored.yaml", pinnable)
	r.write("a.yaml", pinnable)
	wantWhole := func(t *testing.T, path, why string) {
		t.Helper()
		tree := r.walk(path)
		r.want(r.found(tree), "a.yaml", "ignored.yaml")
		if len(tree.Unfiltered) != 1 || !strings.Contains(tree.Unfiltered[0].Reason, why) {
			t.Errorf("got %v, want %q", tree.Unfiltered, why)
		}
	}
	r.want(r.walked(""), "a.yaml")
	t.Run("git is not installed", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		wantWhole(t, "", "git is not installed")
	})
	t.Run("somebody else's repository", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root can give a repository to somebody else")
		}
		if err := os.Lchown(r.root, 1234999, 1234999); err != nil {
			t.Fatal(err)
		}
		wantWhole(t, "", "dubious ownership")
	})
	t.Run("no work tree", func(t *testing.T) {
		if err := os.RemoveAll(filepath.Join(r.root, ".git")); err != nil {
			t.Fatal(err)
		}
		wantWhole(t, "", "not in a git work tree")
	})
}

// A list of 200,000 patterns takes git no longer than it takes git.
func TestGitignoreLong(t *testing.T) {
	r := newRepository(t)
	var patterns strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&patterns, "a%d/**/b%d*/c\n", i, i)
	}
	r.write(".gitignore", patterns.String()+"ignored.yaml\n")
	r.write("a.yaml", pinnable)
	r.write("ignored.yaml", pinnable)
	tree := r.walk("")
	r.want(r.found(tree), "a.yaml")
	if tree.Opened != 2 {
		t.Errorf("got %d files read, want .gitignore as any other file, and a.yaml", tree.Opened)
	}
}

// TestGitignoreRepositories compares with git what is found around a submodule, a
// worktree, a clone and a .git that is none.
func TestGitignoreRepositories(t *testing.T) {
	r := newRepository(t)
	const image = pinnable
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
