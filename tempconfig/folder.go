// Package tempconfig makes temporary configurations of Docker, and of tools for packages, for
// one command, with a credential for clients that run no credential helper.
//
// The files are in a private folder, in memory where the system has one. A folder is removed
// when its command ends. If a process was killed, the next one removes its folder: each process
// holds a lock for its folder, which the system releases when it ends.
package tempconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"docker-credential-cgr/state"
)

// Folder is a private folder for the files of one command.
type Folder struct {
	Path string
	lock *flock.Flock
}

const (
	folderPrefix = "run-"
	lockSuffix   = ".lock"
	// sweepLock is the name of the lock of a parent folder. Its owner makes a folder, or
	// removes those without an owner.
	sweepLock = "sweep" + lockSuffix
	// sweepTimeout is how long to wait for it. Its owners are quick.
	sweepTimeout = 5 * time.Second
)

// parentFolders returns where folders may be made, the best first: those in memory, then the
// system's temporary folder.
func parentFolders(service string, getenv func(string) string) []string {
	var all []string
	if runtime.GOOS != "windows" {
		if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
			all = append(all, dir)
		}
		if runtime.GOOS == "linux" {
			all = append(all, "/dev/shm")
		}
		service += "-" + strconv.Itoa(os.Geteuid())
	}
	all = append(all, os.TempDir())
	for i, dir := range all {
		all[i] = filepath.Join(dir, service)
	}
	return all
}

// Make makes a folder below a private one of this user that is named after service, and
// removes those that processes left that were killed.
func Make(service string, getenv func(string) string) (*Folder, error) {
	var made *Folder
	var errs []error
	for _, parent := range parentFolders(service, getenv) {
		err := state.CheckPrivateDir(parent)
		if errors.Is(err, os.ErrNotExist) {
			if made != nil {
				continue // nothing to remove
			}
			err = state.MakeUserDir(parent)
		}
		if err == nil {
			err = locked(parent, func() error {
				sweep(parent)
				if made != nil {
					return nil
				}
				var err error
				made, err = makeIn(parent)
				return err
			})
		}
		errs = append(errs, err)
	}
	if made == nil {
		return nil, fmt.Errorf("cannot make a private folder: %w", errors.Join(errs...))
	}
	return made, nil
}

// locked calls do while this process has the lock of parent.
func locked(parent string, do func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), sweepTimeout)
	defer cancel()
	lock := newLock(filepath.Join(parent, sweepLock))
	if ok, err := lock.TryLockContext(ctx, 10*time.Millisecond); !ok {
		return fmt.Errorf("cannot lock %s: %w", lock.Path(), err)
	}
	defer lock.Close()
	return do()
}

func newLock(path string) *flock.Flock { return flock.New(path, flock.SetPermissions(0o600)) }

// makeIn makes a folder and takes its lock. This process has the lock of parent.
func makeIn(parent string) (*Folder, error) {
	path, err := os.MkdirTemp(parent, folderPrefix+"*") // with mode 0700
	if err != nil {
		return nil, err
	}
	f := &Folder{path, newLock(path + lockSuffix)}
	if ok, err := f.lock.TryLock(); !ok {
		_ = f.Remove()
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return f, nil
}

// sweep removes the folders in parent whose process has ended. This process has the lock of
// parent.
func sweep(parent string) {
	entries, _ := os.ReadDir(parent) // what cannot be read stays
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), lockSuffix)
		if !strings.HasPrefix(name, folderPrefix) {
			continue
		}
		f := Folder{filepath.Join(parent, name), newLock(filepath.Join(parent, name+lockSuffix))}
		if ok, _ := f.lock.TryLock(); ok {
			_ = f.Remove()
		}
	}
}

// Remove removes the folder. Links in it are not followed.
func (f *Folder) Remove() error {
	err := os.RemoveAll(f.Path)
	removeErr := os.Remove(f.lock.Path())
	closeErr := f.lock.Close()
	if removeErr != nil { // Windows does not remove an open file
		removeErr = os.Remove(f.lock.Path())
	}
	if errors.Is(removeErr, os.ErrNotExist) {
		removeErr = nil
	}
	return errors.Join(err, removeErr, closeErr)
}
