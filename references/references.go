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
	Reference = scan.Reference
	Class     = scan.Class
)

// The classes of references.
const (
	Pinnable  = scan.Pinnable
	ReadOnly  = scan.ReadOnly
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
// have a port, and what may be one, in the order of the file. The error is why a file that
// names the host cannot be read at all.
func Find(kind Kind, data []byte, host string) ([]Reference, error) {
	if !Names(data, host) {
		return nil, nil
	}
	f := finder{Results: &scan.Results{Data: data, Host: strings.TrimSuffix(host, scan.StandardPort)}}
	err := f.find(kind)
	return f.References, err
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
		f.References, f.Ignored = nil, nil
	}
	if outside := f.findInText(kind, scriptAt, unread); unread != nil && outside && len(f.References) == 0 {
		return unread
	}
	f.Sort()
	return nil
}
