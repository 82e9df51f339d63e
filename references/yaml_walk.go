package references

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/registry"
)

// Why a value in YAML is left.
const (
	inParts = "is given in parts: to pin it, give a digest: beside them"
	escaped = "is written with escapes or over several lines: only a name in one piece can be pinned"
)

// A spot is a value that names an image of the registry, or seems to.
type spot struct {
	node     *yaml.Node
	prefix   string // that stands before the reference in the same value
	text     string // the reference
	image    registry.Reference
	platform string
	why      string // it has to stay as it is; empty where it has not
}

// yamlWalk goes through documents and remembers their spots. It visits every node where
// it stands and follows an alias only from a key that has an image, and never further
// than to what it names, so that the work grows with the file and aliases neither
// multiply nor loop.
type yamlWalk struct {
	*results
	workflow bool
	nested   int // how deep it is in strings
	nodes    []*yaml.Node
	offset   map[*yaml.Node]int
	spots    []*spot
	at       map[*yaml.Node]*spot // nil for a scalar that is none
	inKeys   map[*yaml.Node]bool  // scalars that keys of mappings hold or are aliases of
	mappings map[*yaml.Node]bool  // and lists that were taken
	edited   map[*yaml.Node]bool  // by a mapping that gives an image in parts
	scripts  map[*yaml.Node]bool
	built    map[*yaml.Node]bool
	own      map[*yaml.Node][5]*yaml.Node

	variables map[string][]*yaml.Node // that may be what an image: is
	named     map[string]bool         // variables that an image: is, and false for a part of one
}

func newYAMLWalk(r *results, workflow bool) *yamlWalk {
	w := &yamlWalk{results: r, workflow: workflow, variables: map[string][]*yaml.Node{}, named: map[string]bool{}}
	w.own = map[*yaml.Node][5]*yaml.Node{}
	w.offset, w.at = map[*yaml.Node]int{}, map[*yaml.Node]*spot{}
	for _, set := range []*map[*yaml.Node]bool{&w.inKeys, &w.mappings, &w.edited, &w.scripts, &w.built} {
		*set = map[*yaml.Node]bool{}
	}
	return w
}

// walk visits a node that is the value of a key, which is in the value of another.
func (w *yamlWalk) walk(n *yaml.Node, key, above string) {
	if n.Kind != yaml.MappingNode {
		for _, child := range n.Content {
			w.walk(child, key, above)
		}
		return
	}
	beside := siblingsOf(n)
	// In Compose, and not where build is the name of a job.
	isBuilt := key == "artifacts" || valueOf(n, "build") != nil && (above == "services" || strings.HasPrefix(key, "x-"))
	w.parts(n, false)
	w.parameter(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, v := keyName(n.Content[i]), n.Content[i+1]
		w.rememberKey(n.Content[i])
		switch {
		case name == "image" && isBuilt, slices.Contains(builders, name):
			w.buildsAll(v)
		case strings.HasSuffix(name, "image") && isImageKey(name) || strings.HasSuffix(name, "Image") && isImageKey(name):
			w.image(v, beside)
		case name == "services":
			w.services(v)
		case name == "images":
			w.images(v)
		case name == "container":
			w.name(v, beside)
		case name == "reference" && w.isName(v):
			w.name(v, beside)
		case name == "baseImageOverrides" && v.Kind == yaml.MappingNode:
			for j := 1; j < len(v.Content); j += 2 {
				w.name(v.Content[j], siblings{})
			}
		case name == "uses":
			// Without docker:// it is an action, not an image.
			if w.workflow && strings.HasPrefix(behind(v).Value, schemes[0]) {
				w.name(v, beside)
			}
		case name == "variables":
			w.declare(v)
		case name == "run", name == "script", name == "before_script", name == "after_script":
			w.isScript(v)
		case name == "values", strings.HasSuffix(name, ".yaml"), strings.HasSuffix(name, ".yml"):
			w.block(v)
		}
		w.walk(v, name, key)
	}
}

// isName reports whether a value is a name with a host of ours, and no reference of
// another kind, which keys of the same name may have.
func (w *yamlWalk) isName(v *yaml.Node) bool { return isOurs(behind(v).Value, w.host) }

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
	digest   string
}

func siblingsOf(mapping *yaml.Node) siblings {
	var s siblings
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		v := behind(mapping.Content[i+1])
		switch keyName(mapping.Content[i]) {
		case "platform":
			// As Docker writes it, or a variable in its place.
			if v.Kind == yaml.ScalarNode && (isVariable(v.Value) || registry.CheckPlatform(v.Value) == nil) {
				s.platform = v.Value
			}
		case "tag", "imageTag":
			s.tag = true
		case "digest", "imageDigest":
			if registry.ValidDigest(v.Value) {
				s.digest = v.Value
			}
		}
	}
	return s
}

// image takes the value of an `image` key.
func (w *yamlWalk) image(v *yaml.Node, beside siblings) {
	n := behind(v)
	switch n.Kind {
	case yaml.ScalarNode:
		w.use(n)
		w.name(n, beside)
	case yaml.SequenceNode:
		if n == v { // many aliases of one list would be many walks
			for _, child := range n.Content {
				w.name(child, siblings{})
			}
		}
	case yaml.MappingNode:
		if !w.mappings[n] {
			w.mappings[n] = true
			w.parts(n, true)
		}
	}
}

// images takes a list of names, such as Zarf's and, with what they are put in the place
// of, Argo CD's; or a kustomization's list of mappings.
func (w *yamlWalk) images(v *yaml.Node) {
	if v.Kind != yaml.SequenceNode {
		return
	}
	for _, child := range v.Content {
		switch child.Kind {
		case yaml.MappingNode:
			w.kustomize(child)
		default:
			w.name(child, siblings{})
		}
	}
}

// services takes the list of a GitLab job's services, each a name or a mapping with one
// (GitLab CI/CD YAML syntax reference, `services`). Elsewhere services are a mapping.
func (w *yamlWalk) services(v *yaml.Node) {
	if v.Kind != yaml.SequenceNode {
		return
	}
	for _, service := range v.Content {
		if service.Kind == yaml.ScalarNode || service.Kind == yaml.AliasNode {
			w.use(behind(service))
			w.name(service, siblings{})
		} else {
			w.image(service, siblings{})
		}
	}
}

// isScript remembers commands: a text, or a list of texts.
func (w *yamlWalk) isScript(v *yaml.Node) {
	if v.Kind == yaml.ScalarNode {
		w.scripts[v] = true
	}
	if v.Kind == yaml.SequenceNode {
		for _, child := range v.Content {
			w.isScript(child)
		}
	}
}

// buildsAll remembers the names of what is built.
func (w *yamlWalk) buildsAll(v *yaml.Node) {
	if v = behind(v); v.Kind == yaml.ScalarNode {
		w.built[v] = true
	} else if v.Kind == yaml.SequenceNode && !w.mappings[v] {
		w.mappings[v] = true
		for _, child := range v.Content {
			if child.Kind == yaml.ScalarNode {
				w.built[child] = true
			}
		}
	}
}

var usedVariable = sync.OnceValue(func() *regexp.Regexp {
	// $NAME and ${NAME} of a shell, $(params.NAME) of Tekton, {{inputs.parameters.NAME}} of Argo.
	return regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?|\$\((?:inputs\.)?params\.([A-Za-z0-9_.-]+)\)|\{\{ *(?:inputs|workflow)\.parameters\.([A-Za-z0-9_.-]+) *\}\}`)
})

// use notes which variables an image is, or has for a part.
func (w *yamlWalk) use(n *yaml.Node) {
	if _, known := w.at[n]; known || !isVariable(n.Value) {
		return
	}
	for _, m := range usedVariable().FindAllStringSubmatch(n.Value, -1) {
		name := m[1] + m[2] + m[3]
		wholly, known := w.named[name]
		w.named[name] = m[0] == n.Value && (wholly || !known)
	}
}

// declare notes a mapping of variables, each a value or a mapping with one.
func (w *yamlWalk) declare(v *yaml.Node) {
	if v.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(v.Content); i += 2 {
		name, n := keyName(v.Content[i]), v.Content[i+1]
		if n.Kind == yaml.MappingNode {
			n = cmp.Or(valueOf(n, "value"), n)
		}
		w.variables[name] = append(w.variables[name], n)
	}
}

// parameter notes a mapping with a name and a value, as Tekton and Argo have it.
func (w *yamlWalk) parameter(n *yaml.Node) {
	name, v := valueOf(n, "name"), cmp.Or(valueOf(n, "default"), valueOf(n, "value"))
	if name == nil || v == nil || name.Kind != yaml.ScalarNode {
		return
	}
	w.variables[name.Value] = append(w.variables[name.Value], v)
	// By convention IMAGE is what a task builds.
	if _, known := w.named[name.Value]; !known && isImageKey(name.Value) && name.Value != "IMAGE" && w.isName(v) {
		w.named[name.Value] = true
	}
}

// name takes a scalar that names an image, or an alias of one. One that several aliases
// name is read once: it stays if beside one of them it has to, and has a platform only
// where they all agree.
func (w *yamlWalk) name(v *yaml.Node, beside siblings) {
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
		s.platform = severalPlatforms
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
func (w *yamlWalk) read(n *yaml.Node) *spot {
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return nil
	}
	s := &spot{node: n}
	s.text = strings.TrimSpace(n.Value)
	if m := variableDefault().FindStringSubmatch(s.text); m != nil {
		s.prefix, s.text = m[1], m[2]
	} else if rest, ok := strings.CutPrefix(s.text, schemes[0]); ok {
		s.prefix, s.text = schemes[0], rest
	} else if name, rest, ok := strings.Cut(s.text, "="); ok && !strings.Contains(name, "/") {
		s.prefix, s.text = name+"=", rest // of Argo CD
	}
	switch {
	case isVariable(s.text) && mentioned(s.text, w.host):
		s.why = hasVariable
	case isOurs(s.text, w.host):
		var err error
		if s.image, err = registry.Parse(s.text, w.host); err != nil {
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
func (w *yamlWalk) unusual(s *spot) string {
	switch n := s.node; {
	case n.Style&yaml.TaggedStyle != 0 && n.ShortTag() != "!!str":
		return "has the tag " + platform.Printable(n.ShortTag()) + ", which may make something else of it"
	case strings.TrimSpace(n.Value) != n.Value:
		return "has space around it"
	case s.prefix == schemes[0] && !w.workflow:
		return "begins with " + s.prefix + ", which means an image only in workflows of GitHub"
	}
	return ""
}

// finish notes the spots, and the variables that turned out to be images.
func (w *yamlWalk) finish() {
	for name, wholly := range w.named {
		for _, n := range w.variables[name] {
			if wholly {
				w.name(n, siblings{})
			}
		}
	}
	for n := range w.built {
		if image, err := registry.Parse(n.Value, w.host); err == nil && isOurs(n.Value, w.host) {
			w.left = append(w.left, Left{Text: n.Value, Why: builtHere, Class: Built, Image: image, start: w.offset[n], end: w.end(n)})
		} else if mentioned(n.Value, w.host) {
			w.left = append(w.left, Left{Text: firstLine(n.Value), Why: builtHere, Class: Built, start: w.offset[n], end: w.end(n)})
		}
	}
	for _, s := range w.spots {
		start, end, ok := w.bytes(s.node)
		start += len(s.prefix)
		end = start + len(s.text)
		switch {
		case s.why != "":
		case w.inKeys[s.node]:
			s.why = "shares an anchor with a mapping's key: write the name itself"
		case !ok:
			s.why = escaped
		}
		if s.why != "" {
			w.left = append(w.left, Left{Text: firstLine(s.node.Value), Why: s.why, start: w.offset[s.node], end: w.end(s.node)})
			continue
		}
		w.found = append(w.found, Found{Start: start, End: end, Text: s.text, Image: s.image, Platform: s.platform, name: start, Fixed: s.image.Digest != "" && !strings.Contains(s.text, "@")})
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line[:min(len(line), maxShown)])
}

// bytes returns where a scalar stands without its quotes; ok says that the bytes there
// are its value.
func (w *yamlWalk) bytes(n *yaml.Node) (start, end int, ok bool) {
	start, quote := w.offset[n], ""
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0:
		quote = "'"
	case n.Style&yaml.DoubleQuotedStyle != 0:
		quote = `"`
	}
	ok = bytes.HasPrefix(w.data[start:], []byte(quote+n.Value+quote)) && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0
	start += len(quote)
	return start, start + len(n.Value), ok
}

// end is where the node begins that comes next in the file.
func (w *yamlWalk) end(n *yaml.Node) int {
	i := sort.Search(len(w.nodes), func(i int) bool { return w.offset[w.nodes[i]] > w.offset[n] })
	if i == len(w.nodes) {
		return len(w.data)
	}
	return w.offset[w.nodes[i]]
}

// script returns the commands that hold a place of the file.
func (w *yamlWalk) script(offset int) (place, bool) {
	i := sort.Search(len(w.nodes), func(i int) bool { return w.offset[w.nodes[i]] > offset }) - 1
	if i < 0 || !w.scripts[w.nodes[i]] {
		return place{}, false
	}
	n := w.nodes[i]
	return place{w.offset[n], w.end(n)}, true
}

// block reads the YAML in a literal block, which stands there as it is but for its
// indentation.
func (w *yamlWalk) block(v *yaml.Node) {
	if v.Kind != yaml.ScalarNode || v.Style&yaml.LiteralStyle == 0 || w.nested >= maxNested || !mentioned(v.Value, w.host) {
		return
	}
	start := w.offset[v] + until(w.data[w.offset[v]:], "\n") + 1
	end, indent := start, -1
	for end < len(w.data) {
		line := w.data[end : end+until(w.data[end:], "\n")]
		blanks := len(line) - len(bytes.TrimLeft(line, " "))
		if len(bytes.TrimSpace(line)) > 0 {
			if indent < 0 {
				indent = blanks
			}
			if blanks < indent {
				break
			}
		}
		end = min(len(w.data), end+len(line)+1)
	}
	if start >= end {
		return
	}
	inner := &results{data: w.data[start:end], host: w.host}
	in := newYAMLWalk(inner, false)
	in.nested = w.nested + 1
	if _, err := inner.readYAMLWith(in); err != nil {
		return
	}
	for _, f := range inner.found {
		f.Start, f.End, f.name = f.Start+start, f.End+start, f.name+start
		w.found = append(w.found, f)
	}
	for _, l := range inner.left {
		l.start, l.end = l.start+start, l.end+start
		w.left = append(w.left, l)
	}
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

// valueOf is the value of a mapping's key, or nil.
func valueOf(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if keyName(mapping.Content[i]) == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}
