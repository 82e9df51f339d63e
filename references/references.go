// Package references finds references to images of one registry in files. A reader for each
// kind of file finds those that can be pinned, as the bytes that a digest changes. All other
// occurrences in a text file are listed with the reason why they cannot be pinned.
package references

import (
	"strings"

	"docker-credential-cgr/references/dockerfile"
	"docker-credential-cgr/references/scan"
	"docker-credential-cgr/references/yamlfile"
)

// The results of Find.
type (
	Reference  = scan.Reference
	Unpinnable = scan.Unpinnable
	Class      = scan.Class
)

// The classes of what is not pinned.
const (
	Ambiguous = scan.Ambiguous
	Comment   = scan.Comment
	Pushed    = scan.Pushed
	Built     = scan.Built
)

// finder finds the references in one file.
type finder struct {
	*scan.Results
	variables map[string]variableUse
}

// Find returns the references in a file to images of the registry with this host, which may
// have a port, and the occurrences that cannot be pinned, both in the order of the file. The
// error is why a file that names the host cannot be read at all.
func Find(kind Kind, data []byte, host string) ([]Reference, []Unpinnable, error) {
	if !Names(data, host) {
		return nil, nil, nil
	}
	f := finder{Results: &scan.Results{Data: data, Host: strings.TrimSuffix(host, scan.StandardPort)}}
	err := f.find(kind)
	return f.References, f.Unpinnable, err
}

// Names reports whether a file has the host in it, in any letter case.
func Names(data []byte, host string) bool {
	return scan.IndexHost(data, strings.TrimSuffix(host, scan.StandardPort)) >= 0
}

func (f *finder) find(kind Kind) error {
	var scriptAt func(offset int) (scan.Span, bool)
	var unread error
	switch kind {
	case Dockerfile:
		unread = dockerfile.Read(f.Results)
	case YAML, Workflow:
		scriptAt, unread = yamlfile.Read(f.Results, kind == Workflow)
	}
	if unread != nil {
		f.References, f.Unpinnable, f.Ignored = nil, nil, nil
	}
	if outside := f.findInText(kind, scriptAt, unread); unread != nil && outside && len(f.Unpinnable) == 0 {
		return unread
	}
	f.Sort()
	return nil
}
