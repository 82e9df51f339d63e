package dockerconfig

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// replace puts the new content, which lies at temp, in the file's place. Docker
// takes no lock: if it wrote the file after the last look at it, what it wrote
// stays, and replace answers false.
func (f *File) replace(temp string) (done bool, err error) {
	if !f.old.exists {
		// Unlike a rename, a link takes no other file's place.
		err := os.Link(temp, f.target)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return err == nil, nil
		}
		return true, rename(temp, f.target)
	}
	if err := swap(temp, f.target); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil { // not every system and file system can
		return true, rename(temp, f.target)
	}
	was, err := read(temp)
	if err == nil && was.same(f.old) {
		return true, nil
	}
	if swap(temp, f.target) != nil {
		err = errors.Join(err, rename(temp, f.target))
	}
	return false, err
}

// remove takes the file away, unless another program wrote it after the last look
// at it: then it answers false.
func (f *File) remove() (done bool, err error) {
	temp, err := writeTemp(filepath.Dir(f.target), tempPattern(f.target), nil, nil)
	if err != nil {
		return false, err
	}
	defer os.Remove(temp)
	if err := rename(f.target, temp); err != nil {
		return false, err
	}
	was, err := read(temp)
	if err == nil && was.same(f.old) {
		return true, nil
	}
	if back := os.Link(temp, f.target); back != nil && !errors.Is(back, fs.ErrExist) {
		err = errors.Join(err, rename(temp, f.target))
	}
	return false, err
}
