package references

import (
	"cmp"
	"strings"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/registry"
)

// A spot is a place that names an image of the registry, or seems to.
type spot struct {
	node     *yaml.Node
	prefix   string // that stands before the reference in the same value
	image    registry.Reference
	platform string
	why      string // it has to stay as it is; empty where it has not
}

// yamlWalk goes through documents and remembers their spots. It visits every node where
// it stands and follows an alias only from an `image` key, and never further than to
// what it names, so that the work grows with the file and aliases neither multiply nor
// loop.
type yamlWalk struct {
	host     string // without the standard port
	workflow bool
	spots    []*spot
	at       map[*yaml.Node]*spot // nil for a scalar that is none
	inKeys   map[*yaml.Node]bool  // scalars that keys of mappings hold or are aliases of
	parts    map[*yaml.Node]imageParts
	mappings map[*yaml.Node]bool // under `image` keys, seen
}

func newYAMLWalk(host string, workflow bool) *yamlWalk {
	return &yamlWalk{
		host: host, workflow: workflow,
		at:       map[*yaml.Node]*spot{},
		inKeys:   map[*yaml.Node]bool{},
		parts:    map[*yaml.Node]imageParts{},
		mappings: map[*yaml.Node]bool{},
	}
}

func (w *yamlWalk) walk(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		for _, child := range n.Content {
			w.walk(child)
		}
		return
	}
	beside := siblingsOf(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		w.rememberKey(key)
		switch keyName(key) {
		case "image":
			w.image(value, beside)
		case "services":
			w.services(value)
		case "images":
			w.kustomize(value)
		case "container":
			if w.workflow {
				w.name(value, beside)
			}
		case "uses":
			// Without docker:// it is an action, not an image.
			if w.workflow && strings.HasPrefix(behind(value).Value, dockerScheme) {
				w.name(value, beside)
			}
		}
		w.walk(value)
	}
}

// rememberKey notes what a key shares with values by anchors. It is never searched
// itself.
func (w *yamlWalk) rememberKey(key *yaml.Node) {
	if key.Kind == yaml.AliasNode || key.Anchor != "" {
		w.inKeys[behind(key)] = true
	}
	for _, child := range key.Content {
		w.rememberKey(child)
	}
}

// siblings is what stands beside an image's name, in the same mapping.
type siblings struct {
	platform string
	tag      bool
	pinned   bool // a digest is there
}

func siblingsOf(mapping *yaml.Node) siblings {
	var s siblings
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		switch keyName(mapping.Content[i]) {
		case "platform":
			s.platform = platformIn(mapping.Content[i+1])
		case "tag", "imageTag":
			s.tag = true
		case "digest", "imageDigest":
			s.pinned = isDigest(behind(mapping.Content[i+1]))
		}
	}
	return s
}

// platformIn is a platform as Docker writes it, or a variable in its place.
func platformIn(n *yaml.Node) string {
	if n = behind(n); n.Kind == yaml.ScalarNode && (hasVariable(n.Value) || registry.CheckPlatform(n.Value) == nil) {
		return n.Value
	}
	return ""
}

// several is the platform of an image that is used for more than one.
const several = "several platforms"

// image takes the value of an `image` key.
func (w *yamlWalk) image(value *yaml.Node, beside siblings) {
	n := behind(value)
	switch n.Kind {
	case yaml.ScalarNode:
		w.name(n, beside)
	case yaml.SequenceNode:
		if n == value { // many aliases of one list would be many walks
			w.list(n)
		}
	case yaml.MappingNode:
		w.mapping(n)
	}
}

// list takes the names of a list, such as a matrix.
func (w *yamlWalk) list(n *yaml.Node) {
	for _, child := range n.Content {
		w.name(child, siblings{})
	}
}

// services takes the list of a GitLab job's services, each a name or a mapping with one
// (GitLab CI/CD YAML syntax reference, `services`). Elsewhere services are a mapping.
func (w *yamlWalk) services(value *yaml.Node) {
	if value.Kind != yaml.SequenceNode {
		return
	}
	for _, service := range value.Content {
		switch service.Kind {
		case yaml.ScalarNode, yaml.AliasNode:
			w.name(service, siblings{})
		case yaml.MappingNode:
			w.mapping(service)
		}
	}
}

// kustomize takes what a kustomization puts into other files in the place of images
// (Kustomize, `images`): a pin there would be undone.
func (w *yamlWalk) kustomize(value *yaml.Node) {
	if value.Kind != yaml.SequenceNode {
		return
	}
	for _, change := range value.Content {
		if change.Kind != yaml.MappingNode {
			continue
		}
		var name, tag *yaml.Node
		pinned := false
		for i := 0; i+1 < len(change.Content); i += 2 {
			part := behind(change.Content[i+1])
			switch keyName(change.Content[i]) {
			case "newName":
				name = part
			case "name":
				if name == nil {
					name = part
				}
			case "newTag":
				tag = part
			case "digest":
				pinned = isDigest(part)
			}
		}
		if tag != nil && !pinned && name != nil && name.Kind == yaml.ScalarNode && w.ours(name.Value) {
			w.leave(name, "gets its tag from newTag: write digest: in its place")
		}
	}
}

// name takes a scalar that names an image, or an alias of one. One that several aliases
// name is read once: it stays if beside one of them it has to, and has a platform only
// where they all agree.
func (w *yamlWalk) name(value *yaml.Node, beside siblings) {
	n := behind(value)
	if n.Kind != yaml.ScalarNode || beside.pinned {
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
		s.platform = several
	}
	if s.why == "" && beside.tag && s.image.Tag == "" && s.image.Digest == "" {
		s.why = inParts
	}
}

// read tells what a scalar names, or nil where that is nothing of our registry.
func (w *yamlWalk) read(n *yaml.Node) *spot {
	s := &spot{node: n}
	text := strings.TrimSpace(n.Value)
	if rest, ok := strings.CutPrefix(text, dockerScheme); ok {
		s.prefix, text = dockerScheme, rest
	}
	switch {
	case hasVariable(text) && mentions(text, w.host):
		s.why = "is made from a variable: only a name written out can be pinned"
	case w.ours(text):
		var err error
		if s.image, err = registry.Parse(text, w.host); err != nil {
			s.why = err.Error()
		}
		s.why = cmp.Or(w.unusual(s), s.why)
	default:
		return nil
	}
	return s
}

// unusual says why a spot is left however good its name is, or nothing.
func (w *yamlWalk) unusual(s *spot) string {
	n := s.node
	switch {
	case n.Style&yaml.TaggedStyle != 0 && n.ShortTag() != "!!str":
		return "has the tag " + platform.Printable(n.ShortTag()) + ", which may make something else of it"
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return "is a block of text (| or >): write it behind its key"
	case strings.TrimSpace(n.Value) != n.Value:
		return "has space around it"
	case s.prefix != "" && !w.workflow:
		return "begins with " + dockerScheme + ", which means an image only in workflows of GitHub"
	}
	return ""
}

// leave remembers a node that is not the whole name of an image.
func (w *yamlWalk) leave(n *yaml.Node, why string) {
	if s := w.at[n]; s != nil {
		s.why = cmp.Or(s.why, why)
		return
	}
	s := &spot{node: n, why: why}
	w.at[n] = s
	w.spots = append(w.spots, s)
}

// behind is the node that an alias stands for, or the node itself.
func behind(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// keyName is the name of a key, or nothing where it is no string.
func keyName(key *yaml.Node) string {
	if key = behind(key); key.Kind == yaml.ScalarNode && key.ShortTag() == "!!str" {
		return key.Value
	}
	return ""
}
