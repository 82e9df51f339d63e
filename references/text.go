package references

import (
	"bytes"

	"docker-credential-cgr/references/scan"
)

// Reasons why an occurrence is not pinned.
const (
	notKnown     = "is not in a known position of an image"
	unknownFiles = "is in a kind of file that is not understood"
	partOfName   = "may be a part of a name that is composed elsewhere"
)

// findInText adds every occurrence that the reader of the file has not found. scriptAt, if
// not nil, returns the script that an offset is in. unread is why the reader failed, or nil.
// outside reports whether the host is anywhere but in comments.
func (f *finder) findInText(kind Kind, scriptAt func(int) (scan.Span, bool), unread error) (outside bool) {
	found := f.Ignored
	for _, r := range f.References {
		found = append(found, r.Name, r.Span)
	}
	known := scan.NewSpans(found)
	comments := scan.NewSpans(scan.Comments(f.Data, kind.comments()))
	end := 0
	for host := range scan.Hosts(f.Data, f.Host) {
		if known.Contain(host.Start) || host.Start < end {
			continue
		}
		inComment := comments.Contain(host.Start)
		outside = outside || !inComment
		script, inScript := scan.Span{Start: 0, End: len(f.Data)}, kind == Script
		if scriptAt != nil {
			script, inScript = scriptAt(host.Start)
		}
		m, ok := scan.MentionAt(f.Data, f.Host, host)
		if !ok && !inComment {
			m, ok = f.registryAt(kind, host, inScript)
		}
		if !ok {
			continue
		}
		end = m.End
		class, reason := Ambiguous, notKnown
		switch {
		case inComment:
			class, reason = Comment, "is in a comment"
		case m.Reason != "":
			reason = m.Reason
		case unread != nil:
			reason = unread.Error()
		case inScript:
			class, reason = f.classifyWord(m, script)
		case kind == Literals:
			class, reason = f.classifyString(m)
		case kind < Dockerfile:
			reason = unknownFiles
		}
		if class == Ambiguous && m.Image.Digest != "" && m.Reason == "" && unread == nil {
			class, reason = ReadOnly, ""
		}
		if class > ReadOnly {
			m.End = min(m.End, m.Start+scan.MaxShown)
		}
		text := string(f.Data[m.Start:m.End])
		f.References = append(f.References,
			Reference{Span: m.Span, Name: m.Span, Text: text, Image: m.Image, Class: class, Reason: reason})
	}
	return outside
}

// registryAt returns a mention of the registry alone that may be a part of a name. In prose
// it is none, nor in a LABEL, nor in an ARG, whose uses are followed.
func (f *finder) registryAt(kind Kind, host scan.Span, inScript bool) (m scan.Mention, ok bool) {
	m.Span, ok = scan.RegistryAt(f.Data, host, !inScript && kind != Dockerfile)
	m.Reason = partOfName
	if !ok || kind == MarkupText {
		return m, false
	}
	line := f.Data[max(0, host.Start-scan.MaxShown):host.Start]
	line = bytes.ToLower(bytes.TrimLeft(line[bytes.LastIndexByte(line, '\n')+1:], " \t"))
	isArgOrLabel := bytes.HasPrefix(line, []byte("arg ")) || bytes.HasPrefix(line, []byte("label "))
	return m, kind != Dockerfile || !isArgOrLabel
}
