package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// edit returns the text of a settings file with one property changed, or taken out
// where value is "". Comments stay; blank lines and the layout are the library's.
func edit(text, property, value string) (string, error) {
	document, err := decodeDocument(text)
	if err != nil {
		return "", err
	}
	root := &yaml.Node{Kind: yaml.MappingNode}
	switch {
	case document == nil: // comments alone, which the library does not keep
		document = root
	case isNull(document.Content[0]):
		root.HeadComment, document.Content[0] = document.Content[0].HeadComment, root
	default:
		root = document.Content[0]
	}
	path := strings.Split(property, ".")
	if value == "" {
		unset(root, path)
	} else {
		set(root, path, value)
	}
	var out strings.Builder
	if document == root {
		out.WriteString(text)
		if text != "" && !strings.HasSuffix(text, "\n") {
			out.WriteByte('\n')
		}
	}
	if len(root.Content) > 0 || document != root && hasComments(document) {
		encoder := yaml.NewEncoder(&out)
		encoder.SetIndent(2)
		if err := encoder.Encode(document); err != nil {
			return "", err
		}
	}
	changed := strings.TrimSuffix(out.String(), "{}\n") // all that is left of an empty mapping
	if strings.Contains(text, "\r\n") {
		changed = strings.ReplaceAll(strings.ReplaceAll(changed, "\r\n", "\n"), "\n", "\r\n")
	}
	return changed, nil
}

func hasComments(n *yaml.Node) bool {
	return n.HeadComment+n.LineComment+n.FootComment != "" || slices.ContainsFunc(n.Content, hasComments)
}

// find returns the place of a key in a mapping, or -1.
func find(mapping *yaml.Node, key string) int {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// set gives the property at path a value, in sections that are made where they are not
// there.
func set(mapping *yaml.Node, path []string, value string) {
	i := find(mapping, path[0])
	if i < 0 {
		i = len(mapping.Content)
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}
		mapping.Content = append(mapping.Content, key, &yaml.Node{Kind: yaml.MappingNode})
	}
	at := mapping.Content[i+1]
	if len(path) > 1 {
		if at.Kind != yaml.MappingNode { // "auth:" and nothing
			*at = yaml.Node{Kind: yaml.MappingNode, HeadComment: at.HeadComment, LineComment: at.LineComment, FootComment: at.FootComment}
		}
		set(at, path[1:], value)
		return
	}
	comment := at.LineComment
	*at = yaml.Node{}
	at.SetString(value)
	if value == "true" || value == "false" {
		at.Tag = "!!bool"
	}
	at.LineComment = comment
}

// unset takes the property at path out, and the sections that this leaves empty. A
// comment above it goes to what follows.
func unset(mapping *yaml.Node, path []string) {
	i := find(mapping, path[0])
	if i < 0 {
		return
	}
	if len(path) > 1 {
		unset(mapping.Content[i+1], path[1:])
		if len(mapping.Content[i+1].Content) > 0 {
			return
		}
	}
	comments := []string{mapping.Content[i].HeadComment, mapping.Content[i].FootComment}
	mapping.Content = slices.Delete(mapping.Content, i, i+2)
	into := &mapping.FootComment
	if i < len(mapping.Content) {
		into = &mapping.Content[i].HeadComment
	}
	comments = slices.DeleteFunc(append(comments, *into), func(c string) bool { return c == "" })
	*into = strings.Join(comments, "\n\n")
}
