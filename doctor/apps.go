package doctor

import (
	"fmt"
	"os/exec"
	"path/filepath"

	"docker-credential-cgr/hint"
)

// Apps checks on macOS that apps that were not started from a terminal find the program that
// lookPath finds by its name. They get launchd's PATH, which lacks the folders that a shell's
// profile adds, such as /opt/homebrew/bin and ~/go/bin. Docker Desktop adds /usr/local/bin.
// system is runtime.GOOS.
func Apps(system, name string, lookPath func(string) (string, error)) Result {
	return apps(system, name, lookPath, []string{"/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"})
}

// apps is Apps with the folders in which apps look, the first of which the user can write to
// with sudo.
func apps(system, name string, lookPath func(string) (string, error), dirs []string) Result {
	const check = "program"
	found, err := lookPath(name)
	if system != "darwin" || err != nil { // if it is not in PATH, Program reports that
		return ok(check, "apps are not checked")
	}
	own := filepath.Join(dirs[0], name)
	link := hint.Text("sudo ln -sf %s %s", hint.Quote(found), own)
	for _, dir := range dirs {
		path, err := exec.LookPath(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if same, err := isSameFile(path, found); err != nil || same {
			return ok(check, "apps find %s", path)
		}
		fix := link
		if path != own {
			fix = hint.Text("sudo rm %s && %s", hint.Quote(path), link.Text)
		}
		return warning(check, fmt.Sprintf("apps that are not started from a terminal, such as Docker Desktop, will run %s, not %s", path, found), fix)
	}
	return warning(check, fmt.Sprintf("apps that are not started from a terminal, such as Docker Desktop, do not look in %s", filepath.Dir(found)), link)
}
