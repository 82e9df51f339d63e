package toolconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Link is a link by which other programs run this one.
type Link struct {
	Path    string
	Program string // that it leads to
	Exists  bool
}

// OtherProgramError means that another program has the name of a link.
type OtherProgramError struct{ Path string }

func (e *OtherProgramError) Error() string {
	return e.Path + " is another program, which is not replaced"
}

// FindLink returns the link called name beside program, which is an absolute path in PATH, or
// the one that PATH has. If another program in PATH has the name, the error is an
// *OtherProgramError.
func FindLink(name, program string) (Link, error) {
	l := Link{Path: filepath.Join(filepath.Dir(program), name), Program: program}
	if runtime.GOOS == "windows" {
		l.Path += ".exe"
	}
	path, err := exec.LookPath(name)
	if err != nil { // not in PATH, but a file that is no program may be there
		if _, err := os.Lstat(l.Path); !errors.Is(err, fs.ErrNotExist) {
			return l, &OtherProgramError{l.Path}
		}
		return l, nil
	}
	info, err := os.Lstat(path)
	if err != nil {
		return l, err
	}
	there, err := os.Stat(path)
	if err != nil {
		return l, err
	}
	ours, err := os.Stat(program)
	if err != nil {
		return l, err
	}
	if info.Mode()&fs.ModeSymlink == 0 || !os.SameFile(there, ours) {
		return l, &OtherProgramError{path}
	}
	l.Path, l.Exists = path, true
	return l, nil
}

// Make makes the link, if there is none.
func (l Link) Make() error {
	if l.Exists {
		return nil
	}
	if err := os.Symlink(l.Program, l.Path); err != nil {
		return fmt.Errorf("cannot make the link: %w", err)
	}
	return nil
}

// Remove removes the link, if there is one.
func (l Link) Remove() error {
	if !l.Exists {
		return nil
	}
	return os.Remove(l.Path)
}
