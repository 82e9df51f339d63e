package doctor

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// name is the program's, by which Docker looks for it: what Docker's configuration
// calls a helper is what comes behind "docker-credential-".
const (
	name   = "docker-credential-cgr"
	helper = "cgr"
)

// program checks whose program, and whose files, a client will meet.
func (p *Patient) program() []Result {
	results := []Result{Program(p.Program, p.LookPath)}
	if sudo := Sudo(p.Getenv, p.EUID, p.Home); sudo.Status != OK {
		results = append(results, sudo)
	}
	return results
}

// Program checks that clients, which look for the helper by its name in PATH, find
// the running program, whose path is self ("" where not known). lookPath is
// exec.LookPath.
func Program(self string, lookPath func(string) (string, error)) Result {
	const check = "program"
	found, err := lookPath(name)
	if err != nil { // a find in the current folder is one too
		return failure(check, inPath(self), "%s is not in PATH, so Docker will not find it", name)
	}
	if same, err := sameFile(self, found); err != nil || same {
		return ok(check, "Docker finds %s", found)
	}
	what := "another program"
	if target, err := filepath.EvalSymlinks(found); err == nil && strings.HasPrefix(filepath.Base(target), "chainctl") {
		what = "chainctl"
	}
	return failure(check, before(self, found), "Docker will run %s (%s), not this program (%s)", found, what, self)
}

// inPath says how to get the program at self into PATH under its name.
func inPath(self string) string {
	switch {
	case self == "":
		return "put it into a folder of PATH, under the name " + name
	case runtime.GOOS == "windows":
		return "put " + self + " into a folder of PATH, under the name " + name + ".exe"
	case filepath.Base(self) == name:
		return "export PATH=" + quoted(filepath.Dir(self)) + ":$PATH (in your shell's profile too), or: " + install(self)
	}
	return install(self)
}

// before says how to have the program at self found before the one at found.
func before(self, found string) string {
	switch {
	case runtime.GOOS == "windows":
		return "remove " + found + ", or put the folder of " + self + " before its folder in PATH"
	case filepath.Base(self) == name:
		return "export PATH=" + quoted(filepath.Dir(self)) + ":$PATH (in your shell's profile too), or: sudo rm " + quoted(found)
	}
	return "sudo rm " + quoted(found) + " && " + install(self)
}

func install(self string) string {
	return "sudo install " + quoted(self) + " /usr/local/bin/" + name
}

func sameFile(a, b string) (bool, error) {
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

// Sudo notices whose Docker is looked at, or changed, when the program runs with
// root's rights that another user lent: a failure where the files of that user
// would become root's.
func Sudo(getenv func(string) string, euid int, home string) Result {
	const check = "program"
	who := getenv("SUDO_USER")
	if euid != 0 {
		return ok(check, "not run by sudo")
	}
	if who == "" || who == "root" {
		if owner, known := ownerOf(home); known && owner != 0 {
			return failure(check, "run it as the user of that directory, or set HOME to root's: HOME=/root",
				"run as root, but HOME is %s, which is not root's: its files would become root's", home)
		}
		return ok(check, "not run by sudo")
	}
	if dir := getenv("DOCKER_CONFIG"); dir != "" {
		if owner, known := ownerOf(dir); known && owner != 0 {
			return failure(check, "run it without sudo for "+who+"'s own Docker, or unset DOCKER_CONFIG for root's",
				"run by sudo, but DOCKER_CONFIG is %s, which is not root's: the file in it would become root's", dir)
		}
	}
	if owner, known := ownerOf(home); known && owner != 0 {
		return failure(check, "run it without sudo for "+who+"'s own Docker, or with sudo -H for root's",
			"run by sudo, but HOME is %s, which is not root's: its files would become root's", home)
	}
	return warning(check, "for "+who+"'s own run it without sudo",
		"run by sudo: this is for root's Docker (%s), which sudo docker uses", home)
}
