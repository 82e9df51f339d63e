// Package scan finds names of images in text, and collects what the readers of files
// understand of them.
package scan

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"docker-credential-cgr/registry"
)

// Reference is a reference that can be pinned, or is.
type Reference struct {
	Start, End int    // the bytes of the file that Pin replaces
	Line       int    // where the name stands, counted from 1
	Text       string // the reference, put together where the file gives it in parts
	Image      registry.Reference
	Platform   string // that the file asks for beside it, as it is written, such as "linux/arm64" or "$BUILDPLATFORM"; empty for none
	ReadOnly   bool   // it has a digest and stands where nothing is known to read it: Pin must not be called

	Form    Form
	Name    int // where the name begins
	NameEnd int // the end of what gives the name, where that is another place than Start to End; else 0
}

// Form is how a reference is written in the bytes that Pin replaces.
type Form int

const (
	Whole         Form = iota // the reference itself
	TagPart                   // its tag, perhaps with a digest behind it: charts
	DigestPart                // its digest, or what stands in its place
	DigestMissing             // nothing, right behind the colon of an empty digest:
	NewTag                    // the key and the value of a kustomization's newTag
)

// Pin returns the reference with a digest, and what the file has to have between Start
// and End for it. dropTag leaves the tag out where the reference stands in one piece.
func (f Reference) Pin(digest string, dropTag bool) (reference, edit string) {
	name, _, _ := strings.Cut(f.Text, "@")
	name = strings.TrimSuffix(name, ":"+f.Image.Tag)
	// A reference without a tag gets the tag that it stands for, so that a later update
	// knows what to follow.
	tag := cmp.Or(f.Image.Tag, "latest")
	reference = name + ":" + tag + "@" + digest
	switch f.Form {
	case TagPart:
		return reference, tag + "@" + digest
	case DigestPart:
		return reference, digest
	case DigestMissing:
		return reference, " " + digest
	case NewTag:
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
	Pushed                 // it names what is pushed or tagged there, and may be built elsewhere
	Built                  // it names what is built there, which need not exist yet
)

// SeveralPlatforms is the platform of an image that is used for more than one.
const SeveralPlatforms = "several platforms"

// Unpinnable is an occurrence that stays as it is.
type Unpinnable struct {
	Line   int    // counted from 1
	Text   string // what stands there, as it is
	Reason string
	Class  Class
	Image  registry.Reference // that it names, if it does

	Start, End int // in the file
}

// Results collects what the readers understand of a file, by place in the file.
type Results struct {
	Data       []byte
	Host       string // without the standard port
	References []Reference
	Unpinnable []Unpinnable
	Other      []Place // where the host names no image, nor a part of one

	Work int // bytes that were looked at around what was found, for tests
}

// Leave notes what stands between two places as not to be pinned.
func (r *Results) Leave(start, end int, why string) {
	r.Unpinnable = append(r.Unpinnable, Unpinnable{Text: string(r.Data[start:end]), Reason: why, Start: start, End: end})
}

// Note finds the reference between two places, or leaves it if it is none.
func (r *Results) Note(start, end int, platform string) bool {
	text := string(r.Data[start:end])
	image, err := registry.Parse(text, r.Host)
	if err != nil {
		r.Leave(start, end, err.Error())
		return false
	}
	r.References = append(r.References, Reference{Start: start, End: end, Text: text, Image: image, Platform: platform, Name: start})
	return true
}

// Sort puts everything in the order of the file, each place once, and counts the lines.
func (r *Results) Sort() {
	slices.SortStableFunc(r.References, func(a, b Reference) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(r.Unpinnable, func(a, b Unpinnable) int { return cmp.Compare(a.Start, b.Start) })
	count := lineCounter{data: r.Data, line: 1}
	for i := range r.References {
		r.References[i].Line = count.at(r.References[i].Name)
	}
	count = lineCounter{data: r.Data, line: 1}
	for i := range r.Unpinnable {
		r.Unpinnable[i].Line = count.at(r.Unpinnable[i].Start)
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

// LineAt is the line, counted from 1, of the byte at that offset.
func LineAt(data []byte, offset int) int { return 1 + bytes.Count(data[:offset], []byte("\n")) }

// CheckNUL refuses what is no text.
func CheckNUL(data []byte) error {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return fmt.Errorf("line %d: has a NUL byte", LineAt(data, i))
	}
	return nil
}
