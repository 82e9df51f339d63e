// Package references finds the images of one registry in files that others wrote. What
// it understands, it gives as the bytes that a digest changes; every other occurrence
// of an image in a text file is given too, with the reason why it has to stay.
package references

import (
	"strings"

	"docker-credential-cgr/references/dockerfile"
	"docker-credential-cgr/references/scan"
	"docker-credential-cgr/references/yamlfile"
)

// What is found in files.
type (
	Reference  = scan.Reference
	Unpinnable = scan.Unpinnable
	Class      = scan.Class
)

// Reason an occurrence is not pinned.
const (
	Ambiguous = scan.Ambiguous
	Comment   = scan.Comment
	Pushed    = scan.Pushed
	Built     = scan.Built
)

// reader reads one file.
type reader struct {
	*scan.Results
	variables map[string]use
}

// Find returns the images of the registry with this host (with its port, if it has one)
// in a file, in their order. An error says why a file that names the host could not be
// read at all.
func Find(kind Kind, data []byte, host string) ([]Reference, []Unpinnable, error) {
	r := reader{Results: &scan.Results{Data: data, Host: strings.TrimSuffix(host, scan.StandardPort)}}
	if !Names(data, host) {
		return nil, nil, nil
	}
	err := r.read(kind)
	return r.References, r.Unpinnable, err
}

// Names reports whether a file has the host in it, in any letter case.
func Names(data []byte, host string) bool {
	return scan.Index(data, strings.TrimSuffix(host, scan.StandardPort)) >= 0
}

func (r *reader) read(kind Kind) error {
	var scripts func(offset int) (scan.Place, bool)
	var unread error
	switch kind {
	case Dockerfile:
		unread = dockerfile.Read(r.Results)
	case YAML, Workflow:
		scripts, unread = yamlfile.Read(r.Results, kind == Workflow)
	}
	if unread != nil {
		r.References, r.Unpinnable, r.Other = nil, nil, nil
	}
	if outside := r.readText(kind, scripts, unread); unread != nil && outside && len(r.Unpinnable) == 0 {
		return unread
	}
	r.Sort()
	return nil
}
