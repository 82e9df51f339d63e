package yamlfile

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/references/scan"
	"docker-credential-cgr/registry"
)

const (
	noTagHere = "has neither a tag nor a digest beside it: what it is stands elsewhere"
	shared    = "shares its name, tag or digest with another place: write them out"
)

// imageParts is a mapping that gives an image in parts, as charts do, or under name:
// as GitLab does.
type imageParts struct {
	registry, repository, name, tag, digest *yaml.Node
	merged                                  bool // some of it comes from another mapping
}

// partsOf reads a mapping, and what is merged into it by <<.
func (w *walk) partsOf(mapping *yaml.Node) imageParts {
	var p imageParts
	bases := []*yaml.Node{mapping}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].ShortTag() != "!!merge" {
			continue
		}
		base := mapping.Content[i+1]
		if base.Kind == yaml.SequenceNode {
			bases = append(bases, base.Content...)
		} else {
			bases = append(bases, base)
		}
	}
	for i, base := range bases {
		if base = behind(base); base.Kind != yaml.MappingNode {
			continue
		}
		own := w.ownParts(base)
		for j, part := range []**yaml.Node{&p.registry, &p.repository, &p.name, &p.tag, &p.digest} {
			if *part == nil && own[j] != nil {
				*part = own[j]
				p.merged = p.merged || i > 0
			}
		}
	}
	return p
}

// ownParts are the values of a mapping itself. One may be merged into many.
func (w *walk) ownParts(mapping *yaml.Node) (own [5]*yaml.Node) {
	own, known := w.own[mapping]
	if !known {
		for i, key := range []string{"registry", "repository", "name", "tag", "digest"} {
			own[i] = valueOf(mapping, key)
		}
		w.own[mapping] = own
	}
	return own
}

// text is the value of a part, or nothing.
func text(n *yaml.Node) string {
	if n == nil || behind(n).Kind != yaml.ScalarNode {
		return ""
	}
	return strings.TrimSpace(behind(n).Value)
}

// parts takes a mapping that may give an image in parts. Under a key with an image its
// name may be all of it.
func (w *walk) parts(n *yaml.Node, isImage bool) {
	p := w.partsOf(n)
	if p.repository == nil && !isImage {
		return
	}
	if p.repository == nil && p.registry == nil && p.tag == nil && p.digest == nil {
		if p.name != nil {
			w.use(behind(p.name))
			w.name(p.name, siblingsOf(n))
		}
		return
	}
	where, name := p.repository, text(p.repository)
	if p.repository == nil {
		where, name = p.name, text(p.name)
	}
	if host := text(p.registry); host != "" {
		where, name = p.registry, host+"/"+name
	}
	if where == nil || !scan.IsOurs(name, w.Host) && !(scan.IsVariable(name) && scan.Mentioned(name, w.Host)) && !scan.IsHost(name, w.Host) {
		return
	}
	if w.edited[n] { // by an alias
		return
	}
	w.edited[n] = true
	image, err := registry.Parse(name, w.Host)
	at := behind(where)
	tag, digest, hasDigest := strings.Cut(text(p.tag), "@")
	full := name + ":" + tag
	if tag == "" {
		full = name
	}
	switch withTag, tagErr := registry.Parse(full, w.Host); {
	case scan.IsVariable(name + tag):
		w.leaveNode(at, scan.HasVariable)
	case err != nil || tagErr != nil:
		w.leaveNode(at, inParts)
	case image.Tag != "" && tag == "":
		w.name(where, siblingsOf(n))
	case image.Digest != "":
		w.leaveNode(at, inParts)
	case isShared(where) && scan.IsOurs(text(where), w.Host):
		w.leaveNode(at, shared)
	case p.merged || isShared(p.tag) || isShared(p.digest) || w.edited[p.tag] || w.edited[p.digest]:
		if registry.ValidDigest(text(p.digest)) {
			withTag.Digest = text(p.digest)
			w.foundPart(at, scan.Reference{Text: full + "@" + withTag.Digest, Image: withTag, ReadOnly: true})
			return
		}
		w.leaveNode(at, shared)
	case p.digest != nil:
		w.digest(at, n, scan.Reference{Text: full, Image: withTag, Form: scan.DigestPart})
	case tag != "" && (!hasDigest || registry.ValidDigest(digest)):
		f := scan.Reference{Text: full, Image: withTag, Form: scan.TagPart}
		if hasDigest {
			f.Text, f.Image.Digest = full+"@"+digest, digest
		}
		w.part(at, p.tag, f)
	default:
		w.leaveNode(at, noTagHere)
	}
}

// kustomize takes what a kustomization puts into other files in the place of an image
// (Kustomize, `images`).
func (w *walk) kustomize(n *yaml.Node) {
	name, tag, digest := valueOf(n, "newName"), valueOf(n, "newTag"), valueOf(n, "digest")
	if name == nil && (tag != nil || digest != nil) {
		name = valueOf(n, "name")
	}
	if name == nil || !scan.IsOurs(text(name), w.Host) {
		return
	}
	full := text(name)
	if t := text(tag); t != "" {
		full += ":" + t
	}
	image, err := registry.Parse(full, w.Host)
	at := behind(name)
	switch {
	case err != nil || scan.IsVariable(full):
		w.leaveNode(at, inParts)
	case isShared(tag) || isShared(digest):
		w.leaveNode(at, shared)
	case digest != nil:
		w.digest(at, n, scan.Reference{Text: full, Image: image, Form: scan.DigestPart})
	case text(tag) != "":
		f := scan.Reference{Text: full, Image: image, Form: scan.NewTag}
		w.part(at, tag, f)
	default:
		w.leaveNode(at, noTagHere)
	}
}

// digest finds an image whose mapping has a digest: key, be it empty.
func (w *walk) digest(at, mapping *yaml.Node, f scan.Reference) {
	v := valueOf(mapping, "digest")
	if old := text(v); registry.ValidDigest(old) {
		f.Text, f.Image.Digest = f.Text+"@"+old, old
	}
	if _, written := w.offset[v]; written {
		w.part(at, v, f)
		return
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key := mapping.Content[i]
		if keyName(key) != "digest" {
			continue
		}
		_, end, ok := w.bytes(key)
		if key.Style != 0 {
			end++
		}
		if !ok || end >= len(w.Data) || w.Data[end] != ':' {
			break
		}
		f.Start, f.End, f.Form = end+1, end+1, scan.DigestMissing
		w.foundPart(at, f)
		return
	}
	w.leaveNode(at, escaped)
}

// part finds an image by the node whose bytes a digest changes.
func (w *walk) part(at, changed *yaml.Node, f scan.Reference) {
	start, end, ok := w.bytes(changed)
	if !ok || changed.Kind != yaml.ScalarNode || changed.Style&yaml.TaggedStyle != 0 || w.inKeys[changed] {
		w.leaveNode(at, escaped)
		return
	}
	if f.Form == scan.NewTag {
		key := w.keyBefore(changed)
		if key < 0 {
			w.leaveNode(at, escaped)
			return
		}
		if changed.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			end++
		}
		if end < len(w.Data) && strings.IndexByte(" \t\r\n,}", w.Data[end]) < 0 { // without quotes it would go on
			w.leaveNode(at, escaped)
			return
		}
		start = key
	}
	w.edited[changed] = true
	f.Start, f.End = start, end
	w.foundPart(at, f)
}

// keyBefore is where the plain key newTag begins before its value, on one line; -1 where
// it does not.
func (w *walk) keyBefore(v *yaml.Node) int {
	before := w.Data[:w.offset[v]]
	before = bytes.TrimRight(before, " \t")
	if !bytes.HasSuffix(before, []byte("newTag:")) {
		return -1
	}
	return len(before) - len("newTag:")
}

// foundPart notes an image whose name stands at a node.
func (w *walk) foundPart(at *yaml.Node, f scan.Reference) {
	if f.Name = w.offset[at]; at.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		f.Name++
	}
	f.NameEnd = w.end(at)
	w.References = append(w.References, f)
	w.at[at] = nil // it is no whole name
}

// isShared reports whether a node is an alias or may have one.
func isShared(n *yaml.Node) bool { return n != nil && (n.Kind == yaml.AliasNode || n.Anchor != "") }

// leaveNode notes a node that is not the whole name of an image.
func (w *walk) leaveNode(n *yaml.Node, why string) {
	if s := w.at[n]; s != nil {
		if s.why == "" {
			s.why = why
		}
		return
	}
	s := &spot{node: n, why: why}
	w.at[n] = s
	w.spots = append(w.spots, s)
}
