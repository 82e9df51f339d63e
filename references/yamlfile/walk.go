package yamlfile

import (
	"cmp"
	"regexp"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/references/scan"
	"docker-credential-cgr/registry"
)

// Reason a value in YAML is left.
const (
	inParts = "is given in parts: add a digest: beside them to pin it"
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

// walk goes through documents and remembers their spots. It visits every node where
// it stands and follows an alias only from a key that has an image, and never further
// than to what it names, so that the work grows with the file and aliases neither
// multiply nor loop.
type walk struct {
	*scan.Results
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
	built    map[*yaml.Node]scan.Class // scalars: Pushed or Built
	own      map[*yaml.Node][5]*yaml.Node

	variables map[string][]*yaml.Node // that may be what an image: is
	named     map[string]bool         // variables that an image: is, and false for a part of one
}

func newWalk(r *scan.Results, workflow bool) *walk {
	w := &walk{Results: r, workflow: workflow, variables: map[string][]*yaml.Node{}, named: map[string]bool{}}
	w.own, w.built = map[*yaml.Node][5]*yaml.Node{}, map[*yaml.Node]scan.Class{}
	w.offset, w.at = map[*yaml.Node]int{}, map[*yaml.Node]*spot{}
	for _, set := range []*map[*yaml.Node]bool{&w.inKeys, &w.mappings, &w.edited, &w.scripts} {
		*set = map[*yaml.Node]bool{}
	}
	return w
}

// visit goes through a node that is the value of a key, in a mapping that is the value
// of another one.
func (w *walk) visit(n *yaml.Node, key, above string) {
	if n.Kind != yaml.MappingNode {
		for _, child := range n.Content {
			w.visit(child, key, above)
		}
		return
	}
	beside := siblingsOf(n)
	// In Compose, and not where build is the name of a job.
	isBuilt := key == "artifacts" || valueOf(n, "build") != nil && (above == "services" || strings.HasPrefix(key, "x-"))
	w.parts(n, false)
	w.login(n)
	w.parameter(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, v := keyName(n.Content[i]), n.Content[i+1]
		w.rememberKey(n.Content[i])
		switch {
		case name == "image" && isBuilt:
			w.buildsAll(v, scan.Built)
		case scan.Builders[name] != 0:
			w.buildsAll(v, scan.Builders[name])
		case strings.HasSuffix(name, "image") && scan.IsImageKey(name) || strings.HasSuffix(name, "Image") && scan.IsImageKey(name):
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
			if w.workflow && strings.HasPrefix(behind(v).Value, scan.Schemes[0]) {
				w.name(v, beside)
			}
		case name == "variables":
			w.declare(v)
		case name == "run", name == "script", name == "before_script", name == "after_script":
			w.isScript(v)
		case name == "values", strings.HasSuffix(name, ".yaml"), strings.HasSuffix(name, ".yml"):
			w.block(v)
		}
		w.visit(v, name, key)
	}
}

// isName reports whether a value is a name with a host of ours, and no reference of
// another kind, which keys of the same name may have.
func (w *walk) isName(v *yaml.Node) bool { return scan.IsOurs(behind(v).Value, w.Host) }

// rememberKey notes what a key shares with values by anchors. It is never searched
// itself.
func (w *walk) rememberKey(key *yaml.Node) {
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
			if v.Kind == yaml.ScalarNode && (scan.IsVariable(v.Value) || registry.CheckPlatform(v.Value) == nil) {
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
func (w *walk) image(v *yaml.Node, beside siblings) {
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
func (w *walk) images(v *yaml.Node) {
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
func (w *walk) services(v *yaml.Node) {
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
func (w *walk) isScript(v *yaml.Node) {
	if v.Kind == yaml.ScalarNode {
		w.scripts[v] = true
	}
	if v.Kind == yaml.SequenceNode {
		for _, child := range v.Content {
			w.isScript(child)
		}
	}
}

// buildsAll remembers the names of what is built or pushed.
func (w *walk) buildsAll(v *yaml.Node, class scan.Class) {
	if v = behind(v); v.Kind == yaml.ScalarNode {
		w.built[v] = max(w.built[v], class)
	} else if v.Kind == yaml.SequenceNode && !w.mappings[v] {
		w.mappings[v] = true
		for _, child := range v.Content {
			if child.Kind == yaml.ScalarNode {
				w.built[child] = max(w.built[child], class)
			}
		}
	}
}

var usedVariable = sync.OnceValue(func() *regexp.Regexp {
	// $NAME and ${NAME} of a shell, $(params.NAME) of Tekton, {{inputs.parameters.NAME}} of Argo.
	return regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?|\$\((?:inputs\.)?params\.([A-Za-z0-9_.-]+)\)|\{\{ *(?:inputs|workflow)\.parameters\.([A-Za-z0-9_.-]+) *\}\}`)
})

// use notes which variables an image is, or has for a part.
func (w *walk) use(n *yaml.Node) {
	if _, known := w.at[n]; known || !scan.IsVariable(n.Value) {
		return
	}
	for _, m := range usedVariable().FindAllStringSubmatch(n.Value, -1) {
		name := m[1] + m[2] + m[3]
		wholly, known := w.named[name]
		w.named[name] = m[0] == n.Value && (wholly || !known)
	}
}

// declare notes a mapping of variables, each a value or a mapping with one.
func (w *walk) declare(v *yaml.Node) {
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
func (w *walk) parameter(n *yaml.Node) {
	name, v := valueOf(n, "name"), cmp.Or(valueOf(n, "default"), valueOf(n, "value"))
	if name == nil || v == nil || name.Kind != yaml.ScalarNode {
		return
	}
	w.variables[name.Value] = append(w.variables[name.Value], v)
	// By convention IMAGE is what a task builds.
	if _, known := w.named[name.Value]; !known && scan.IsImageKey(name.Value) && name.Value != "IMAGE" && w.isName(v) {
		w.named[name.Value] = true
	}
}

// login notes the registry of a step that signs in there.
func (w *walk) login(n *yaml.Node) {
	if host := valueOf(n, "registry"); host != nil && scan.IsHost(text(host), w.Host) && (valueOf(n, "username") != nil || valueOf(n, "password") != nil) {
		w.Other = append(w.Other, scan.At(w.offset[host], w.end(host)))
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
