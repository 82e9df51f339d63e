package pin

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"docker-credential-cgr/references"
)

const (
	readers    = 8        // how many files are read at once
	maxSize    = 10 << 20 // of a file in bytes: what people write is smaller
	binaryHead = 8000     // where a NUL makes a file binary, as for git
)

// Why a file is not read.
var (
	errNotPlain = errors.New("is not a plain file")
	errTooBig   = errors.New("is over 10 MB, too big for what people write")
	errReplaced = errors.New("another program replaced it just now; run this again")
)

// candidate is a file that may name images, by its own name or because it was named.
type candidate struct {
	File         // its Text once it is read, if it names the host
	real  string // where it is, without links
	named bool   // on the command line
	why   string // it is left out; empty if it is not
	err   error
}

// readAll reads what is listed, until ctx ends.
func (w *walker) readAll(host string) {
	lowerHost := bytes.ToLower([]byte(host))
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(readers, len(w.found)) {
		all.Go(func() {
			for w.ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(w.found) {
					return
				}
				w.found[i].read(lowerHost)
			}
		})
	}
	all.Wait()
}

// read reads the file, and keeps its text if that names the host, which is in lower
// case.
func (c *candidate) read(host []byte) {
	if c.why != "" {
		return
	}
	text, err := readPlain(c.real, os.Lstat)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !c.named: // gone since it was listed
		return
	case errors.Is(err, errNotPlain), errors.Is(err, errTooBig):
		c.why = err.Error()
		return
	case err != nil:
		c.err = unreadable(c.Path, err)
		return
	}
	if why := notText(text); why != "" {
		// Without its NULs, UTF-16 of ASCII is ASCII.
		if c.named || names(bytes.ReplaceAll(text, []byte{0}, nil), host) {
			c.why = why
		}
		return
	}
	if c.Kind == references.None {
		if !beginsAsDockerfile(string(text)) {
			c.err = &ArgumentError{c.Path, "tells neither by its name nor by its first line what it is; " +
				"known are Dockerfile and Containerfile, these with .NAME or as NAME.dockerfile, and NAME.yaml or .yml"}
			return
		}
		c.Kind = references.Dockerfile
	}
	if names(text, host) {
		c.Text = text
	}
}

// names says whether a text has the host in it, in any letter case.
func names(text, host []byte) bool { return bytes.Contains(bytes.ToLower(text), host) }

// notText says why a text is none that is read; "" if it is.
func notText(text []byte) string {
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return "is UTF-16; save it as UTF-8"
	case bytes.IndexByte(text[:min(len(text), binaryHead)], 0) >= 0:
		return "is binary"
	}
	return ""
}

// beginsAsDockerfile says whether the first instruction of a text is one with which a
// Dockerfile begins: ARG NAME, or FROM IMAGE [AS STAGE], which `from a import b` is not.
func beginsAsDockerfile(text string) bool {
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		words := strings.Fields(strings.TrimRight(strings.TrimSpace(line), "\\`"))
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if strings.EqualFold(words[0], "ARG") {
			return len(words) > 1
		}
		if !strings.EqualFold(words[0], "FROM") {
			return false
		}
		words = words[1:]
		for len(words) > 0 && strings.HasPrefix(words[0], "--") {
			words = words[1:]
		}
		return len(words) == 1 || len(words) >= 2 && strings.EqualFold(words[1], "AS")
	}
	return false
}

// readPlain reads a file that is one, and not over maxSize. stat, which is os.Stat or
// os.Lstat, says whether it may be a link. Nothing else is opened: no FIFO, no device.
func readPlain(path string, stat func(string) (fs.FileInfo, error)) ([]byte, error) {
	info, err := stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errNotPlain
	case info.Size() > maxSize:
		return nil, errTooBig
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // were it a FIFO by now, this would wait
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if opened, err := f.Stat(); err != nil || !os.SameFile(info, opened) {
		return nil, cmp.Or(err, errReplaced)
	}
	var text bytes.Buffer
	text.Grow(int(info.Size()) + bytes.MinRead)
	if _, err := text.ReadFrom(io.LimitReader(f, maxSize+1)); err != nil {
		return nil, err
	}
	if text.Len() > maxSize {
		return nil, errTooBig
	}
	return text.Bytes(), nil
}
