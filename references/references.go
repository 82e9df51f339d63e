// Package references finds the images of one registry in files that others wrote. What
// it understands, it gives as the bytes that a digest changes; every other occurrence
// of an image in a text file is given too, with the reason why it has to stay.
package references

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"docker-credential-cgr/registry"
)

// Found is a reference that can be pinned, or is.
type Found struct {
	Start, End int    // the bytes of the file that Pin replaces
	Line       int    // where the name stands, counted from 1
	Text       string // the reference, put together where the file gives it in parts
	Image      registry.Reference
	Platform   string // that the file asks for beside it, as it is written, such as "linux/arm64" or "$BUILDPLATFORM"; empty for none
	Fixed      bool   // it has a digest and stands where nothing is known to read it: Pin must not be called

	form form
	name int // where the name begins
}

// form is how a reference is written in the bytes that Pin replaces.
type form int

const (
	whole         form = iota // the reference itself
	tagPart                   // its tag, perhaps with a digest behind it: charts
	digestPart                // its digest, or what stands in its place
	digestMissing             // nothing, right behind the colon of an empty digest:
	newTag                    // the key and the value of a kustomization's newTag
)

// Pin returns the reference with a digest, and what the file has to have between Start
// and End for it. dropTag leaves the tag out where the reference stands in one piece.
func (f Found) Pin(digest string, dropTag bool) (reference, edit string) {
	name, _, _ := strings.Cut(f.Text, "@")
	name = strings.TrimSuffix(name, ":"+f.Image.Tag)
	// A reference without a tag gets the tag that it stands for, so that a later update
	// knows what to follow.
	tag := cmp.Or(f.Image.Tag, "latest")
	reference = name + ":" + tag + "@" + digest
	switch f.form {
	case tagPart:
		return reference, tag + "@" + digest
	case digestPart:
		return reference, digest
	case digestMissing:
		return reference, " " + digest
	case newTag:
		return name + "@" + digest, "digest: " + digest
	}
	if dropTag {
		reference = name + "@" + digest
	}
	return reference, reference
}

// Class is why an occurrence is not pinned.
type Class int

const (
	Ambiguous Class = iota // it may be read as an image, and cannot be pinned
	Comment                // it stands in a comment
	Built                  // it names what is built there, which need not exist yet
)

// Left is an occurrence that stays as it is.
type Left struct {
	Line  int    // counted from 1
	Text  string // what stands there, as it is
	Why   string
	Class Class
	Image registry.Reference // where Class is Built

	start, end int
}

// results collects what a reader understands of a file, by place in the file.
type results struct {
	data  []byte
	host  string
	found []Found
	left  []Left

	variables map[string]use
	work      int // bytes that were looked at around what was found, for tests
}

func (r *results) leave(start, end int, why string) {
	r.left = append(r.left, Left{Text: string(r.data[start:end]), Why: why, start: start, end: end})
}

// note finds the reference between two places, or leaves it if it is none.
func (r *results) note(start, end int, platform string) bool {
	text := string(r.data[start:end])
	image, err := registry.Parse(text, r.host)
	if err != nil {
		r.leave(start, end, err.Error())
		return false
	}
	r.found = append(r.found, Found{Start: start, End: end, Text: text, Image: image, Platform: platform, name: start})
	return true
}

// Find returns the images of the registry with this host (with its port, if it has one)
// in a file, in their order. An error says why a file that names the host could not be
// read at all.
func Find(kind Kind, data []byte, host string) ([]Found, []Left, error) {
	r := &results{data: data, host: strings.TrimSuffix(host, standardPort)}
	if indexFold(data, r.host) < 0 {
		return nil, nil, nil
	}
	err := r.read(kind)
	return r.found, r.left, err
}

func (r *results) read(kind Kind) error {
	var scripts func(offset int) (place, bool)
	var unread error
	switch kind {
	case Dockerfile:
		unread = r.readDockerfile()
	case YAML, Workflow:
		scripts, unread = r.readYAML(kind == Workflow)
	}
	if unread != nil {
		r.found, r.left = nil, nil
	}
	if outside := r.readText(kind, scripts, unread); unread != nil && outside && len(r.left) == 0 {
		return unread
	}
	r.sort()
	return nil
}

// sort puts everything in the order of the file, each place once, and counts the lines.
func (r *results) sort() {
	slices.SortStableFunc(r.found, func(a, b Found) int { return cmp.Compare(a.name, b.name) })
	slices.SortStableFunc(r.left, func(a, b Left) int { return cmp.Compare(a.start, b.start) })
	count := lineCounter{data: r.data, line: 1}
	for i := range r.found {
		r.found[i].Line = count.at(r.found[i].name)
	}
	count = lineCounter{data: r.data, line: 1}
	for i := range r.left {
		r.left[i].Line = count.at(r.left[i].start)
	}
}

// A lineCounter counts lines up to places that come in their order.
type lineCounter struct {
	data       []byte
	line, done int
}

func (c *lineCounter) at(offset int) int {
	c.line += bytes.Count(c.data[c.done:offset], []byte("\n"))
	c.done = offset
	return c.line
}

// lineAt is the line, counted from 1, of the byte at that offset.
func lineAt(data []byte, offset int) int { return 1 + bytes.Count(data[:offset], []byte("\n")) }

// checkNUL refuses what is no text.
func checkNUL(data []byte) error {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return fmt.Errorf("line %d: has a NUL byte", lineAt(data, i))
	}
	return nil
}
