package references

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/registry"
)

const (
	// What GitHub writes before an image: in `uses` always, elsewhere if one likes
	// (Workflow syntax for GitHub Actions, jobs.<job_id>.steps[*].uses).
	dockerScheme = "docker://"
	maxPart      = 1024 // bytes; a longer text is no part of a name, and not searched
	inParts      = "is given in parts: to pin it, give a digest: beside them"
)

// imageParts is what a mapping under an `image` key says: GitLab gives the whole name
// there beside what else it wants of the image, charts give it in parts.
type imageParts struct {
	name   *yaml.Node // the whole name, if nothing else is a part of it
	split  bool       // other parts are there
	pinned bool       // a digest is one of them
	ours   *yaml.Node // the first part that names our registry
}

// mapping takes a mapping under an `image` key, once however many aliases it has.
func (w *yamlWalk) mapping(n *yaml.Node) {
	if w.mappings[n] {
		return
	}
	w.mappings[n] = true
	if len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode { // {{ … }}
		if mentionedIn(n.Content[0], w.host) {
			w.leave(n, "is a template: only a name written out can be pinned")
		}
		return
	}
	p := w.partsOf(n)
	for _, base := range merged(n) {
		b := w.partsOf(base)
		p.split = p.split || b.split
		p.pinned = p.pinned || b.pinned
		if p.name == nil {
			p.name = b.name
		}
		if p.ours == nil {
			p.ours = b.ours
		}
	}
	switch {
	case !p.split && p.name != nil:
		w.name(p.name, siblingsOf(n))
	case p.ours != nil && !p.pinned:
		w.leave(p.ours, inParts)
	}
}

// partsOf reads the parts of a mapping itself, without what is merged into it.
func (w *yamlWalk) partsOf(mapping *yaml.Node) imageParts {
	if p, ok := w.parts[mapping]; ok {
		return p
	}
	var p imageParts
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		value := behind(mapping.Content[i+1])
		switch keyName(mapping.Content[i]) {
		case "name", "reference": // the latter of a Kubernetes volume
			p.name = value
		case "registry", "repository":
			p.split = true
		case "tag":
			p.split = true
			continue
		case "digest":
			p.split, p.pinned = true, isDigest(value)
			continue
		default:
			continue
		}
		if p.ours == nil && value.Kind == yaml.ScalarNode && w.part(value.Value) {
			p.ours = value
		}
	}
	w.parts[mapping] = p
	return p
}

// isDigest says whether a node is a digest.
func isDigest(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && registry.ValidDigest(n.Value)
}

// merged are the mappings that a mapping's merge key (<<) names.
func merged(mapping *yaml.Node) []*yaml.Node {
	var bases []*yaml.Node
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].ShortTag() != "!!merge" {
			continue
		}
		values := []*yaml.Node{mapping.Content[i+1]}
		if values[0].Kind == yaml.SequenceNode {
			values = values[0].Content
		}
		for _, value := range values {
			if base := behind(value); base.Kind == yaml.MappingNode {
				bases = append(bases, base)
			}
		}
	}
	return bases
}

// mentionedIn says whether a scalar in n mentions the host.
func mentionedIn(n *yaml.Node, host string) bool {
	if n.Kind == yaml.ScalarNode && mentions(n.Value, host) {
		return true
	}
	for _, child := range n.Content {
		if mentionedIn(child, host) {
			return true
		}
	}
	return false
}

// ours says whether a name's first part is the registry's host.
func (w *yamlWalk) ours(name string) bool {
	first, _, found := strings.Cut(name, "/")
	return found && isHost(first, w.host)
}

// part says whether one part of a name names the registry.
func (w *yamlWalk) part(text string) bool {
	if len(text) > maxPart {
		return false
	}
	text = strings.TrimSpace(text)
	return isHost(text, w.host) || w.ours(text) || hasVariable(text) && mentions(text, w.host)
}

func isHost(text, host string) bool {
	text = strings.TrimSuffix(text, standardPort)
	return len(text) == len(host) && strings.EqualFold(text, host)
}

// hasVariable says whether something is put into a text before it is used: by a shell,
// Compose, GitHub, Tekton ($), CircleCI (<<), or a template.
func hasVariable(text string) bool {
	return strings.ContainsRune(text, '$') || strings.Contains(text, "<<") || strings.Contains(text, "{{") || strings.Contains(text, "{%")
}

// mentions says whether the whole host is somewhere in a text where a name can begin:
// ${IMAGE:-HOST/org/image}, but neither notHOST/x, HOST.example/x nor mirror/HOST/x.
func mentions(text, host string) bool {
	data := []byte(text)
	for from := 0; ; {
		i := indexFold(data[from:], host)
		if i < 0 {
			return false
		}
		start := from + i
		from = start + len(host)
		if beginsName(text[:start]) && endsHost(text[from:]) {
			return true
		}
	}
}

// beginsName says whether a name may begin behind the text: not in the midst of a word
// or path, but behind the dash of ${NAME-default}.
func beginsName(before string) bool {
	if name, ok := strings.CutSuffix(before, "-"); ok {
		name = strings.TrimRight(strings.TrimSuffix(name, ":"), wordBytes)
		return strings.HasSuffix(name, "${")
	}
	return before == "" || !strings.Contains(wordBytes+"./@", before[len(before)-1:])
}

// endsHost says whether a host may end before the text, with its standard port or none.
func endsHost(after string) bool {
	after = strings.TrimPrefix(after, standardPort)
	port, ok := strings.CutPrefix(after, ":")
	if ok {
		return port == "" || port[0] < '0' || port[0] > '9'
	}
	return after == "" || !strings.Contains(wordBytes+".-@", after[:1])
}

// What names of variables are made of, and of hosts beside dots and dashes.
const wordBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
