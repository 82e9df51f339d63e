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

// walker finds images in YAML documents. It visits every node once and follows an alias only
// from a key with an image, and only to what it names, so that its work grows with the file
// and aliases neither multiply it nor loop.
type walker struct {
	*scan.Results
	isWorkflow bool
	depth      int          // of YAML in strings
	nodes      []*yaml.Node // in the order of the file
	infos      map[*yaml.Node]*info

	variables map[string][]*yaml.Node // what may be the value of an image:
	isImage   map[string]bool         // by variable: whether it is the whole value of an image:, or only a part
}

// info is what is known of a node.
type info struct {
	span      scan.Span // from its own text to the next node
	isChecked bool      // for a name, which may be nil
	name      *imageName
	isVisited bool // as a mapping or a list with images
	isRead    bool // as a mapping that has the parts of an image
	isScript  bool
	class     scan.Class // Pushed or Built if it names such an image
}

func newWalker(r *scan.Results, isWorkflow bool) *walker {
	return &walker{
		Results: r, isWorkflow: isWorkflow, infos: map[*yaml.Node]*info{},
		variables: map[string][]*yaml.Node{}, isImage: map[string]bool{},
	}
}

func (w *walker) info(n *yaml.Node) *info {
	i := w.infos[n]
	if i == nil {
		i = &info{}
		w.infos[n] = i
	}
	return i
}

// visit visits a node that is the value of key in a mapping that is the value of parentKey.
func (w *walker) visit(n *yaml.Node, key, parentKey string) {
	if n.Kind != yaml.MappingNode {
		for _, child := range n.Content {
			w.visit(child, key, parentKey)
		}
		return
	}
	siblings := siblingsOf(n)
	// In Compose and Skaffold; elsewhere build may be the name of a job.
	isBuilt := key == "artifacts" || valueOf(n, "build") != nil && (parentKey == "services" || strings.HasPrefix(key, "x-"))
	w.readParts(n, false)
	w.ignoreLogin(n)
	w.declareParameter(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, v := keyName(n.Content[i]), n.Content[i+1]
		switch {
		case name == "image" && isBuilt:
			w.markBuilt(v, scan.Built)
		case scan.Builders[name] != 0:
			w.markBuilt(v, scan.Builders[name])
		case !strings.HasSuffix(name, "IMAGE") && scan.IsImageKey(name):
			w.readImage(v, siblings)
		case name == "services" && v.Kind == yaml.SequenceNode: // of GitLab; elsewhere it is a mapping
			w.readList(v, w.readImage)
		case name == "images" && v.Kind == yaml.SequenceNode:
			w.readList(v, w.readListedImage)
		case name == "container", name == "reference" && w.hasHost(v):
			w.readName(v, siblings)
		case name == "baseImageOverrides" && v.Kind == yaml.MappingNode:
			for j := 1; j < len(v.Content); j += 2 {
				w.readName(v.Content[j], noSiblings)
			}
		case name == "uses":
			// Without docker:// it is an action, not an image.
			if w.isWorkflow && strings.HasPrefix(target(v).Value, scan.Schemes[0]) {
				w.readName(v, siblings)
			}
		case name == "variables":
			w.declareVariables(v)
		case name == "run", name == "script", name == "before_script", name == "after_script":
			w.markScript(v)
		case name == "values", strings.HasSuffix(name, ".yaml"), strings.HasSuffix(name, ".yml"):
			w.readBlock(v)
		}
		w.visit(v, name, key)
	}
}

// hasHost reports whether a value is a name with the registry's host.
func (w *walker) hasHost(v *yaml.Node) bool { return scan.HasHost(target(v).Value, w.Host) }

// siblings are the other values in the mapping of an image's name.
type siblings struct {
	platform string
	hasTag   bool
	digest   string
}

var noSiblings siblings

func siblingsOf(mapping *yaml.Node) siblings {
	var s siblings
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		v := target(mapping.Content[i+1])
		switch keyName(mapping.Content[i]) {
		case "platform":
			if v.Kind == yaml.ScalarNode && (scan.IsVariable(v.Value) || registry.CheckPlatform(v.Value) == nil) {
				s.platform = v.Value
			}
		case "tag", "imageTag":
			s.hasTag = true
		case "digest", "imageDigest":
			if registry.ValidDigest(v.Value) {
				s.digest = v.Value
			}
		}
	}
	return s
}

// readImage reads the value of an image key: a name, a list of names, or a mapping.
func (w *walker) readImage(v *yaml.Node, s siblings) {
	n := target(v)
	switch {
	case n.Kind == yaml.ScalarNode:
		w.useVariables(n)
		w.readName(n, s)
	case n.Kind == yaml.SequenceNode && n == v: // many aliases of one list would be many walks
		w.readList(n, w.readName)
	case n.Kind == yaml.MappingNode && !w.info(n).isVisited:
		w.info(n).isVisited = true
		w.readParts(n, true)
	}
}

func (w *walker) readList(list *yaml.Node, read func(*yaml.Node, siblings)) {
	for _, child := range list.Content {
		read(child, noSiblings)
	}
}

// readListedImage reads an element of images: a name, as Zarf and Argo CD have it, or a
// mapping of a kustomization.
func (w *walker) readListedImage(v *yaml.Node, s siblings) {
	if v.Kind == yaml.MappingNode {
		w.readKustomization(v)
	} else {
		w.readName(v, s)
	}
}

// markScript marks commands: a text, or a list of texts.
func (w *walker) markScript(v *yaml.Node) {
	if v.Kind == yaml.ScalarNode {
		w.info(v).isScript = true
	}
	if v.Kind == yaml.SequenceNode {
		for _, child := range v.Content {
			w.markScript(child)
		}
	}
}

// markBuilt marks the names of images that are built or pushed.
func (w *walker) markBuilt(v *yaml.Node, class scan.Class) {
	mark := func(n *yaml.Node, _ siblings) {
		if n.Kind == yaml.ScalarNode {
			w.info(n).class = max(w.info(n).class, class)
		}
	}
	v = target(v)
	mark(v, noSiblings)
	if v.Kind == yaml.SequenceNode && !w.info(v).isVisited {
		w.info(v).isVisited = true
		w.readList(v, mark)
	}
}

// usedVariable matches $NAME and ${NAME} of a shell, $(params.NAME) of Tekton, and
// {{inputs.parameters.NAME}} of Argo.
var usedVariable = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?|\$\((?:inputs\.)?params\.([A-Za-z0-9_.-]+)\)|` +
		`\{\{ *(?:inputs|workflow)\.parameters\.([A-Za-z0-9_.-]+) *\}\}`)
})

// useVariables notes which variables an image is, or has as a part.
func (w *walker) useVariables(n *yaml.Node) {
	if w.info(n).isChecked || !scan.IsVariable(n.Value) {
		return
	}
	for _, m := range usedVariable().FindAllStringSubmatch(n.Value, -1) {
		name := m[1] + m[2] + m[3]
		isImage, isKnown := w.isImage[name]
		w.isImage[name] = m[0] == n.Value && (isImage || !isKnown)
	}
}

// declareVariables notes a mapping of variables, each a value or a mapping with one.
func (w *walker) declareVariables(v *yaml.Node) {
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

// declareParameter notes a mapping with a name and a value, as Tekton and Argo have it.
func (w *walker) declareParameter(n *yaml.Node) {
	name, v := valueOf(n, "name"), cmp.Or(valueOf(n, "default"), valueOf(n, "value"))
	if name == nil || v == nil || name.Kind != yaml.ScalarNode {
		return
	}
	w.variables[name.Value] = append(w.variables[name.Value], v)
	// By convention IMAGE is what a task builds.
	_, isKnown := w.isImage[name.Value]
	if !isKnown && scan.IsImageKey(name.Value) && name.Value != "IMAGE" && w.hasHost(v) {
		w.isImage[name.Value] = true
	}
}

// ignoreLogin ignores the registry of a step that signs in to it.
func (w *walker) ignoreLogin(n *yaml.Node) {
	host := valueOf(n, "registry")
	hasLogin := valueOf(n, "username") != nil || valueOf(n, "password") != nil
	if hasLogin && scan.IsHost(text(host), w.Host) {
		w.Ignored = append(w.Ignored, w.info(host).span)
	}
}

// target returns the node that an alias stands for, or the node itself.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// isShared reports whether a node is an alias or may have one.
func isShared(n *yaml.Node) bool { return n != nil && (n.Kind == yaml.AliasNode || n.Anchor != "") }

// text returns the value of a scalar or its alias, or "".
func text(n *yaml.Node) string {
	if n == nil || target(n).Kind != yaml.ScalarNode {
		return ""
	}
	return strings.TrimSpace(target(n).Value)
}

// keyName returns the name of a key that is a string, or "".
func keyName(key *yaml.Node) string {
	if key = target(key); key.Kind == yaml.ScalarNode && key.ShortTag() == "!!str" {
		return key.Value
	}
	return ""
}

// valueOf returns the value of a mapping's key, or nil.
func valueOf(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if keyName(mapping.Content[i]) == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}
