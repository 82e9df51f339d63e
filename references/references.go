// Package references finds the images of one registry in files that others wrote:
// Dockerfiles, and YAML of Compose, Kubernetes and CI systems. It says which bytes
// name them, so that nothing else of a file need change.
package references

import (
	"path"
	"strings"

	"docker-credential-cgr/registry"
)

// Found is a reference to an image of the registry: the bytes from Start to End of the
// file are its name with the registry's host, and registry.Parse takes them.
type Found struct {
	Start, End int
	Line       int // counted from 1
	Image      registry.Reference
	Platform   string // that the file asks for beside it, as it is written, such as "linux/arm64" or "$BUILDPLATFORM"; empty for none
}

// Left is a place that seems to name an image of the registry and is not sure to be
// one whole name, so that it has to stay as it is.
type Left struct {
	Line int    // counted from 1
	Text string // what stands there, as it is
	Why  string
}

// Kind is how a file is read.
type Kind int

// The kinds of files that name images.
const (
	None Kind = iota
	Dockerfile
	YAML
	Workflow // YAML of GitHub Actions: a workflow, or an action's own file
)

// KindOf tells a file's kind by its path, with slashes between its parts.
func KindOf(name string) Kind {
	base := path.Base(name)
	lower := strings.ToLower(base)
	switch {
	case strings.HasSuffix(lower, ".yaml"), strings.HasSuffix(lower, ".yml"):
		if path.Base(path.Dir(name)) == "workflows" || strings.HasPrefix(lower, "action.") {
			return Workflow
		}
		return YAML
	case isCode(base):
		return None
	case hasWord(lower, "dockerfile"), hasWord(lower, "containerfile"):
		return Dockerfile
	}
	return None
}

// hasWord says whether a file's name is the word, begins with it and a dot, a dash or an
// underscore, or has it for its extension.
func hasWord(base, word string) bool {
	rest, begins := strings.CutPrefix(base, word)
	return begins && (rest == "" || strings.ContainsAny(rest[:1], ".-_")) || strings.HasSuffix(base, "."+word)
}

// isCode tells what has to do with a Dockerfile and is none by its extension.
// Dockerfile.go may build the part in Go; dockerfile.go is a program.
func isCode(base string) bool {
	switch strings.ToLower(path.Ext(base)) {
	case ".dockerignore", ".md":
		return true
	case ".go", ".js", ".ts", ".py", ".rb", ".rs", ".java", ".c", ".h", ".sh", ".json", ".html":
		return base == strings.ToLower(base)
	}
	return false
}

// Find gives the references of a file to images of the registry with this host (with
// its port, if it has one), in their order, and what may be one and is left. An error
// says why the whole file cannot be read as what it is.
func Find(kind Kind, data []byte, host string) ([]Found, []Left, error) {
	switch kind {
	case Dockerfile:
		return findDockerfile(data, host)
	case YAML, Workflow:
		return findYAML(data, host, kind == Workflow)
	}
	return nil, nil, nil
}
