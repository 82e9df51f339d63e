package signin

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
)

// Usable says whether a browser may be opened here by itself: one that the person
// at this terminal would see, in their own session. getenv reads the environment;
// euid is the effective user, -1 where the system has none.
func Usable(getenv func(string) string, euid int) bool {
	return place{
		system: runtime.GOOS, euid: euid, getenv: getenv,
		container: slices.ContainsFunc(containerMarks, exists),
		wslview:   func() bool { _, err := exec.LookPath("wslview"); return err == nil },
	}.usable()
}

// containerMarks are what Docker and Podman put into their containers.
var containerMarks = []string{"/.dockerenv", "/run/.containerenv"}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// place is what tells whether a browser would be seen.
type place struct {
	system    string // as runtime.GOOS
	euid      int
	getenv    func(string) string
	container bool
	wslview   func() bool // whether Windows' browser can be opened from WSL
}

func (p place) usable() bool {
	set := func(name string) bool { return p.getenv(name) != "" }
	switch {
	case set("BROWSER"):
		return true // the user's word, and how editors open windows from far away
	case set("SSH_CONNECTION") || set("SSH_TTY"):
		return false // nobody sits at this machine
	case p.euid == 0 || p.container:
		return false // root would open it in somebody else's session
	case p.system == "windows" || p.system == "darwin":
		return true
	case set("DISPLAY") || set("WAYLAND_DISPLAY"):
		return true
	default:
		return set("WSL_DISTRO_NAME") && p.wslview()
	}
}
