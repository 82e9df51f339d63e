//go:build e2e && linux

package clients

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// isolated gives a command that runs in a mount namespace of its own. In it the
// user database names home as root's, and what is written to /etc, /run and
// /var/lib is written nowhere: clients run as root keep their state there, and so
// do the program's locks below the home of the user database. With the last
// process of the namespace all of it is gone.
//
// What the folder $APPEND_TO_ETC has is appended to the files of /etc with the same names.
//
// scratch is an empty folder.
func isolated(ctx context.Context, scratch, home, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "isolate"), append([]string{scratch, home, name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Unshareflags: syscall.CLONE_NEWNS, // and what is mounted there stays there
		Pdeathsig:    syscall.SIGTERM,
	}
	return cmd
}

// isolate is the program that isolated runs. Its process becomes the command's.
func isolate() {
	if err := becomeIsolated(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "isolate:", err)
		os.Exit(125)
	}
}

func becomeIsolated(scratch, home string, command []string) error {
	if err := mount("tmpfs", scratch, "tmpfs", "mode=0700"); err != nil {
		return err
	}
	upper, work := filepath.Join(scratch, "etc"), filepath.Join(scratch, "work")
	for dir, mode := range map[string]os.FileMode{upper: 0o755, work: 0o700} {
		if err := os.Mkdir(dir, mode); err != nil {
			return err
		}
	}
	if err := mount("overlay", "/etc", "overlay", "lowerdir=/etc,upperdir="+upper+",workdir="+work); err != nil {
		return err
	}
	for _, dir := range []string{"/run", "/var/lib"} {
		if err := mount("tmpfs", dir, "tmpfs", "mode=0755"); err != nil {
			return err
		}
	}
	if err := moveHome("/etc/passwd", home); err != nil {
		return err
	}
	if dir := os.Getenv("APPEND_TO_ETC"); dir != "" {
		if err := appendTo("/etc", dir); err != nil {
			return err
		}
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", path, syscall.Exec(path, command, os.Environ()))
}

func mount(source, target, kind, options string) error {
	if err := syscall.Mount(source, target, kind, syscall.MS_NOSUID|syscall.MS_NODEV, options); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", kind, target, err)
	}
	return nil
}

// moveHome makes home the home of root in the user database.
func moveHome(passwd, home string) error {
	text, err := os.ReadFile(passwd)
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		// passwd(5): name, password, UID, GID, comment, home, shell
		if fields := strings.Split(line, ":"); len(fields) == 7 && fields[2] == "0" {
			fields[5] = home
			lines[i] = strings.Join(fields, ":")
		}
	}
	return os.WriteFile(passwd, []byte(strings.Join(lines, "\n")), 0o644)
}

// appendTo appends the files of a folder to those with the same names in another one.
func appendTo(dir, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(filepath.Join(dir, strings.TrimPrefix(path, from)), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		return errors.Join(err, f.Close())
	})
}
