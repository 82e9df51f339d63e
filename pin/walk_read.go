package pin

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"docker-credential-cgr/references"
)

const (
	maxSize    = 10 << 20 // bytes of a file that is read: files that people write are smaller
	binaryHead = 8000     // a NUL in so many bytes makes a file binary, as for git
)

// candidate is a file that may name images.
type candidate struct {
	File       // with Text once it is read, if it names the host
	argument   *argument
	rel        string // the path below the argument's folder, with slashes
	real       string // the absolute path without links
	isArgument bool
	isTracked  bool // by git
	isMissing  bool // although git tracks it
	isFolder   bool
	skipReason string // why it is not read; or empty
	err        error
}

// readAll reads files until ctx ends.
func (w *walker) readAll(files []*candidate, host string) {
	buffers := sync.Pool{New: func() any { return new(bytes.Buffer) }}
	parallel(len(files), func(i int) {
		if w.ctx.Err() != nil || files[i].isMissing {
			return
		}
		buffer := buffers.Get().(*bytes.Buffer)
		defer buffers.Put(buffer)
		c := files[i]
		switch err := w.read(c, host, buffer); {
		case errors.Is(err, fs.ErrNotExist) && !c.isArgument:
			c.isMissing = c.isTracked // otherwise, another program just removed it
		case err != nil:
			c.err = unreadable(c.Path, err)
		}
	})
}

// read reads a file and keeps its text if that names the host. It opens nothing but regular
// files, since opening a device may have side effects.
func (w *walker) read(c *candidate, host string, buffer *bytes.Buffer) error {
	info, err := os.Lstat(c.real)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		c.isFolder = true
		return nil
	case !info.Mode().IsRegular():
		if c.kind() > references.MarkupText {
			c.skipReason = "is not a regular file"
		}
		return nil
	}
	f, err := os.OpenFile(c.real, os.O_RDONLY|syscall.O_NONBLOCK, 0) // does not wait if it is a FIFO by now
	if err != nil {
		return err
	}
	defer f.Close()
	buffer.Reset()
	buffer.Grow(int(min(info.Size(), maxSize)) + bytes.MinRead)
	n, err := buffer.ReadFrom(io.LimitReader(f, maxSize+1))
	w.opened.Add(1)
	w.bytes.Add(n)
	if err != nil {
		return err
	}
	if n <= maxSize {
		c.keepText(buffer.Bytes(), host)
		return nil
	}
	found, err := w.bigFileNames(f, buffer.Bytes(), host)
	if found {
		c.skipReason = "is over 10 MB"
	}
	return err
}

// keepText keeps a text that names the host, or sets why the file is skipped.
func (c *candidate) keepText(text []byte, host string) {
	isNamed := references.Names(text, host)
	if nul := bytes.IndexByte(text, 0); nul >= 0 {
		isUTF16 := bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff"))
		isText := isUTF16 || nul >= binaryHead || c.kind() > references.MarkupText
		// Without its NULs, UTF-16 of ASCII is ASCII.
		isNamed = isNamed || references.Names(bytes.ReplaceAll(text, []byte{0}, nil), host)
		if c.isArgument || isNamed && isText {
			c.skipReason = "is binary, or not in UTF-8"
		}
		return
	}
	if !isNamed {
		return
	}
	if c.Kind = c.kind(); c.Kind == references.Text {
		c.Kind = references.KindOfText(text)
	}
	c.Text = bytes.Clone(text)
}

// kind returns the kind of the file by its name and that of its folder.
func (c *candidate) kind() references.Kind {
	path, err := filepath.Abs(c.Path)
	if err != nil {
		path = c.Path
	}
	return references.KindOf(filepath.ToSlash(path))
}

// bigFileNames reports whether a file over maxSize is text that names the host. text is how
// it begins, and is overwritten.
func (w *walker) bigFileNames(f *os.File, text []byte, host string) (bool, error) {
	if bytes.IndexByte(text[:binaryHead], 0) >= 0 {
		return false, nil
	}
	for !references.Names(text, host) {
		overlap := copy(text, text[len(text)-len(host):])
		n, err := io.ReadFull(f, text[overlap:])
		w.bytes.Add(int64(n))
		text = text[:overlap+n]
		if err == io.EOF || w.ctx.Err() != nil {
			return false, nil
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			return false, err
		}
	}
	return true, nil
}
