package openurl

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
)

// Usable reports whether the person at this terminal would see a browser that is opened
// here. getenv is os.Getenv; euid is the effective user ID, -1 if the system has none.
func Usable(getenv func(string) string, euid int) bool {
	return environment{
		system: runtime.GOOS, euid: euid, getenv: getenv,
		container: slices.ContainsFunc(containerMarks, exists),
		wslview:   func() bool { _, err := exec.LookPath("wslview"); return err == nil },
	}.usable()
}

// containerMarks are files that Docker and Podman create in containers.
var containerMarks = []string{"/.dockerenv", "/run/.containerenv"}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// environment is what Usable depends on.
type environment struct {
	system    string // as runtime.GOOS
	euid      int
	getenv    func(string) string
	container bool
	wslview   func() bool // whether Windows' browser can be opened from WSL
}

func (p environment) usable() bool {
	set := func(name string) bool { return p.getenv(name) != "" }
	switch {
	case set("BROWSER"):
		return true // set by the user, or by an editor that opens it on another machine
	case set("SSH_CONNECTION") || set("SSH_TTY"):
		return false // the person is at another machine
	case p.euid == 0 || p.container:
		return false // root would open it in the session of another user
	case p.system == "windows" || p.system == "darwin":
		return true
	case set("DISPLAY") || set("WAYLAND_DISPLAY"):
		return true
	default:
		return set("WSL_DISTRO_NAME") && p.wslview()
	}
}
