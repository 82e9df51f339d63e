package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCorpus pins files like those of public repositories. Only references to images of the registry
// may change.
func TestCorpus(t *testing.T) {
	c := newCorpus(t)
	c.platform.ResetCounts()
	t.Run("DryRun", c.testDryRun)
	t.Run("Left", c.testLeft)
	t.Run("Pin", c.testPin)
	t.Run("DropTag", c.testDropTag)
	t.Run("GitApply", c.testGitApply)
	t.Run("Update", c.testUpdate) // moves tags
}

// pin runs images pin in a folder and returns its output.
func (c *corpus) pin(t *testing.T, root string, wantCode int, flags ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.binary, append([]string{"images", "pin", "."}, flags...)...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = root, c.environ, &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != wantCode {
		t.Fatalf("images pin %q: got exit code %d, want %d:\n%s%s", flags, code, wantCode, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// wantRequests checks how many images were requested since the last call.
func (c *corpus) wantRequests(t *testing.T, what string, images int) {
	t.Helper()
	if got := c.platform.Count("registry.manifest"); got != images {
		t.Errorf("%s: got %d images requested, want %d", what, got, images)
	}
	if got := c.platform.Count(""); images == 0 && got != 0 {
		t.Errorf("%s: got %d requests, want none", what, got)
	}
	c.platform.ResetCounts()
}

func (c *corpus) testDryRun(t *testing.T) {
	root := c.tree(t)
	got := c.pin(t, root, 0, "--dry-run")
	c.wantRequests(t, "dry run", len(c.digests))
	const head = "--- a/"
	parts := slices.Collect(strings.SplitSeq("\n"+got, "\n"+head))[1:]
	for _, name := range slices.Sorted(maps.Keys(c.diffs)) {
		want := c.diff(name, false)
		if want == "" {
			continue
		}
		got := ""
		if len(parts) > 0 && strings.TrimRight(strings.SplitN(parts[0], "\n", 2)[0], "\t") == name {
			got, parts = strings.TrimSuffix(head+parts[0], "\n")+"\n", parts[1:]
		}
		if got != want {
			t.Errorf("%s: got\n%s, want\n%s", name, got, want)
		}
	}
	if len(parts) > 0 {
		t.Errorf("got too much, from here on:\n%s%s", head, parts[0])
	}
	wantTree(t, root, c.files)
}

// testLeft compares the references that stay unpinned with those noted in the corpus.
func (c *corpus) testLeft(t *testing.T) {
	var report struct {
		Items []struct {
			File, Image, State, Why string
			Line                    int
		}
		Skipped []struct{ File, Why string }
	}
	printed := c.pin(t, c.tree(t), 0, "--dry-run", "-o", "json")
	if err := json.Unmarshal([]byte(printed), &report); err != nil {
		t.Fatalf("%v in %s", err, printed)
	}
	got := map[string]string{}
	for _, r := range report.Items {
		if r.State == "left" {
			got[strings.TrimPrefix(r.File, "./")] += fmt.Sprintf("%d: %s\n", r.Line, r.Image)
		}
		if !strings.HasPrefix(r.File, "./") {
			t.Errorf("%s:%d does not begin with ./", r.File, r.Line)
		}
		if slices.Contains([]string{"left", "comment", "built"}, r.State) != (r.Why != "") {
			t.Errorf("%s:%d is %s, and why is %q", r.File, r.Line, r.State, r.Why)
		}
	}
	for _, s := range report.Skipped {
		got[strings.TrimPrefix(s.File, "./")] += "all: not read\n"
	}
	for name := range c.files {
		if got[name] != c.left[name] {
			t.Errorf("%s: got left\n%s, want\n%s", name, got[name], c.left[name])
		}
	}
	c.platform.ResetCounts()
}

func (c *corpus) testPin(t *testing.T) {
	root := c.tree(t)
	c.pin(t, root, 1, "--check")
	c.wantRequests(t, "check", 0)
	wantTree(t, root, c.files)

	c.pin(t, root, 0)
	c.wantRequests(t, "pin", len(c.digests))
	want := c.want(t, false)
	wantTree(t, root, want)
	for name, f := range want {
		if !onlyPinned(c.files[name].text, f.text) && !c.inParts(name) {
			t.Errorf("%s: without the digests it is not what it was:\n%s", name, f.text)
		}
	}

	c.pin(t, root, 0)
	c.pin(t, root, 0, c.settled("--check")...)
	rest := c.pin(t, root, 1, "--check")
	if got, want := strings.Count(rest, " cannot be pinned: "), strings.Count(rest, "\n"); got != want || got == 0 {
		t.Errorf("got %d of %d that cannot be pinned, want all:\n%s", got, want, rest)
	}
	c.wantRequests(t, "once everything is pinned", 0)
	wantTree(t, root, want)
}

// inParts reports whether a file has images in parts, whose digests are in separate keys.
func (c *corpus) inParts(name string) bool {
	return strings.Contains(c.files[name].text, "newTag:") || strings.Contains(c.files[name].text, "digest:")
}

// onlyPinned reports whether a text differs from another one only by digests, and by "latest" before
// them if there was no tag.
func onlyPinned(before, after string) bool {
	insertion := regexp.MustCompile(`^(:latest)?@sha256:[0-9a-f]{64}`)
	for after != "" {
		if before != "" && before[0] == after[0] {
			before, after = before[1:], after[1:]
			continue
		}
		pin := insertion.FindString(after)
		if pin == "" {
			return false
		}
		after = after[len(pin):]
	}
	return before == ""
}

func (c *corpus) testDropTag(t *testing.T) {
	root := c.tree(t)
	c.pin(t, root, 0, "--keep-tag=no")
	c.wantRequests(t, "pin --keep-tag=no", len(c.digests))
	wantTree(t, root, c.want(t, true))
	c.pin(t, root, 0, c.settled("--check")...)
	c.wantRequests(t, "check", 0)
}

// settled adds flags that exclude the files with references that cannot be pinned.
func (c *corpus) settled(flags ...string) []string {
	for name := range c.left {
		flags = append(flags, "--exclude", "/"+name)
	}
	return flags
}

// testGitApply applies the printed diff with git and with patch.
func (c *corpus) testGitApply(t *testing.T) {
	for _, command := range [][]string{{"git", "apply", "-"}, {"patch", "--quiet", "-p1"}} {
		t.Run(command[0], func(t *testing.T) {
			if _, err := exec.LookPath(command[0]); err != nil {
				t.Skip(command[0] + " is not installed")
			}
			root := c.tree(t)
			diff := c.pin(t, root, 0, "--dry-run")
			cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
			cmd.Dir, cmd.Stdin = root, strings.NewReader(diff)
			cmd.Env = append(slices.Clone(c.environ), "GIT_CONFIG_NOSYSTEM=1", "GIT_CEILING_DIRECTORIES="+filepath.Dir(root))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", command, err, out)
			}
			want := c.want(t, false)
			for name, f := range want {
				want[name] = file{text: f.text} // they give files their own modes
			}
			wantTree(t, root, want)
		})
	}
	c.platform.ResetCounts()
}

// testUpdate moves tags after they were pinned.
func (c *corpus) testUpdate(t *testing.T) {
	root := c.tree(t)
	c.pin(t, root, 0)
	for _, image := range []string{"example.com/python:3.13", "chainguard/static:latest", "example.com/redis:8"} {
		c.digests[image] = c.move(t, image)
	}
	c.platform.ResetCounts()
	c.pin(t, root, 0, c.settled("--check")...)
	c.wantRequests(t, "check", 0)
	c.pin(t, root, 1, c.settled("--check", "--update")...)
	c.platform.ResetCounts()
	c.pin(t, root, 1, "--check", "--update")
	c.wantRequests(t, "check --update", len(c.digests))

	// References that were pinned before the test are updated too, if they have a tag.
	pinned := regexp.MustCompile(regexp.QuoteMeta(c.platform.RegistryHost()+"/") + `([\w./-]+:[\w.-]+)@sha256:[0-9a-f]{64}`)
	want := c.want(t, false)
	for name, f := range want {
		f.text = pinned.ReplaceAllStringFunc(f.text, func(found string) string {
			image := pinned.FindStringSubmatch(found)[1]
			return c.platform.RegistryHost() + "/" + image + "@" + c.digests[image]
		})
		want[name] = f
	}
	c.pin(t, root, 0, "--update")
	c.wantRequests(t, "pin --update", len(c.digests))
	wantTree(t, root, want)
	c.pin(t, root, 0, c.settled("--check", "--update")...)
}

// TestEachKind pins a repository with unpinned references in each kind of file that is written.
// --check lists each of them, and succeeds after images pin.
func TestEachKind(t *testing.T) {
	c := newCorpus(t)
	maps.DeleteFunc(c.files, func(name string, _ file) bool { return !strings.HasPrefix(name, "kinds/") })
	root := c.tree(t)
	listed := c.pin(t, root, 1, "--check")
	unpinned := 0
	removed := regexp.MustCompile(`(?m)^-[^-].*$`)
	for name := range c.files {
		if c.left[name] != "" {
			t.Errorf("%s: %s is left, want everything pinned", name, c.left[name])
		}
		for _, line := range removed.FindAllString(c.diffs[name], -1) {
			unpinned++
			number := 1 + strings.Count(c.files[name].text[:strings.Index(c.files[name].text, "\n"+line[1:]+"\n")+1], "\n")
			// An image in parts is listed at the line of its name, some lines above.
			found := false
			for at := number; at > number-4 && !found; at-- {
				found = strings.Contains(listed, fmt.Sprintf("./%s:%d: ", name, at))
			}
			if !found {
				t.Errorf("%s:%d is not listed:\n%s", name, number, listed)
			}
		}
	}
	if unpinned < 35 {
		t.Errorf("got %d references, want at least 35", unpinned)
	}
	c.pin(t, root, 0)
	wantTree(t, root, c.want(t, false))
	if rest := c.pin(t, root, 0, "--check"); rest != "" {
		t.Errorf("got %s, want nothing", rest)
	}
	c.pin(t, root, 0, "--check", "--update")
}
