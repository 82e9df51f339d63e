// Package scan finds references to images in text, and collects what the readers of files
// find.
package scan

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"docker-credential-cgr/registry"
)

// Reference is a reference in a file, or an occurrence that may be one.
type Reference struct {
	Span            // what Pin replaces, or what cannot be pinned
	Name     Span   // where the file has the name of the image; equal to Span if Form is Whole
	Line     int    // of the name, counted from 1
	Text     string // the reference, joined if the file has it in parts; of others, what the file has
	Image    registry.Reference
	Platform string // that the file asks for, as it is written, such as "linux/arm64" or "$BUILDPLATFORM"; or empty
	Form     Form
	Class    Class
	Reason   string // why it cannot be pinned; or empty
}

// Class is what can be done with a reference.
type Class int

// The classes of references. Only those that are Pinnable may be pinned. An image that is
// built need not exist yet; one that is pushed or tagged may be built elsewhere.
const (
	Pinnable  Class = iota // without a digest or with one
	ReadOnly               // has a digest, and it is not known what reads it
	Ambiguous              // may be an image
	Comment                // in a comment
	Pushed                 // the name of an image that is pushed or tagged there
	Built                  // the name of an image that is built there
)

// Form is the form in which a file has what Pin replaces.
type Form int

// The forms of references.
const (
	Whole         Form = iota // the whole reference
	TagPart                   // the tag of a chart's values, perhaps with a digest
	DigestPart                // the digest, or an empty value
	DigestMissing             // nothing, behind the colon of a digest: without a value
	NewTag                    // the key and the value of a kustomization's newTag
)

// Pin returns the reference with a digest, and what must replace the bytes from Start to End.
// dropTag drops the tag if the file has the whole reference in one piece.
func (r Reference) Pin(digest string, dropTag bool) (reference, edit string) {
	name, _, _ := strings.Cut(r.Text, "@")
	name = strings.TrimSuffix(name, ":"+r.Image.Tag)
	// A reference without a tag gets the tag that it implies, so that an update can follow it.
	tag := cmp.Or(r.Image.Tag, "latest")
	withTag, withoutTag := name+":"+tag+"@"+digest, name+"@"+digest
	switch r.Form {
	case TagPart:
		return withTag, tag + "@" + digest
	case DigestPart:
		return withTag, digest
	case DigestMissing:
		return withTag, " " + digest
	case NewTag:
		return withoutTag, "digest: " + digest
	}
	if dropTag {
		return withoutTag, withoutTag
	}
	return withTag, withTag
}

// SeveralPlatforms is the platform of an image that is used for several.
const SeveralPlatforms = "several platforms"

// Reasons why an occurrence is not pinned.
const (
	HasVariable = "contains a variable: only a literal name can be pinned"
	InPieces    = "is written over several lines, or with quotes or escapes inside: only a name in one piece can be pinned"
	BuiltHere   = "names an image that is built here"
)

// Results is what the readers found in a file.
type Results struct {
	Data       []byte
	Host       string // without the standard port
	References []Reference
	Ignored    []Span // mentions of the host that name no image
}

// Leave adds a span that cannot be pinned.
func (r *Results) Leave(s Span, reason string) {
	text := string(r.Data[s.Start:s.End])
	r.References = append(r.References, Reference{Span: s, Name: s, Text: text, Class: Ambiguous, Reason: reason})
}

// Add adds the reference that is the whole of a span. If the span is no reference, Add leaves
// it and returns false.
func (r *Results) Add(s Span, platform string) bool {
	text := string(r.Data[s.Start:s.End])
	image, err := registry.Parse(text, r.Host)
	if err != nil {
		r.Leave(s, err.Error())
		return false
	}
	r.References = append(r.References, Reference{Span: s, Name: s, Text: text, Image: image, Platform: platform})
	return true
}

// Sort sorts the references by the position of their names and sets the lines.
func (r *Results) Sort() {
	slices.SortStableFunc(r.References, func(a, b Reference) int { return cmp.Compare(a.Name.Start, b.Name.Start) })
	line, counted := 1, 0
	for i := range r.References {
		f := &r.References[i]
		line += bytes.Count(r.Data[counted:f.Name.Start], []byte("\n"))
		f.Line, counted = line, f.Name.Start
	}
}

// LineAt returns the line, counted from 1, of the byte at an offset.
func LineAt(data []byte, offset int) int { return 1 + bytes.Count(data[:offset], []byte("\n")) }

// CheckNUL returns an error for data with NUL bytes, which is not text.
func CheckNUL(data []byte) error {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return fmt.Errorf("line %d: has a NUL byte", LineAt(data, i))
	}
	return nil
}
