package pin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/platform"
)

// gitTimeout is how long git may take for one answer: settings of a repository can name a
// file that never ends.
var gitTimeout = time.Minute

// gitFile is a file that git lists.
type gitFile struct {
	name    string // its path from the folder, with slashes; one at its end for a repository
	tracked bool
}

// gitFiles asks git which files of a folder are tracked, or are not ignored. why says why
// git cannot tell; unread, that git could not look everywhere.
func gitFiles(ctx context.Context, dir string) (files []gitFile, why string, unread error) {
	top := workTree(dir)
	if top == "" {
		return nil, "it is not in a git work tree", nil
	}
	said, _, why := git(ctx, dir, "rev-parse", "--show-toplevel")
	if why == "" && !sameFile(strings.TrimSuffix(said, "\n"), top) {
		why = "git takes another folder for the work tree"
	}
	if why != "" {
		return nil, why, nil
	}
	out, warning, why := git(ctx, dir, "ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard")
	if why != "" {
		return nil, why, nil
	}
	if strings.Contains(warning, "could not open directory") {
		unread = fmt.Errorf("git: %s", firstLine(warning))
	}
	for entry := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		if tag, name, ok := strings.Cut(entry, " "); ok && name != "" {
			files = append(files, gitFile{name, tag != "?"})
		}
	}
	slices.SortFunc(files, func(a, b gitFile) int { return strings.Compare(a.name, b.name) })
	return slices.CompactFunc(files, func(a, b gitFile) bool { return a.name == b.name }), "", unread
}

// gitIgnores reports whether git ignores all of a folder in its repository.
func gitIgnores(ctx context.Context, dir string) bool {
	if hasGit(dir) {
		return false
	}
	_, _, why := git(ctx, dir, "check-ignore", "--quiet", ".")
	return why == ""
}

// git runs git in a folder. why says why its answer cannot be used; empty if it can.
//
// The repository may be somebody else's, and hostile: git must run no program of its
// settings. These commands run no hooks and filters. The file system monitor is switched
// off, and objects that a partial clone left out are not fetched, since both are programs.
// Where one is missing, git says so and succeeds nevertheless.
func git(ctx context.Context, dir string, args ...string) (out, warning, why string) {
	limited, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	c := exec.CommandContext(limited, "git", append([]string{"--no-pager", "-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit", "-C", dir}, args...)...)
	c.Env = append(slices.DeleteFunc(os.Environ(), isGitVariable), "GIT_OPTIONAL_LOCKS=0", "GIT_ALLOW_PROTOCOL=none", "GIT_NO_LAZY_FETCH=1", "LC_ALL=C")
	c.WaitDelay = time.Second // for what git started and left behind
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		why = "git is not installed"
	case limited.Err() != nil:
		why = "git took over " + gitTimeout.String()
	case err != nil:
		why = "git failed: " + firstLine(cmp.Or(stderr.String(), err.Error()))
	default:
		for line := range strings.Lines(stderr.String()) {
			if strings.HasPrefix(line, "error:") || strings.HasPrefix(line, "fatal:") {
				why = "git failed: " + firstLine(line)
				break
			}
		}
	}
	return stdout.String(), stderr.String(), why
}

// firstLine returns the first line of what git said, printable.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return platform.Printable(line)
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

// workTree returns the folder itself, given from the root, or the first one above it that
// has a .git; nothing if none has.
func workTree(dir string) string {
	for !hasGit(dir) {
		above := filepath.Dir(dir)
		if above == dir {
			return ""
		}
		dir = above
	}
	return dir
}
