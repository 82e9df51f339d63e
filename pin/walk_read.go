package pin

import (
	"bytes"
	"cmp"
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
	maxSize    = 10 << 20 // of a file in bytes: what people write is smaller
	chunk      = 1 << 20  // how much is read at once of a file that is over it
	binaryHead = 8000     // where a NUL makes a file binary, as for git
)

// Why a file is not read.
var (
	errNotPlain = errors.New("is not a regular file")
	errFolder   = errors.New("is a folder")
	errTooBig   = errors.New("is over 10 MB")
	errReplaced = errors.New("another program replaced it just now; run this again")
)

// candidate is a file that may name images.
type candidate struct {
	File     // its Text once it is read, if it names the host
	argument *argument
	rel      string // from the argument's folder, with slashes
	real     string // where it is, without links
	named    bool   // on the command line
	tracked  bool   // by git
	missing  bool   // it is tracked, and is not there
	folder   bool   // it is one
	why      string // it is left out; empty if it is not
	err      error
}

// readAll reads what is listed, until ctx ends.
func (w *walker) readAll(list []*candidate, host string) {
	buffers := sync.Pool{New: func() any { return new([]byte) }}
	parallel(len(list), func(i int) {
		if w.ctx.Err() != nil || list[i].missing {
			return
		}
		buffer := buffers.Get().(*[]byte)
		*buffer = w.read(list[i], host, *buffer)
		buffers.Put(buffer)
	})
}

// read reads a file, and keeps its text if that names the host. It returns the buffer,
// which may have grown.
func (w *walker) read(c *candidate, host string, buffer []byte) []byte {
	text, buffer, err := readPlain(c.real, os.Lstat, buffer)
	w.opened.Add(1)
	w.bytes.Add(int64(len(text)))
	switch {
	case errors.Is(err, fs.ErrNotExist) && !c.named:
		c.missing = c.tracked // else it has gone just now
	case errors.Is(err, errFolder):
		c.folder = true
	case errors.Is(err, errNotPlain):
		if c.kind() > references.MarkupText { // a link or a socket with another name names nothing
			c.why = err.Error()
		}
	case errors.Is(err, errTooBig):
		found, err := w.bigNames(c.real, host)
		if err != nil {
			c.err = unreadable(c.Path, err)
		} else if found {
			c.why = errTooBig.Error()
		}
	case err != nil:
		c.err = unreadable(c.Path, err)
	default:
		c.look(text, host)
	}
	return buffer
}

// look keeps a text that names the host, or says why it is not read.
func (c *candidate) look(text []byte, host string) {
	names := references.Names(text, host)
	if nul := bytes.IndexByte(text, 0); nul >= 0 {
		utf16 := bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff"))
		binary := nul < binaryHead
		// Without its NULs, UTF-16 of ASCII is ASCII.
		switch others := names || references.Names(bytes.ReplaceAll(text, []byte{0}, nil), host); {
		case utf16 && others:
			c.why = "is UTF-16; save it as UTF-8"
		case binary && (c.named || others && c.kind() > references.MarkupText):
			c.why = "is binary"
		case !binary && others:
			c.why = "has NUL bytes, and so is binary or in two encodings; save it as UTF-8"
		}
		return
	}
	if !names {
		return
	}
	if c.Kind = c.kind(); c.Kind == references.Text {
		c.Kind = references.KindOfText(text)
	}
	c.Text = bytes.Clone(text)
}

func (c *candidate) kind() references.Kind {
	return references.KindOf(filepath.ToSlash(filepath.Join(c.argument.full, c.rel)))
}

// readPlain reads a file that is one, and not over maxSize, into the buffer. stat, which
// is os.Stat or os.Lstat, says whether it may be a link. Nothing else is opened: no
// FIFO, no device.
func readPlain(path string, stat func(string) (fs.FileInfo, error), buffer []byte) (text, grown []byte, err error) {
	f, info, err := openPlain(path, stat)
	if err != nil {
		return nil, buffer, err
	}
	defer f.Close()
	if info.Size() > maxSize {
		return nil, buffer, errTooBig
	}
	if need := int(info.Size()) + 1; cap(buffer) < need { // one more, to see the end
		buffer = make([]byte, max(need, 2*cap(buffer)))
	}
	buffer = buffer[:cap(buffer)]
	for n := 0; ; {
		m, err := f.Read(buffer[n:])
		n += m
		switch {
		case err == io.EOF, err == nil && int64(n) == info.Size():
			return buffer[:n], buffer, nil
		case err != nil:
			return nil, buffer, err
		case n > maxSize:
			return nil, buffer, errTooBig
		case n == len(buffer): // it grows while it is read
			buffer = append(buffer, make([]byte, len(buffer))...)
		}
	}
}

func openPlain(path string, stat func(string) (fs.FileInfo, error)) (*os.File, fs.FileInfo, error) {
	info, err := stat(path)
	switch {
	case err != nil:
		return nil, nil, err
	case info.IsDir():
		return nil, nil, errFolder
	case !info.Mode().IsRegular():
		return nil, nil, errNotPlain
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // were it a FIFO by now, this would wait
	if err != nil {
		return nil, nil, err
	}
	if opened, err := f.Stat(); err != nil || !os.SameFile(info, opened) {
		f.Close()
		return nil, nil, cmp.Or(err, errReplaced)
	}
	return f, info, nil
}

// bigNames reports whether a text of any size names the host, without keeping it.
func (w *walker) bigNames(path, host string) (bool, error) {
	f, _, err := openPlain(path, os.Lstat)
	if err != nil {
		return false, err
	}
	defer f.Close()
	buffer := make([]byte, chunk+len(host))
	kept := 0
	for first := true; w.ctx.Err() == nil; first = false {
		n, err := io.ReadFull(f, buffer[kept:])
		w.bytes.Add(int64(n))
		text := buffer[:kept+n]
		switch {
		case first && bytes.IndexByte(text[:min(len(text), binaryHead)], 0) >= 0:
			return false, nil
		case references.Names(text, host):
			return true, nil
		case err == io.EOF, err == io.ErrUnexpectedEOF:
			return false, nil
		case err != nil:
			return false, err
		}
		kept = copy(buffer, text[len(text)-len(host):])
	}
	return false, nil
}
