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

// gitTimeout is how long one git command may take. The settings of a repository can name a
// file that never ends.
var gitTimeout = time.Minute

// gitFile is a file that git lists.
type gitFile struct {
	name      string // relative to the folder, with slashes; with one at the end for a repository
	isTracked bool
}

// gitFiles returns the files of a folder that git tracks or does not ignore. unread is the
// first folder that git could not read. err is why git cannot list the files.
func gitFiles(ctx context.Context, dir string) (files []gitFile, unread, err error) {
	top := workTree(dir)
	if top == "" {
		return nil, nil, errors.New("it is not in a git work tree")
	}
	gitTop, _, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err == nil && !sameFile(strings.TrimSuffix(gitTop, "\n"), top) {
		err = errors.New("git takes another folder for the work tree")
	}
	if err != nil {
		return nil, nil, err
	}
	out, warning, err := git(ctx, dir, "ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return nil, nil, err
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
	return slices.CompactFunc(files, func(a, b gitFile) bool { return a.name == b.name }), unread, nil
}

// gitIgnores reports whether a folder is ignored by the repository that it is in.
func gitIgnores(ctx context.Context, dir string) bool {
	if hasGit(dir) {
		return false
	}
	_, _, err := git(ctx, dir, "check-ignore", "--quiet", ".")
	return err == nil
}

// git runs git in a folder.
//
// The repository may be hostile, and git must run no program that its settings name. These
// commands run no hooks and no filters. The file system monitor is a program and is switched
// off. So is fetching objects that a partial clone lacks; git then reports an error for each
// and still succeeds, so that any error it prints counts.
func git(ctx context.Context, dir string, args ...string) (out, warning string, err error) {
	limited, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	c := exec.CommandContext(limited, "git",
		append([]string{"--no-pager", "-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit", "-C", dir}, args...)...)
	c.Env = append(slices.DeleteFunc(os.Environ(), selectsRepository),
		"GIT_OPTIONAL_LOCKS=0", "GIT_ALLOW_PROTOCOL=none", "GIT_NO_LAZY_FETCH=1", "LC_ALL=C")
	c.WaitDelay = time.Second // for processes that git started
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err = c.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		err = errors.New("git is not installed")
	case limited.Err() != nil:
		err = fmt.Errorf("git took over %s", gitTimeout)
	case err != nil:
		err = fmt.Errorf("git failed: %s", firstLine(cmp.Or(stderr.String(), err.Error())))
	default:
		for line := range strings.Lines(stderr.String()) {
			if strings.HasPrefix(line, "error:") || strings.HasPrefix(line, "fatal:") {
				err = fmt.Errorf("git failed: %s", firstLine(line))
				break
			}
		}
	}
	return stdout.String(), stderr.String(), err
}

// firstLine returns the first line of git's output, printable.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return platform.Printable(line)
}

// selectsRepository reports whether a variable could direct git to another repository, as
// those of a hook do. The variables for the user's own settings do not.
func selectsRepository(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	switch name {
	case "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH":
		return false
	}
	return strings.HasPrefix(strings.ToUpper(name), "GIT_")
}

// workTree returns dir or the closest folder above it that has a .git, or "".
func workTree(dir string) string {
	for !hasGit(dir) {
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
	return dir
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
