package toolconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"docker-credential-cgr/hint"
)

// Link is a link by which other programs run this one.
type Link struct {
	Path    string
	Program string // that it leads to
	Exists  bool
}

// OtherProgramError means that something else has the name of a link.
type OtherProgramError struct{ Path string }

func (e *OtherProgramError) Error() string {
	return e.Path + " is not a link to this program, and is not replaced"
}

// FindLink returns the link called name in dir to program, an absolute path. If something else
// has the name, the error is an *OtherProgramError.
func FindLink(name, dir, program string) (Link, error) {
	l := Link{Path: filepath.Join(dir, name), Program: program}
	if runtime.GOOS == "windows" {
		l.Path += ".exe"
	}
	info, err := os.Lstat(l.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return l, nil
	case err != nil:
		return l, err
	case info.Mode()&fs.ModeSymlink == 0 || !IsSameFile(l.Path, program):
		return l, &OtherProgramError{l.Path}
	}
	l.Exists = true
	return l, nil
}

// FindLinkInPath is FindLink for the first folder in PATH that has a program called name, or
// else for the folder of program.
func FindLinkInPath(name, program string) (Link, error) {
	dir := filepath.Dir(program)
	if found, err := exec.LookPath(name); err == nil {
		dir = filepath.Dir(found)
	}
	return FindLink(name, dir, program)
}

// IsSameFile reports whether two paths lead to one file.
func IsSameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// Make makes the link, if there is none. One beside the program can be moved together with it.
func (l Link) Make() error {
	if l.Exists {
		return nil
	}
	target := l.Program
	if filepath.Dir(l.Path) == filepath.Dir(l.Program) {
		target = filepath.Base(l.Program)
	}
	err := os.Symlink(target, l.Path) // which never replaces a file
	if err == nil {
		return nil
	}
	err = fmt.Errorf("cannot make the link: %w", err)
	if runtime.GOOS == "windows" {
		err = hint.With(err, hint.Text("turn on Developer Mode in the settings of Windows, or run the command as administrator"))
	}
	return err
}

// Remove removes the link, if there is one.
func (l Link) Remove() error {
	if !l.Exists {
		return nil
	}
	return os.Remove(l.Path)
}
