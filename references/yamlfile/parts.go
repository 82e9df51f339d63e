package yamlfile

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/references/scan"
	"docker-credential-cgr/registry"
)

const (
	noTagHere = "has neither a tag nor a digest in its mapping"
	shared    = "shares its name, tag or digest with another value: write them out"
)

// parts is an image that a mapping gives in parts.
type parts struct {
	mapping      *yaml.Node
	name         *yaml.Node // where the host is
	text         string     // the name with the registry
	tag, digest  *yaml.Node // or nil
	isMerged     bool       // a part may come from another mapping, or be in another one too
	isKustomized bool
}

// readParts reads a mapping that may give an image in parts, as charts do. Under a key with an
// image, its name: may be the whole image, as in GitLab.
func (w *walker) readParts(n *yaml.Node, isImage bool) {
	host, repository, name := valueOf(n, "registry"), valueOf(n, "repository"), valueOf(n, "name")
	tag, digest := valueOf(n, "tag"), valueOf(n, "digest")
	if repository == nil && !isImage {
		return
	}
	if repository == nil && host == nil && tag == nil && digest == nil {
		switch {
		case name == nil:
		case !hasMerge(n):
			w.useVariables(target(name))
			w.readName(name, siblingsOf(n))
		case w.hasHost(name):
			w.leave(target(name), shared)
		}
		return
	}
	if repository != nil {
		name = repository
	}
	p := parts{mapping: n, name: name, text: text(name), tag: tag, digest: digest, isMerged: n.Anchor != "" || hasMerge(n)}
	if prefix := text(host); prefix != "" {
		p.name, p.text = host, prefix+"/"+p.text
	}
	isComposed := scan.IsVariable(p.text) && scan.Mentions(p.text, w.Host)
	isOurs := scan.HasHost(p.text, w.Host) || isComposed || scan.IsHost(p.text, w.Host)
	if p.name == nil || !isOurs || w.info(n).isRead { // through an alias
		return
	}
	w.info(n).isRead = true
	w.addParts(p)
}

// readKustomization reads an image that a kustomization puts in the place of another
// (Kustomize, `images`).
func (w *walker) readKustomization(n *yaml.Node) {
	p := parts{mapping: n, name: valueOf(n, "newName"), tag: valueOf(n, "newTag"), digest: valueOf(n, "digest"), isKustomized: true}
	if p.name == nil && (p.tag != nil || p.digest != nil) {
		p.name = valueOf(n, "name")
	}
	if p.text = text(p.name); scan.HasHost(p.text, w.Host) {
		w.addParts(p)
	}
}

// hasMerge reports whether other mappings are merged into a mapping.
func hasMerge(mapping *yaml.Node) bool {
	return slices.ContainsFunc(mapping.Content, func(n *yaml.Node) bool { return n.ShortTag() == "!!merge" })
}

// addParts adds an image in parts, or leaves its name.
func (w *walker) addParts(p parts) {
	name := target(p.name)
	tag, digest, tagHasDigest := strings.Cut(text(p.tag), "@")
	full := p.text
	if tag != "" {
		full += ":" + tag
	}
	image, err := registry.Parse(p.text, w.Host)
	withTag, tagErr := registry.Parse(full, w.Host)
	r := scan.Reference{Text: full, Image: withTag}
	oldDigest := text(p.digest)
	if p.digest == nil {
		oldDigest = digest
	}
	isPinned := registry.ValidDigest(oldDigest)
	if isPinned {
		r.Text, r.Image.Digest = full+"@"+oldDigest, oldDigest
	}
	isPartShared := p.isMerged || isShared(p.tag) || isShared(p.digest)
	switch {
	case scan.IsVariable(full):
		w.leave(name, scan.HasVariable)
	case err != nil || tagErr != nil || image.Digest != "":
		w.leave(name, inParts)
	case !p.isKustomized && image.Tag != "" && tag == "":
		w.readName(p.name, siblingsOf(p.mapping))
	case !p.isKustomized && isShared(p.name) && w.hasHost(p.name):
		w.leave(name, shared)
	case isPartShared && p.digest != nil && isPinned:
		r.Class = scan.ReadOnly
		w.addPart(name, r)
	case isPartShared:
		w.leave(name, shared)
	case p.digest != nil && isEmpty(p.digest):
		w.addMissingDigest(name, p.mapping, r)
	case p.digest != nil:
		r.Form = scan.DigestPart
		w.addEdit(name, p.digest, r)
	case tag == "" || tagHasDigest && !isPinned:
		w.leave(name, noTagHere)
	case p.isKustomized:
		r.Form = scan.NewTag
		w.addEdit(name, p.tag, r)
	default:
		r.Form = scan.TagPart
		w.addEdit(name, p.tag, r)
	}
}

// addMissingDigest adds an image whose mapping has a digest: without a value.
func (w *walker) addMissingDigest(name, mapping *yaml.Node, r scan.Reference) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key := mapping.Content[i]
		if keyName(key) != "digest" {
			continue
		}
		s, ok := w.valueSpan(key)
		colon := s.End + len(quoteOf(key))
		if ok && colon < len(w.Data) && w.Data[colon] == ':' {
			r.Span, r.Form = scan.Span{Start: colon + 1, End: colon + 1}, scan.DigestMissing
			w.addPart(name, r)
			return
		}
		break
	}
	w.leave(name, escaped)
}

// addEdit adds an image by its name and the node that a digest changes.
func (w *walker) addEdit(name, edited *yaml.Node, r scan.Reference) {
	s, ok := w.valueSpan(edited)
	ok = ok && edited.Kind == yaml.ScalarNode && edited.Style&yaml.TaggedStyle == 0
	if ok && r.Form == scan.NewTag {
		// The edit replaces the key too, and the quotes, without which the value must not go on.
		const key = "newTag:"
		before := bytes.TrimRight(w.Data[:w.info(edited).span.Start], " \t")
		s = scan.Span{Start: len(before) - len(key), End: s.End + len(quoteOf(edited))}
		endsHere := s.End >= len(w.Data) || strings.IndexByte(" \t\r\n,}", w.Data[s.End]) >= 0
		ok = bytes.HasSuffix(before, []byte(key)) && endsHere
	}
	if !ok {
		w.leave(name, escaped)
		return
	}
	r.Span = s
	w.addPart(name, r)
}

// addPart adds an image whose name is at a node, but not the whole of it.
func (w *walker) addPart(n *yaml.Node, r scan.Reference) {
	i := w.info(n)
	r.Name = scan.Span{Start: i.span.Start + len(quoteOf(n)), End: i.span.End}
	w.References = append(w.References, r)
	i.isChecked, i.name = true, nil
}
