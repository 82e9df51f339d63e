package references

import (
	"bytes"

	"docker-credential-cgr/references/scan"
)

// Reason an occurrence is left.
const (
	notKnown     = "is not in a place that is known to name an image"
	unknownFiles = "is in a kind of file that is not understood"
	partOfName   = "may be a part of a name that is put together elsewhere"
)

// readText notes every occurrence that no reader has noted yet. Where a reader failed,
// unread says why. It reports whether the host stands anywhere but in comments.
func (r *reader) readText(kind Kind, scripts func(int) (scan.Place, bool), unread error) (outside bool) {
	noted := make([]scan.Place, 0, 2*len(r.References)+len(r.Unpinnable))
	for _, f := range r.References { // between the two may be another one
		noted = append(noted, scan.At(f.Name, f.NameEnd), scan.At(f.Start, f.End))
	}
	for _, l := range r.Unpinnable {
		noted = append(noted, scan.At(l.Start, l.End))
	}
	seen := scan.NewPlaces(append(noted, r.Other...))
	comments := scan.NewCommentReader(r.Data, kind.comments())
	end := 0
	for at := range scan.Hosts(r.Data, r.Host) {
		if seen.Hold(at.Start) || at.Start < end {
			continue
		}
		comment := comments.At(at.Start)
		outside = outside || !comment
		class, why, found := Ambiguous, notKnown, false
		within, script := scan.At(0, len(r.Data)), kind == Script
		if scripts != nil {
			if within, script = scripts(at.Start); !script {
				within = scan.At(0, len(r.Data))
			}
		}
		m, ok := scan.MentionAt(r.Data, r.Host, at)
		if !ok {
			if m, ok = r.part(kind, at, script); !ok || comment {
				continue
			}
		}
		end = m.Shown
		r.Work += end - m.Start
		switch {
		case comment:
			class, why = Comment, "is in a comment"
		case m.Reason != "":
			why = m.Reason
		case unread != nil:
			why = unread.Error()
		case script:
			class, why, found = r.word(m, within)
		case kind == Literals:
			class, why, found = r.literal(m)
		case kind < Dockerfile:
			why = unknownFiles
		}
		if found || m.Image.Digest != "" && class == Ambiguous && m.Reason == "" && unread == nil {
			r.References = append(r.References, Reference{Start: m.Start, End: m.End, Text: string(r.Data[m.Start:m.End]), Image: m.Image, Name: m.Start, ReadOnly: !found})
			continue
		}
		r.Unpinnable = append(r.Unpinnable, Unpinnable{Text: string(r.Data[m.Start:m.Shown]), Reason: why, Class: class, Image: m.Image, Start: m.Start, End: m.Shown})
	}
	return outside
}

// part returns what may be a part of a name. In prose that means nothing; what a
// Dockerfile does with an ARG is known, and a LABEL does nothing.
func (r *reader) part(kind Kind, at scan.Place, script bool) (m scan.Mention, ok bool) {
	m.Place, ok = scan.PartAt(r.Data, at, !script && kind != Dockerfile)
	m.Shown, m.Reason = min(m.End, m.Start+scan.MaxShown), partOfName
	if !ok || kind == MarkupText {
		return m, false
	}
	line := r.Data[max(0, at.Start-scan.MaxShown):at.Start]
	line = bytes.ToLower(bytes.TrimLeft(line[bytes.LastIndexByte(line, '\n')+1:], " \t"))
	r.Work += len(line)
	return m, kind != Dockerfile || !bytes.HasPrefix(line, []byte("arg ")) && !bytes.HasPrefix(line, []byte("label "))
}
