package pin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"docker-credential-cgr/platform"
)

// gitFiles asks git which files of a folder are tracked, or are not ignored: by their
// paths from there, with slashes between the parts, and one at the end of a repository
// within. why says why git cannot tell; unread, that git could not look everywhere.
//
// The repository may be somebody else's, and hostile: git runs no program of its
// settings here. It runs no hooks and filters for this; the file system monitor is
// switched off.
func gitFiles(ctx context.Context, dir string) (names []string, why string, unread error) {
	if !inWorkTree(dir) {
		return nil, "it is not in a git work tree", nil
	}
	c, stderr := gitCommand(ctx, dir, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	out, err := c.Output()
	said, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
	said = platform.Printable(said)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, "git is not installed", nil
	case err != nil:
		return nil, "git failed: " + said, nil
	case strings.Contains(stderr.String(), "could not open directory"):
		unread = fmt.Errorf("git: %s", said)
	}
	names = strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" }), "", unread
}

// gitIgnores reports whether git ignores all of a folder in its repository.
func gitIgnores(ctx context.Context, dir string) bool {
	if hasGit(dir) || !inWorkTree(dir) {
		return false
	}
	c, _ := gitCommand(ctx, dir, "check-ignore", "--quiet", ".")
	return c.Run() == nil
}

func gitCommand(ctx context.Context, dir string, args ...string) (c *exec.Cmd, stderr *bytes.Buffer) {
	c = exec.CommandContext(ctx, "git", append([]string{"--no-pager", "-c", "core.fsmonitor=false", "-C", dir}, args...)...)
	c.Env = append(slices.DeleteFunc(os.Environ(), isGitVariable), "GIT_OPTIONAL_LOCKS=0", "LC_ALL=C")
	stderr = &bytes.Buffer{}
	c.Stderr = stderr
	return c, stderr
}

// isGitVariable reports whether a variable could have git look at another repository
// than the one the folder is in, as a hook's variables do. Where the user's own settings
// are is no such thing.
func isGitVariable(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	switch name {
	case "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH":
		return false
	}
	return strings.HasPrefix(strings.ToUpper(name), "GIT_")
}

// inWorkTree reports whether a folder, given from the root, or one above it has a .git,
// so that it is worth to ask.
func inWorkTree(dir string) bool {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		above := filepath.Dir(dir)
		if above == dir {
			return false
		}
		dir = above
	}
}
