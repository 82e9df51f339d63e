package pin

import (
	"path"
	"strings"
)

// exclude are the patterns of --exclude. One without a slash matches a name anywhere;
// one with a slash, a path from the folder that is walked. What is below a folder that
// matches is left out with it. A slash at the end matches folders alone; ** any number
// of folders.
type exclude []pattern

type pattern struct {
	parts      []string
	anywhere   bool
	folderOnly bool
}

func parseExclude(texts []string) (exclude, error) {
	var all exclude
	for _, text := range texts {
		p := pattern{}
		clean := strings.TrimPrefix(text, "./")
		clean, p.folderOnly = strings.CutSuffix(clean, "/")
		p.anywhere = !strings.Contains(clean, "/")
		p.parts = strings.Split(strings.TrimPrefix(clean, "/"), "/")
		for _, part := range p.parts {
			_, err := path.Match(part, "")
			switch {
			case part == "" || strings.HasPrefix(text, "!"):
				return nil, &ArgumentError{text, "is not a pattern such as *.md, docs/ or charts/**/test.yaml"}
			case err != nil:
				return nil, &ArgumentError{text, "is not a pattern: " + err.Error()}
			}
		}
		all = append(all, p)
	}
	return all, nil
}

// covers reports whether a file is left out, by its path from the folder that is
// walked, with slashes between its parts.
func (e exclude) covers(file string) bool {
	if len(e) == 0 {
		return false
	}
	parts := strings.Split(file, "/")
	for i := range parts {
		for _, p := range e {
			if p.folderOnly && i == len(parts)-1 {
				continue
			}
			if p.anywhere && matchParts(p.parts, parts[i:i+1]) || !p.anywhere && matchParts(p.parts, parts[:i+1]) {
				return true
			}
		}
	}
	return false
}

// matchParts matches a path against a pattern. reached[i] says that the parts of the
// path so far match the first i of the pattern.
func matchParts(pattern, parts []string) bool {
	reached := make([]bool, len(pattern)+1)
	reached[0] = true
	skip := func() {
		for i, p := range pattern {
			reached[i+1] = reached[i+1] || reached[i] && p == "**"
		}
	}
	skip()
	for _, part := range parts {
		next := make([]bool, len(reached))
		for i, p := range pattern {
			matched, _ := path.Match(p, part)
			next[i+1] = reached[i] && matched && p != "**"
			next[i] = next[i] || reached[i] && p == "**"
		}
		reached = next
		skip()
	}
	return reached[len(pattern)]
}
