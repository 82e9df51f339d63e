package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"docker-credential-cgr/hint"
)

// Pending is the new content of a file, in a temporary file beside it.
type Pending struct {
	path string      // of the file, with links followed
	temp string      // of the new content; empty after Commit or Discard
	mode fs.FileMode // of the file, when Prepare looked at it
	old  []byte      // content of the file until Commit
}

// Prepare writes text to a temporary file beside the file at path, with its mode, owner
// and extended attributes, and syncs it. If path is a link, the file is its target. The
// file has to contain old, and stays as it is until Commit.
//
// Prepare refuses a file that a new one cannot replace without losing something: one with
// other hard links, a mount point, or one with an owner, a mode or attributes that a new file cannot get. It
// also refuses a file of another user, and one that is read-only, also for root.
func Prepare(path string, old, text []byte) (*Pending, error) {
	path, err := Follow(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() && info.Mode()&0o200 == 0 {
		return nil, hint.With(fmt.Errorf("%s is read-only", path), hint.Text("%s %s", makeWritable, path))
	}
	// Opening it for writing fails for an immutable file and for one that an access
	// list protects, which a rename would replace.
	return newPending(path, old, text, os.O_RDWR)
}

// Change is Prepare and Commit in one, but for two differences: it does not follow a
// link, and it replaces a read-only file.
func Change(path string, old, text []byte) error {
	p, err := newPending(path, old, text, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return changed(path, err)
	}
	if err != nil {
		return err
	}
	return p.Commit()
}

// newPending is Prepare for a path that is not a link. It opens the file with flag.
func newPending(path string, old, text []byte, flag int) (*Pending, error) {
	info, err := os.Lstat(path)
	if err == nil && info.Mode().IsRegular() {
		err = checkReplaceable(path, info)
	}
	if err != nil {
		return nil, err
	}
	f, err := Open(path, flag)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if ok, err := readsAs(f, old); !ok {
		return nil, changed(path, err)
	}
	p := &Pending{path: path, mode: info.Mode(), old: old}
	dir, pattern := pendingName(path)
	Sweep(dir, pattern)
	p.temp, err = WriteTemp(dir, pattern, text, func(t *os.File) error {
		if err := keepAttributes(t, path, info); err != nil {
			return fmt.Errorf("%s cannot be replaced by a file with its owner, mode and attributes: %w", path, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// pendingName returns the folder and the name pattern of the temporary files for the file
// at path. A name can have 255 bytes.
func pendingName(path string) (dir, pattern string) {
	name := filepath.Base(path)
	return filepath.Dir(path), "." + name[:min(len(name), 200)] + ".pending-*"
}

// SweepPending removes the temporary files that a killed process left beside the file at
// path, which is not a link.
func SweepPending(path string) { Sweep(pendingName(path)) }

// Commit replaces the file with the new content. If another program changed the file
// after Prepare, its change stays, and the error is ErrChanged. After any error the file
// is as it was. The temporary file is removed in any case.
func (p *Pending) Commit() error {
	defer p.Discard()
	if ok, err := p.isOld(p.path); !ok {
		return changed(p.path, err)
	}
	return p.put()
}

// put exchanges the two files and then looks at the old one, which another program may
// have changed after the look in Commit. If the system or the file system cannot exchange
// two files, it replaces the file without that look.
func (p *Pending) put() error {
	err := swap(p.temp, p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return changed(p.path, err)
	}
	if err != nil {
		err = rename(p.temp, p.path)
	} else if ok, lookErr := p.isOld(p.temp); !ok {
		if swap(p.temp, p.path) != nil {
			lookErr = errors.Join(lookErr, rename(p.temp, p.path))
		}
		return changed(p.path, lookErr)
	}
	if errors.Is(err, syscall.EBUSY) { // a mount point that isMounted cannot see
		return mounted(p.path)
	}
	if err != nil {
		return err
	}
	// The file is replaced. Some network file systems cannot sync a folder, which is not
	// a failure of the change.
	_ = SyncDir(filepath.Dir(p.path))
	return nil
}

// Discard removes the temporary file. After Commit it does nothing.
func (p *Pending) Discard() {
	if p.temp != "" {
		_ = os.Remove(p.temp)
		p.temp = ""
	}
}

// isOld reports whether the file at path is what Prepare found.
func (p *Pending) isOld(path string) (bool, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return false, err
	}
	ok, err := hasContent(path, p.old)
	return ok && info.Mode() == p.mode, err
}

// hasContent reports whether the file at path contains text and nothing else.
func hasContent(path string, text []byte) (bool, error) {
	f, err := Open(path, os.O_RDONLY)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return readsAs(f, text)
}

func readsAs(f *os.File, text []byte) (bool, error) {
	got, err := io.ReadAll(io.LimitReader(f, int64(len(text))+1))
	return err == nil && bytes.Equal(got, text), err
}

// Follow returns the target of a link, and any other path as it is.
func Follow(path string) (string, error) {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return path, nil // opening it has the error
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", hint.With(fmt.Errorf("%s is a link that cannot be followed: %w", path, err),
			hint.Text("correct or remove the link %s", path))
	}
	return target, nil
}

// checkReplaceable returns why another file cannot take the place of the one at path.
func checkReplaceable(path string, info fs.FileInfo) error {
	switch {
	case hasOtherLinks(info):
		return hint.With(fmt.Errorf("%s cannot be replaced: it has other hard links, which that would break", path),
			hint.Text("cp -p %s %s.copy && mv %s.copy %s", path, path, path, path))
	case isMounted(path):
		return mounted(path)
	}
	return checkOwner(path, info)
}

// CheckOwner refuses a file of another user: the file in its place would be this user's.
// Root can give it back.
func CheckOwner(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	return checkOwner(path, info)
}

// checkOwner is CheckOwner for the file at path that info describes.
func checkOwner(path string, info fs.FileInfo) error {
	owner, known := OwnerOf(info)
	if me := os.Geteuid(); known && me != 0 && owner != me {
		return hint.With(fmt.Errorf("%s belongs to user %d, not to you", path, owner), hint.Text("sudo chown %d %s", me, path))
	}
	return nil
}
