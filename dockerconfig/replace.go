package dockerconfig

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"docker-credential-cgr/atomicfile"
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
		return true, atomicfile.Rename(temp, f.target)
	}
	return atomicfile.Exchange(temp, f.target, func() (bool, error) { return f.isOld(temp) })
}

// isOld says whether the file at path is what was loaded.
func (f *File) isOld(path string) (bool, error) {
	was, err := read(path)
	return err == nil && was.same(f.old), err
}

// remove takes the file away, unless another program wrote it after the last look
// at it: then it answers false.
func (f *File) remove() (done bool, err error) {
	temp, err := atomicfile.WriteTemp(filepath.Dir(f.target), tempPattern(f.target), nil, nil)
	if err != nil {
		return false, err
	}
	defer os.Remove(temp)
	if err := atomicfile.Rename(f.target, temp); err != nil {
		return false, err
	}
	was, err := f.isOld(temp)
	if was {
		return true, nil
	}
	if back := os.Link(temp, f.target); back != nil && !errors.Is(back, fs.ErrExist) {
		err = errors.Join(err, atomicfile.Rename(temp, f.target))
	}
	return false, err
}
