package pin

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// pattern is a line of a .gitignore file.
type pattern struct {
	glob
	keeps  bool // it began with "!": what matches is not ignored
	folder bool // it ended with "/": it matches folders alone
	name   bool // it has no other "/": it is matched with the last part of a path
}

// parsePatterns reads the text of a .gitignore file.
func parsePatterns(text string, fold bool) []pattern {
	var all []pattern
	for line := range strings.SplitSeq(strings.TrimPrefix(text, "\ufeff"), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		line, _, _ = strings.Cut(strings.TrimSuffix(line, "\r"), "\x00") // where git's strings end
		if p, ok := parsePattern(trimBlanks(line), fold); ok {
			all = append(all, p)
		}
	}
	return all
}

// parsePattern reads a line; one that can match nothing is not ok.
func parsePattern(line string, fold bool) (p pattern, ok bool) {
	line, p.keeps = strings.CutPrefix(line, "!")
	line, p.folder = strings.CutSuffix(line, "/")
	p.name = !strings.Contains(line, "/")
	p.glob, ok = compile(strings.TrimPrefix(line, "/"), fold)
	return p, ok && len(p.glob) > 0
}

// trimBlanks takes the blanks off the end of a line, but for one behind a backslash.
func trimBlanks(line string) string {
	end := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ':
			continue
		case '\\':
			i++
		}
		end = min(i+1, len(line))
	}
	return line[:end]
}

// rules are the patterns that hold in a folder: those of a file, then those of the
// folders above.
type rules struct {
	base     string // the folder of the file, with a "/" at its end: the patterns are relative to it
	patterns []pattern
	above    *rules // nil for none
}

// ignore says whether a path is left out, by the last pattern that matches in the
// lowest file that has one. The path has slashes and begins with every base, and none
// of its folders is ignored.
func (r *rules) ignore(path string, isFolder bool) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	for ; r != nil; r = r.above {
		for i := len(r.patterns) - 1; i >= 0; i-- {
			p := &r.patterns[i]
			if p.folder && !isFolder {
				continue
			}
			subject := name
			if !p.name {
				subject = path[len(r.base):]
			}
			if p.match(subject) {
				return !p.keeps
			}
		}
	}
	return false
}

// rulesIn gives the rules in the folder dir, which is base in the paths of rules; above
// are those of the folder above. A repository has rules of its own: none reach into it.
func (w *walker) rulesIn(dir, base string, above *rules) *rules {
	if git := gitFolder(dir); git != "" {
		above = w.withPatterns(filepath.Join(commonFolder(git), "info", "exclude"), os.Stat, base, nil)
	}
	return w.withPatterns(filepath.Join(dir, ".gitignore"), os.Lstat, base, above)
}

// withPatterns adds the patterns of the file at path. As for git, a link is no
// .gitignore.
func (w *walker) withPatterns(path string, stat func(string) (fs.FileInfo, error), base string, above *rules) *rules {
	text, err := readPlain(path, stat)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errNotPlain):
		return above
	case err != nil:
		w.fail(path, err)
		return above
	}
	if patterns := parsePatterns(string(text), w.fold); len(patterns) > 0 {
		return &rules{base: base, patterns: patterns, above: above}
	}
	return above
}

// rulesAbove gives the rules that reach into the folder dir from those above it, up to
// the top of its repository, and the path from there to dir, with a "/" at its end.
// Outside of a repository there are none.
func (w *walker) rulesAbove(dir string) (base string, r *rules) {
	top := dir
	for gitFolder(top) == "" {
		if filepath.Dir(top) == top {
			return "", nil
		}
		top = filepath.Dir(top)
	}
	below, err := filepath.Rel(top, dir)
	if err != nil || below == "." {
		return "", nil
	}
	at := top
	for part := range strings.SplitSeq(filepath.ToSlash(below), "/") {
		r = w.rulesIn(at, base, r)
		at = filepath.Join(at, part)
		base += part + "/"
	}
	return base, r
}

// gitFolder gives the place where git keeps what belongs to the repository or the
// worktree whose top is dir; "" where dir is no such top. A submodule and a worktree
// have a file that names the place (gitrepository-layout(5)).
func gitFolder(dir string) string {
	git := filepath.Join(dir, ".git")
	if info, err := os.Stat(git); err != nil {
		return ""
	} else if !info.IsDir() {
		text, _ := readPlain(git, os.Stat)
		place, ok := strings.CutPrefix(string(text), "gitdir: ")
		if !ok {
			return ""
		}
		git = joined(dir, place)
	}
	if _, err := os.Lstat(filepath.Join(git, "HEAD")); err != nil {
		return ""
	}
	return git
}

// commonFolder gives what the worktrees of a repository share, for one's folder.
func commonFolder(git string) string {
	text, err := readPlain(filepath.Join(git, "commondir"), os.Stat)
	if err != nil {
		return git
	}
	return joined(git, string(text))
}

// joined gives a path as one of git's files names it, relative to dir.
func joined(dir, place string) string {
	place = filepath.FromSlash(strings.TrimRight(place, "\r\n"))
	if filepath.IsAbs(place) {
		return place
	}
	return filepath.Join(dir, place)
}
