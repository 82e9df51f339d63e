package pin

import (
	"path"
	"slices"
	"strings"
)

// exclude is the patterns of --exclude. A pattern without a slash matches a name anywhere,
// one with a slash a path relative to the folder on the command line. It covers everything
// below a folder that it matches. With a slash at its end it matches only folders; **
// matches any number of folders.
type exclude []pattern

type pattern struct {
	parts      []string // without several ** in a row
	folderOnly bool
}

func parseExclude(texts []string) (exclude, error) {
	var all exclude
	for _, text := range texts {
		p := pattern{}
		clean := strings.TrimPrefix(text, "./")
		clean, p.folderOnly = strings.CutSuffix(clean, "/")
		if !strings.Contains(clean, "/") {
			clean = "**/" + clean
		}
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
		p.parts = slices.CompactFunc(p.parts, func(a, b string) bool { return a == "**" && b == "**" })
		all = append(all, p)
	}
	return all, nil
}

// covers reports whether a file is excluded, by its path relative to the folder on the
// command line, with slashes. A folder's path ends with a slash.
func (e exclude) covers(file string) bool {
	if len(e) == 0 {
		return false
	}
	parts := strings.Split(file, "/")
	for end := 1; end <= len(parts); end++ {
		for _, p := range e {
			if (end < len(parts) || !p.folderOnly) && matchParts(p.parts, parts[:end]) {
				return true
			}
		}
	}
	return false
}

func matchParts(pattern, parts []string) bool {
	switch {
	case len(pattern) == 0:
		return len(parts) == 0
	case pattern[0] == "**":
		return matchParts(pattern[1:], parts) || len(parts) > 0 && matchParts(pattern, parts[1:])
	case len(parts) == 0:
		return false
	}
	matched, _ := path.Match(pattern[0], parts[0])
	return matched && matchParts(pattern[1:], parts[1:])
}
