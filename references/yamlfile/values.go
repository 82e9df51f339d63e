package yamlfile

import (
	"bytes"
	"cmp"
	"regexp"
	"sort"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/references/scan"
	"docker-credential-cgr/registry"
)

// name takes a scalar that names an image, or an alias of one. One that several aliases
// name is read once: it stays if beside one of them it has to, and has a platform only
// where they all agree.
func (w *walk) name(v *yaml.Node, beside siblings) {
	n := behind(v)
	if n.Kind != yaml.ScalarNode {
		return
	}
	s, known := w.at[n]
	if !known {
		if s = w.read(n); s != nil {
			s.platform = beside.platform
			w.spots = append(w.spots, s)
		}
		w.at[n] = s
	}
	if s == nil {
		return
	}
	if s.platform != beside.platform {
		s.platform = scan.SeveralPlatforms
	}
	switch {
	case s.why != "" || s.image.Digest != "":
	case beside.digest != "":
		s.image.Digest = beside.digest // which is followed by nobody
	case beside.tag && s.image.Tag == "":
		s.why = inParts
	}
}

// read tells what a scalar names, or nil where that is nothing of our registry, or
// something that is for readText.
func (w *walk) read(n *yaml.Node) *spot {
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return nil
	}
	s := &spot{node: n}
	s.text = strings.TrimSpace(n.Value)
	if m := variableDefault().FindStringSubmatch(s.text); m != nil {
		s.prefix, s.text = m[1], m[2]
	} else if rest, ok := strings.CutPrefix(s.text, scan.Schemes[0]); ok {
		s.prefix, s.text = scan.Schemes[0], rest
	} else if name, rest, ok := strings.Cut(s.text, "="); ok && !strings.Contains(name, "/") {
		s.prefix, s.text = name+"=", rest // of Argo CD
	}
	switch {
	case scan.IsVariable(s.text) && scan.Mentioned(s.text, w.Host):
		s.why = scan.HasVariable
	case scan.IsOurs(s.text, w.Host):
		var err error
		if s.image, err = registry.Parse(s.text, w.Host); err != nil {
			s.why = err.Error()
		}
		s.why = cmp.Or(w.unusual(s), s.why)
	default:
		return nil
	}
	return s
}

var variableDefault = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\$\{[A-Za-z_][A-Za-z0-9_]*:?-)([^${}]*)\}$`)
})

// unusual says why a spot is left however good its name is, or nothing.
func (w *walk) unusual(s *spot) string {
	switch n := s.node; {
	case n.Style&yaml.TaggedStyle != 0 && n.ShortTag() != "!!str":
		return "has the tag " + platform.Printable(n.ShortTag()) + ", which may make something else of it"
	case strings.TrimSpace(n.Value) != n.Value:
		return "has space around it"
	case s.prefix == scan.Schemes[0] && !w.workflow:
		return "begins with " + s.prefix + ", which means an image only in workflows of GitHub"
	}
	return ""
}

// finish notes the spots, and the variables that turned out to be images.
func (w *walk) finish() {
	for name, wholly := range w.named {
		for _, n := range w.variables[name] {
			if wholly {
				w.name(n, siblings{})
			}
		}
	}
	for n, class := range w.built {
		if image, err := registry.Parse(n.Value, w.Host); err == nil && scan.IsOurs(n.Value, w.Host) {
			w.Unpinnable = append(w.Unpinnable, scan.Unpinnable{Text: n.Value, Reason: scan.BuiltHere, Class: class, Image: image, Start: w.offset[n], End: w.end(n)})
		} else if scan.Mentioned(n.Value, w.Host) {
			w.Unpinnable = append(w.Unpinnable, scan.Unpinnable{Text: firstLine(n.Value), Reason: scan.BuiltHere, Class: class, Start: w.offset[n], End: w.end(n)})
		}
	}
	for _, s := range w.spots {
		start, _, ok := w.bytes(s.node)
		start += len(s.prefix)
		end := start + len(s.text)
		switch {
		case s.why != "":
		case w.inKeys[s.node]:
			s.why = "shares an anchor with a mapping's key: write the name itself"
		case !ok:
			s.why = escaped
		}
		if s.why != "" {
			w.Unpinnable = append(w.Unpinnable, scan.Unpinnable{Text: firstLine(s.node.Value), Reason: s.why, Start: w.offset[s.node], End: w.end(s.node)})
			continue
		}
		w.References = append(w.References, scan.Reference{Start: start, End: end, Text: s.text, Image: s.image, Platform: s.platform, Name: start, ReadOnly: s.image.Digest != "" && !strings.Contains(s.text, "@")})
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line[:min(len(line), scan.MaxShown)])
}

// bytes returns where a scalar stands without its quotes; ok says that the bytes there
// are its value.
func (w *walk) bytes(n *yaml.Node) (start, end int, ok bool) {
	start, quote := w.offset[n], ""
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0:
		quote = "'"
	case n.Style&yaml.DoubleQuotedStyle != 0:
		quote = `"`
	}
	ok = bytes.HasPrefix(w.Data[start:], []byte(quote+n.Value+quote)) && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0
	start += len(quote)
	return start, start + len(n.Value), ok
}

// end is where the node begins that comes next in the file.
func (w *walk) end(n *yaml.Node) int {
	i := sort.Search(len(w.nodes), func(i int) bool { return w.offset[w.nodes[i]] > w.offset[n] })
	if i == len(w.nodes) {
		return len(w.Data)
	}
	return w.offset[w.nodes[i]]
}

// script returns the commands that hold a place of the file.
func (w *walk) script(offset int) (scan.Place, bool) {
	i := sort.Search(len(w.nodes), func(i int) bool { return w.offset[w.nodes[i]] > offset }) - 1
	if i < 0 || !w.scripts[w.nodes[i]] {
		return scan.Place{}, false
	}
	n := w.nodes[i]
	return scan.At(w.offset[n], w.end(n)), true
}

// block reads the YAML in a literal block, which stands there as it is but for its
// indentation.
func (w *walk) block(v *yaml.Node) {
	if v.Kind != yaml.ScalarNode || v.Style&yaml.LiteralStyle == 0 || w.nested >= maxNested || !scan.Mentioned(v.Value, w.Host) {
		return
	}
	start := w.offset[v] + until(w.Data[w.offset[v]:], "\n") + 1
	end, indent := start, -1
	for end < len(w.Data) {
		line := w.Data[end : end+until(w.Data[end:], "\n")]
		blanks := len(line) - len(bytes.TrimLeft(line, " "))
		if len(bytes.TrimSpace(line)) > 0 {
			if indent < 0 {
				indent = blanks
			}
			if blanks < indent {
				break
			}
		}
		end = min(len(w.Data), end+len(line)+1)
	}
	if start >= end {
		return
	}
	inner := &scan.Results{Data: w.Data[start:end], Host: w.Host}
	in := newWalk(inner, false)
	in.nested = w.nested + 1
	if _, err := in.readAll(); err != nil {
		return
	}
	for _, f := range inner.References {
		f.Start, f.End, f.Name = f.Start+start, f.End+start, f.Name+start
		if f.NameEnd > 0 {
			f.NameEnd += start
		}
		w.References = append(w.References, f)
	}
	for _, p := range inner.Other {
		w.Other = append(w.Other, scan.At(p.Start+start, p.End+start))
	}
	for _, l := range inner.Unpinnable {
		l.Start, l.End = l.Start+start, l.End+start
		w.Unpinnable = append(w.Unpinnable, l)
	}
}
