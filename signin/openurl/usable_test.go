package openurl

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// A browser opens by itself only where the person at the terminal sees it.
func TestUsable(t *testing.T) {
	type env = map[string]string
	display := env{"DISPLAY": ":0"}
	with := func(more env) env {
		both := maps.Clone(display)
		maps.Copy(both, more)
		return both
	}
	tests := []struct {
		name        string
		environment environment
		env         env
		want        bool
	}{
		{"F28 linux without a display", environment{system: "linux", euid: 1000}, nil, false},
		{"F28 linux with DISPLAY", environment{system: "linux", euid: 1000}, display, true},
		{"F28 linux with WAYLAND_DISPLAY", environment{system: "linux", euid: 1000}, env{"WAYLAND_DISPLAY": "wayland-0"}, true},
		{"F28 freebsd without a display", environment{system: "freebsd", euid: 1000}, nil, false},
		{"F28 macOS", environment{system: "darwin", euid: 501}, nil, true},
		{"F28 Windows", environment{system: "windows", euid: -1}, nil, true},
		{"F28 SSH to linux", environment{system: "linux", euid: 1000}, with(env{"SSH_CONNECTION": "a 1 b 22"}), false},
		{"F28 SSH terminal on linux", environment{system: "linux", euid: 1000}, with(env{"SSH_TTY": "/dev/pts/1"}), false},
		{"F28 SSH to macOS", environment{system: "darwin", euid: 501}, env{"SSH_CONNECTION": "a 1 b 22"}, false},
		{"F28 SSH to Windows", environment{system: "windows", euid: -1}, env{"SSH_CONNECTION": "a 1 b 22"}, false},
		{"F28 root on linux", environment{system: "linux", euid: 0}, display, false},
		{"F28 root on macOS", environment{system: "darwin", euid: 0}, nil, false},
		{"F28 a container", environment{system: "linux", euid: 1000, container: true}, display, false},
		{"F28 WSL with its own display", environment{system: "linux", euid: 1000}, with(env{"WSL_DISTRO_NAME": "Ubuntu"}), true},
		{"F28 WSL with wslview", environment{system: "linux", euid: 1000, wslview: func() bool { return true }}, env{"WSL_DISTRO_NAME": "Ubuntu"}, true},
		{"F28 WSL without wslview", environment{system: "linux", euid: 1000, wslview: func() bool { return false }}, env{"WSL_DISTRO_NAME": "Ubuntu"}, false},
		{"F28 wslview outside WSL", environment{system: "linux", euid: 1000, wslview: func() bool { return true }}, nil, false},
		{"I25 BROWSER without a display", environment{system: "linux", euid: 1000}, env{"BROWSER": "x"}, true},
		{"I25 BROWSER over SSH, as editors set it", environment{system: "linux", euid: 1000}, env{"BROWSER": "x", "SSH_CONNECTION": "a 1 b 22", "SSH_TTY": "/dev/pts/1"}, true},
		{"I25 BROWSER in a container, as root", environment{system: "linux", euid: 0, container: true}, env{"BROWSER": "x"}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.environment.getenv = func(name string) string { return test.env[name] }
			if test.environment.wslview == nil {
				test.environment.wslview = func() bool { t.Error("got a look for wslview, want none"); return false }
			}
			if got := test.environment.usable(); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// Usable sees the machine that it runs on.
func TestUsableHere(t *testing.T) {
	display := func(name string) string {
		if name == "DISPLAY" {
			return ":0"
		}
		return ""
	}
	defer func(marks []string) { containerMarks = marks }(containerMarks)
	mark := filepath.Join(t.TempDir(), "mark")
	containerMarks = []string{filepath.Join(t.TempDir(), "other"), mark}
	if !Usable(display, 1000) {
		t.Error("F28 outside of a container: got false, want true")
	}
	if Usable(display, 0) {
		t.Error("F28 as root: got true, want false")
	}
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if Usable(display, 1000) {
		t.Error("F28 in a container: got true, want false")
	}
}

// WSL shows Windows' browser through a program of its own.
func TestUsableInWSL(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("WSL is a Linux")
	}
	defer func(marks []string) { containerMarks = marks }(containerMarks)
	containerMarks = nil
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	wsl := func(name string) string { return map[string]string{"WSL_DISTRO_NAME": "Ubuntu"}[name] }
	if Usable(wsl, 1000) {
		t.Error("F28 without wslview: got true, want false")
	}
	script(t, dir, "wslview", "")
	if !Usable(wsl, 1000) {
		t.Error("F28 with wslview: got false, want true")
	}
}
