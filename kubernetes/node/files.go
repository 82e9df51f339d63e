package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"docker-credential-cgr/atomicfile"
)

// maxLinks is how many links of one path are followed (path_resolution(7) has the same limit).
const maxLinks = 40

// resolve returns the path on this machine for a path on the node whose file system is at root.
// It follows links as the node does, also absolute ones: all of them stay within root. What
// does not exist yet has no links.
func resolve(root, name string) (string, error) {
	rest := strings.Split(filepath.ToSlash(name), "/")
	done, links := "/", 0
	for len(rest) > 0 {
		next := path.Join(done, rest[0]) // of "/" and "..", it is "/"
		rest = rest[1:]
		target, err := os.Readlink(filepath.Join(root, next))
		if err != nil { // not a link
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("too many links in %s", name)
		}
		if target = filepath.ToSlash(target); path.IsAbs(target) {
			done = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return filepath.Join(root, done), nil
}

// exists reports whether there is a file or a folder on a node.
func exists(root, name string) bool {
	at, err := resolve(root, name)
	if err == nil {
		_, err = os.Stat(at)
	}
	return err == nil
}

// read returns the content of a file of the node, or nil if there is none.
func (n Node) read(name string) ([]byte, error) {
	at, err := resolve(n.Root, name)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && text == nil {
		text = []byte{}
	}
	return text, err
}

// tempPattern is of the names of temporary files, which an interrupted run leaves.
const tempPattern = ".cgr-*.tmp"

// file is a file of the node as it should be; nil means that it should not exist.
type file struct {
	path      string
	text      []byte
	isProgram bool
}

// write makes the files as they should be, in order, and returns the paths of those that it
// changed.
func (n Node) write(files []file) (changed []string, err error) {
	if _, err := os.Stat(n.Root); err != nil {
		return nil, err
	}
	for _, f := range files {
		old, err := n.read(f.path)
		if err != nil {
			return changed, err
		}
		if bytes.Equal(old, f.text) && (old == nil) == (f.text == nil) {
			continue
		}
		if err := n.replace(f, old); err != nil {
			return changed, fmt.Errorf("cannot change %s: %w", f.path, err)
		}
		changed = append(changed, f.path)
	}
	return changed, nil
}

// replace makes a file, whose content is old, as it should be. A file that another program
// changes at the same time is an error.
func (n Node) replace(f file, old []byte) error {
	dir, err := resolve(n.Root, path.Dir(f.path))
	if err != nil {
		return err
	}
	at := filepath.Join(dir, path.Base(f.path))
	if f.text == nil { // of a link, the link alone
		return os.Remove(at)
	}
	if old != nil && !f.isProgram { // keeps its mode and owner
		if at, err = resolve(n.Root, f.path); err != nil {
			return err
		}
		return atomicfile.Change(at, old, f.text)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if f.isProgram {
		mode = 0o755
	}
	atomicfile.Sweep(dir, tempPattern)
	return atomicfile.Replace(at, tempPattern, f.text, mode)
}
