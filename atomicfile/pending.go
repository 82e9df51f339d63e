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
)

// Pending is the new content of a file, ready beside it.
type Pending struct {
	path string      // of the file, links followed
	temp string      // of the new content; empty once that is settled
	info fs.FileInfo // of the file, when Prepare looked at it
	text []byte      // that the file holds until then
}

// Prepare writes text to a temporary file beside the file at path, with that one's
// mode, owner and extended attributes, and makes it last. The file itself, which
// has to hold old, stays as it is until Commit; where path is a link, the file is the
// one that it leads to.
//
// What Commit could not replace in one step, or not without losing something, is
// refused: what is no plain file, is read-only for its owner (root would not notice)
// or for us, belongs to another user or to a group that cannot be given to a new
// file, has other hard links, or is mounted by itself.
func Prepare(path string, old, text []byte) (*Pending, error) {
	path, err := follow(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if err := checkReplaceable(path, info); err != nil {
		return nil, err
	}
	// It is only read, but the system refuses to open what it would refuse to
	// change: an immutable file, one that an access list protects.
	f, info, err := open(path, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := &Pending{path: path, info: info, text: old}
	if ok, err := p.holdsOld(f); !ok {
		return nil, p.overtaken(err)
	}
	dir, pattern := pendingName(path)
	Sweep(dir, pattern)
	p.temp, err = WriteTemp(dir, pattern, text, func(t *os.File) error {
		if err := KeepAttributes(t, path, info); err != nil {
			return fmt.Errorf("%s cannot be replaced by a file with its owner, mode and attributes: %w", path, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// pendingName tells the temporary files for the file at path. A name may have 255 bytes.
func pendingName(path string) (dir, pattern string) {
	name := filepath.Base(path)
	return filepath.Dir(path), "." + name[:min(len(name), 200)] + ".pending-*"
}

// SweepPending removes the temporary files that a killed run left beside the file at
// path, which is no link.
func SweepPending(path string) { Sweep(pendingName(path)) }

// Commit puts the new content in the file's place. If the file is not what it was
// when Prepare looked at it, what another program made of it stays, and Commit
// returns an error; so it does, with the file as it was, where the system refuses.
// In any case the temporary file is gone.
func (p *Pending) Commit() error {
	defer p.Discard()
	if ok, err := p.isOld(p.path); !ok {
		return p.overtaken(err)
	}
	return p.put()
}

// put does what Commit says, for a file that was what Prepare found a moment ago.
func (p *Pending) put() error {
	done, err := Exchange(p.temp, p.path, func() (bool, error) { return p.isOld(p.temp) })
	switch {
	case errors.Is(err, syscall.EBUSY): // a mount that checkReplaceable could not see
		return mounted(p.path)
	case !done:
		return p.overtaken(err)
	case err != nil:
		return err
	}
	// It is done, whole and in one step; some network file systems cannot sync a
	// folder, and that is no reason to call it failed.
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

// isOld says whether the file at path is what Prepare found.
func (p *Pending) isOld(path string) (bool, error) {
	f, info, err := open(path, os.O_RDONLY)
	if err != nil {
		return false, err
	}
	defer f.Close()
	ok, err := p.holdsOld(f)
	return ok && info.Mode() == p.info.Mode(), err
}

func (p *Pending) holdsOld(f *os.File) (bool, error) {
	text, err := io.ReadAll(io.LimitReader(f, int64(len(p.text))+1))
	return err == nil && bytes.Equal(text, p.text), err
}

// overtaken is the error for a file that is not what Prepare found; err, where it
// is not nil, says what is wrong with it.
func (p *Pending) overtaken(err error) error {
	if err == nil {
		return fmt.Errorf("%s was changed by another program meanwhile; run this again", p.path)
	}
	return fmt.Errorf("%s is not what it was a moment ago: %w; run this again", p.path, err)
}

// follow gives the target of a link, and any other path as it is.
func follow(path string) (string, error) {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return path, err
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("%s is a link that cannot be followed: %w", path, err)
	}
	return target, nil
}

// checkReplaceable says what speaks against putting another file in the place of
// the one at path, which info describes.
func checkReplaceable(path string, info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return notPlain(path)
	case info.Mode()&0o200 == 0:
		return fmt.Errorf("%s is read-only; run: %s %s", path, makeWritable, path)
	case HasOtherNames(info):
		return fmt.Errorf("%s has other hard links, from which a new file in its place would be parted; to part it yourself, run: cp -p %s %s.copy && mv %s.copy %s",
			path, path, path, path, path)
	case isMounted(path):
		return mounted(path)
	}
	return CheckOwner(path, info)
}

func notPlain(path string) error { return fmt.Errorf("%s is not a plain file", path) }

func mounted(path string) error {
	return fmt.Errorf("%s is mounted by itself, so that no other file can take its place: mount the folder that it lies in, then run this again", path)
}

// open opens the plain file at path, which is no link, and describes it.
func open(path string, flag int) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, flag|noFollow, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notPlain(path)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}
