package yamlfile

import (
	"bytes"
	"cmp"
	"regexp"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/references/scan"
	"docker-credential-cgr/registry"
)

// Reasons why a value is not pinned.
const (
	inParts = "is given in parts: add digest: to its mapping to pin it"
	escaped = "is written with escapes or over several lines: only a name in one piece can be pinned"
)

// imageName is a scalar that names an image of the registry, or may.
type imageName struct {
	prefix   string // before the reference
	text     string // the reference
	image    registry.Reference
	platform string
	reason   string // why it cannot be pinned; or empty
}

// readName reads a scalar that names an image, or an alias of one. If several aliases share a
// name, it cannot be pinned if that is so beside one of them, and has a platform only if they
// agree.
func (w *walker) readName(v *yaml.Node, s siblings) {
	n := target(v)
	if n.Kind != yaml.ScalarNode {
		return
	}
	i := w.info(n)
	if !i.isChecked {
		i.isChecked, i.name = true, w.parseName(n)
		if i.name != nil {
			i.name.platform = s.platform
		}
	}
	if i.name == nil {
		return
	}
	if i.name.platform != s.platform {
		i.name.platform = scan.SeveralPlatforms
	}
	switch {
	case i.name.reason != "" || i.name.image.Digest != "":
	case s.digest != "":
		i.name.image.Digest = s.digest
	case s.hasTag && i.name.image.Tag == "":
		i.name.reason = inParts
	}
}

// parseName returns what a scalar names, or nil if that is not an image of the registry, or a
// text of several lines.
func (w *walker) parseName(n *yaml.Node) *imageName {
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return nil
	}
	p := &imageName{text: strings.TrimSpace(n.Value)}
	if m := variableDefault().FindStringSubmatch(p.text); m != nil {
		p.prefix, p.text = m[1], m[2]
	} else if rest, ok := strings.CutPrefix(p.text, scan.Schemes[0]); ok {
		p.prefix, p.text = scan.Schemes[0], rest
	} else if key, rest, ok := strings.Cut(p.text, "="); ok && !strings.Contains(key, "/") {
		p.prefix, p.text = key+"=", rest // as in Argo CD
	}
	hasVariable := scan.IsVariable(p.text) && scan.Mentions(p.text, w.Host)
	if !hasVariable && !scan.HasHost(p.text, w.Host) {
		return nil
	}
	var err error
	p.image, err = registry.Parse(p.text, w.Host)
	switch {
	case hasVariable:
		p.reason = scan.HasVariable
	case n.Style&yaml.TaggedStyle != 0 && n.ShortTag() != "!!str":
		p.reason = "has the tag " + platform.Printable(n.ShortTag()) + ", which may change its meaning"
	case strings.TrimSpace(n.Value) != n.Value:
		p.reason = "has spaces around it"
	case p.prefix == scan.Schemes[0] && !w.isWorkflow:
		p.reason = "begins with " + p.prefix + ", which means an image only in workflows of GitHub"
	case err != nil:
		p.reason = err.Error()
	}
	return p
}

var variableDefault = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\$\{[A-Za-z_][A-Za-z0-9_]*:?-)([^${}]*)\}$`)
})

// finish adds the names that were read, those of variables that turned out to be images, and
// those of images that are built.
func (w *walker) finish() {
	for variable, isImage := range w.isImage {
		for _, n := range w.variables[variable] {
			if isImage {
				w.readName(n, noSiblings)
			}
		}
	}
	for _, n := range w.nodes {
		i := w.info(n)
		if i.class != 0 && scan.Mentions(n.Value, w.Host) {
			image, err := registry.Parse(n.Value, w.Host)
			shown := n.Value
			if err != nil {
				shown = firstLine(n.Value)
			}
			w.References = append(w.References, scan.Reference{
				Span: i.span, Name: i.span, Text: shown, Image: image, Class: i.class, Reason: scan.BuiltHere})
		}
		if i.name != nil {
			w.addName(n, i)
		}
	}
}

func (w *walker) addName(n *yaml.Node, i *info) {
	s, ok := w.valueSpan(n)
	s.Start += len(i.name.prefix)
	s.End = s.Start + len(i.name.text)
	reason := i.name.reason
	switch {
	case reason != "":
	case !ok:
		reason = escaped
	}
	r := scan.Reference{Span: s, Name: s, Text: i.name.text, Image: i.name.image, Platform: i.name.platform, Reason: reason}
	if reason != "" {
		r.Class, r.Span, r.Name, r.Text = scan.Ambiguous, i.span, i.span, firstLine(n.Value)
	} else if r.Image.Digest != "" && !strings.Contains(r.Text, "@") {
		r.Class = scan.ReadOnly // the digest is elsewhere in the mapping
	}
	w.References = append(w.References, r)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line[:min(len(line), scan.MaxShown)])
}

// valueSpan returns the span of a scalar without its quotes. ok reports whether the bytes
// there are its value.
func (w *walker) valueSpan(n *yaml.Node) (s scan.Span, ok bool) {
	start, quote := w.info(n).span.Start, quoteOf(n)
	ok = bytes.HasPrefix(w.Data[start:], []byte(quote+n.Value+quote)) && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0
	start += len(quote)
	return scan.Span{Start: start, End: start + len(n.Value)}, ok
}

// quoteOf returns the quote around a scalar, or "".
func quoteOf(n *yaml.Node) string {
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0:
		return "'"
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return `"`
	}
	return ""
}

// leave adds a node that is not the whole name of an image, with the reason.
func (w *walker) leave(n *yaml.Node, reason string) {
	i := w.info(n)
	if i.name == nil {
		i.isChecked, i.name = true, &imageName{}
	}
	i.name.reason = cmp.Or(i.name.reason, reason)
}
