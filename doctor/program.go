package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"docker-credential-cgr/atomicfile"
	"docker-credential-cgr/hint"
)

// checkProgram checks which program, and whose files, a client will use.
func (c *Checker) checkProgram() []Result {
	results := []Result{Program(c.Name, c.Executable, c.LookPath)}
	for _, r := range []Result{Apps(c.System, c.Name, c.LookPath), Sudo(c.Getenv, c.EUID, c.Home)} {
		if r.Status != OK {
			results = append(results, r)
		}
	}
	return results
}

// Program checks that clients, which look for a program called name in PATH, find the
// running one. self is its path, or "" if it is not known. lookPath is exec.LookPath.
func Program(name, self string, lookPath func(string) (string, error)) Result {
	const check = "program"
	found, err := lookPath(name)
	if err != nil { // also if it is in the current directory
		return failure(check, name+" is not in PATH, so Docker will not find it", putFirst(name, self, ""))
	}
	if same, err := isSameFile(self, found); err != nil || same {
		return ok(check, "Docker finds %s", found)
	}
	what := "another program"
	if target, err := filepath.EvalSymlinks(found); err == nil && strings.HasPrefix(filepath.Base(target), "chainctl") {
		what = "chainctl"
	}
	return failure(check, fmt.Sprintf("Docker will run %s (%s), not this program (%s)", found, what, self), putFirst(name, self, found))
}

// putFirst returns how to make clients find the program at self, and not the one at found,
// if that is not "".
func putFirst(name, self, found string) hint.Hint {
	export := "export PATH=" + hint.Quote(filepath.Dir(self)) + ":$PATH (in your shell's profile too), or: "
	install := "sudo install " + hint.Quote(self) + " /usr/local/bin/" + name
	remove := "sudo rm " + hint.Quote(found)
	hasName := filepath.Base(self) == name
	switch {
	case self == "" || runtime.GOOS == "windows":
		return hint.Text("put it into the first directory in PATH, under the name %s", name)
	case hasName && found == "":
		return hint.Text("%s", export+install)
	case hasName:
		return hint.Text("%s", export+remove)
	case found == "":
		return hint.Text("%s", install)
	}
	return hint.Text("%s", remove+" && "+install)
}

func isSameFile(a, b string) (bool, error) {
	infoA, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	infoB, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(infoA, infoB), nil
}

// Sudo checks whose Docker is configured if the program runs as root. It is a failure if
// files of another user would become root's.
func Sudo(getenv func(string) string, euid int, home string) Result {
	const check = "program"
	user := getenv("SUDO_USER")
	isSudo := user != "" && user != "root"
	switch {
	case euid != 0, !isSudo && !isOtherUsers(home):
		return ok(check, "not run by sudo")
	case !isSudo:
		return failure(check, fmt.Sprintf("run as root, but HOME is %s, which is not root's: its files would become root's", home),
			hint.Text("run it as the user of that directory, or set HOME to root's: HOME=/root"))
	case isOtherUsers(getenv("DOCKER_CONFIG")):
		return failure(check, fmt.Sprintf("run by sudo, but DOCKER_CONFIG is %s, which is not root's: the file in it would become root's", getenv("DOCKER_CONFIG")),
			hint.Text("run it without sudo for %s's own Docker, or unset DOCKER_CONFIG for root's", user))
	case isOtherUsers(home):
		return failure(check, fmt.Sprintf("run by sudo, but HOME is %s, which is not root's: its files would become root's", home),
			hint.Text("run it without sudo for %s's own Docker, or with sudo -H for root's", user))
	}
	return warning(check, fmt.Sprintf("run by sudo: this is for root's Docker (%s), which sudo docker uses", home),
		hint.Text("for %s's own run it without sudo", user))
}

// ownerOf returns the user that a file belongs to.
func ownerOf(path string) (uid int, known bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	return atomicfile.OwnerOf(info)
}

// isOtherUsers reports whether a file exists and is not root's.
func isOtherUsers(path string) bool {
	owner, known := ownerOf(path)
	return known && owner != 0
}
