package dockerconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"docker-credential-cgr/atomicfile"
)

// maxRounds is how often Save starts anew since another program wrote the file.
const maxRounds = 20

// Check says what would keep Save from writing the file: a link that leads
// nowhere, a folder that cannot be written, another owner. It changes nothing.
// Where there is nothing to save there is nothing to keep from it.
func (f *File) Check() error {
	if !f.Changed() {
		return nil
	}
	if f.dangling != "" {
		return fmt.Errorf("%s is a link to %s, which is not there: make it or remove the link, then run this again, or %s", f.Path, f.dangling, f.byHand)
	}
	if f.old.info != nil {
		if err := atomicfile.CheckOwner(f.target, f.old.info); err != nil {
			return err
		}
	}
	return f.cannotWrite(checkFolder(filepath.Dir(f.target)))
}

// cannotWrite adds to err what a person can do about it.
func (f *File) cannotWrite(err error) error {
	if err == nil {
		return nil
	}
	path := f.Path
	if f.target != f.Path {
		path = fmt.Sprintf("%s, a link to %s,", f.Path, f.target)
	}
	return fmt.Errorf("cannot change %s: %w; see to that, then run this again, or %s", path, err, f.byHand)
}

// checkFolder says whether a file could be made in dir, or dir itself in the
// first folder above it that exists.
func checkFolder(dir string) error {
	for {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return fmt.Errorf("%s is not a folder", dir)
		case err == nil:
			return checkWritable(dir)
		case !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir):
			return err
		}
		if _, err := os.Lstat(dir); err == nil {
			return fmt.Errorf("the folder %s is a link to something that is not there", dir)
		}
		dir = filepath.Dir(dir)
	}
}

// Save writes the file in one step, beside the target of a link, with the mode,
// the owner and the extended attributes that it had. A new one gets mode 0600,
// new folders 0700, as Docker makes them; a file that Remove left without reason
// goes. If another program wrote the file since Load, the edits are done again
// on what it wrote. After an error the file is as it was, except where the error
// names the backup that was left beside it.
//
// A file that cannot be replaced, since it is mounted by itself, has several hard
// links, or belongs to a group that cannot be given to another file, is written
// in place, for which readers could see half of it.
func (f *File) Save() error {
	if err := f.Check(); err != nil {
		return err
	}
	if !f.Changed() {
		return nil
	}
	dir := filepath.Dir(f.target)
	if f.new.exists {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return f.cannotWrite(err)
		}
	}
	defer lock(dir)()
	atomicfile.Sweep(dir, tempPattern(f.target))
	for range maxRounds {
		if saved, err := f.save(); saved || err != nil {
			return err
		}
		if !f.Changed() {
			return nil
		}
	}
	return fmt.Errorf("%s is being written by another program again and again; run this again when it has ended", f.Path)
}

// save makes one try, and answers false where another program was faster.
func (f *File) save() (saved bool, err error) {
	var temp string
	inPlace := f.old.info != nil && atomicfile.HasOtherNames(f.old.info)
	if f.new.exists && !inPlace {
		temp, err = atomicfile.WriteTemp(filepath.Dir(f.target), tempPattern(f.target), f.new.text, func(t *os.File) error {
			inPlace = f.old.info != nil && atomicfile.KeepAttributes(t, f.target, f.old.info) != nil
			return nil
		})
		if err != nil {
			return false, f.cannotWrite(err)
		}
		defer os.Remove(temp) // which has taken its place by then, or never will
	}
	if f.raced != nil {
		f.raced()
	}
	now, err := f.again()
	if err != nil {
		return false, err
	}
	if !now.same(f.old) {
		return false, f.rebase(now)
	}
	done, err := f.put(temp, inPlace)
	if err != nil {
		return false, f.cannotWrite(err)
	}
	if !done {
		if now, err = f.again(); err != nil {
			return false, err
		}
		return false, f.rebase(now)
	}
	if f.new.exists {
		f.new.info, _ = os.Stat(f.target) // for the next Save, if there is one
	}
	f.old = f.new
	// It is done, whole and in one step; some network file systems cannot sync a
	// folder, and that is no reason to call it failed.
	_ = atomicfile.SyncDir(filepath.Dir(f.target))
	return true, nil
}

// put gives the file its new content, which lies at temp, and answers false where
// another program was faster.
func (f *File) put(temp string, inPlace bool) (done bool, err error) {
	switch {
	case !f.new.exists:
		done, err = f.remove()
	case inPlace:
		return true, overwrite(f.target, f.old.text, f.new.text)
	default:
		done, err = f.replace(temp)
	}
	if !errors.Is(err, syscall.EBUSY) {
		return done, err
	}
	// The file is a mount point, as in a container that is given this one file.
	if !f.new.exists {
		return true, overwrite(f.target, f.old.text, []byte("{}"))
	}
	return true, overwrite(f.target, f.old.text, f.new.text)
}

// again reads the file once more.
func (f *File) again() (content, error) {
	if info, err := os.Lstat(f.target); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return content{}, fmt.Errorf("%s has become a link meanwhile; run this again", f.target)
	}
	c, err := read(f.target)
	c.linked = f.old.linked
	return c, err
}

// rebase does the edits again on what another program wrote.
func (f *File) rebase(now content) error {
	if err := f.become(now); err != nil {
		return err
	}
	f.old = now
	for _, e := range f.edits {
		next, err := e(f.new)
		if err != nil {
			return f.describe(f.new, err)
		}
		if err := f.become(next); err != nil {
			return err
		}
	}
	return nil
}

// tempPattern is for the new content of the file at path until it takes its place.
func tempPattern(path string) string { return "." + filepath.Base(path) + ".new-*" }

// overwrite writes the file at path in place. A copy of what it holds lies
// beside it until that has worked.
func overwrite(path string, old, text []byte) error {
	backup, err := atomicfile.WriteTemp(filepath.Dir(path), filepath.Base(path)+".backup-*", old, nil)
	if err != nil {
		return err
	}
	if err := verify(backup, old); err != nil {
		_ = os.Remove(backup)
		return err
	}
	err = writeInPlace(path, old, text)
	if err == nil {
		return os.Remove(backup)
	}
	// What could not be opened for writing was not touched.
	if verify(path, old) != nil && writeInPlace(path, nil, old) != nil {
		return fmt.Errorf("%w (what it held lies in %s)", err, backup)
	}
	_ = os.Remove(backup)
	return err
}

// writeInPlace makes text the content of the file at path, which is never empty
// on the way. It takes the room first, as blanks, which JSON allows at the end:
// on a full disk the file is still whole then. It has to hold old, where that is
// not nil, and to be no link: who can write the folder may have put something else
// there.
func writeInPlace(path string, old, text []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR|noFollow, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if old != nil {
		there, err := io.ReadAll(io.LimitReader(f, int64(len(old))+1))
		if err == nil && !bytes.Equal(there, old) {
			err = fmt.Errorf("%s was changed by another program just now: try again", path)
		}
		if err != nil {
			return err
		}
	}
	if more := int64(len(text)) - info.Size(); more > 0 {
		if _, err := f.WriteAt(bytes.Repeat([]byte(" "), int(more)), info.Size()); err != nil {
			return errors.Join(err, f.Truncate(info.Size()))
		}
	}
	if _, err := f.WriteAt(text, 0); err != nil {
		return err
	}
	if err := f.Truncate(int64(len(text))); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return verify(path, text)
}

// verify reads back what was written.
func verify(path string, want []byte) error {
	got, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s holds something else than was written", path)
	}
	return err
}
