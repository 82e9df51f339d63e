package iam

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The platform's own limits are not documented. Longer values are mistakes.
const (
	maxName        = 255  // bytes
	maxDescription = 1000 // bytes
)

// CheckName returns what is wrong with the name of an identity, which consists of
// lower-case letters, digits, spaces, dots, hyphens and underscores, and not of spaces
// alone.
func CheckName(name string) error {
	switch {
	case len(name) > maxName:
		return fmt.Errorf("a name of %d bytes is too long: at most %d", len(name), maxName)
	case strings.Trim(name, " ") == "":
		return fmt.Errorf("the name %q is empty", name)
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789 ._-") != "":
		return fmt.Errorf("the name %q is not valid: allowed are a to z, 0 to 9, space, dot, hyphen and underscore", name)
	}
	return nil
}

// CheckDescription returns what is wrong with the description of an identity: it is one
// line of text, at most 1,000 bytes, without control characters.
func CheckDescription(text string) error {
	switch {
	case len(text) > maxDescription:
		return fmt.Errorf("a description of %d bytes is too long: at most %d", len(text), maxDescription)
	case !utf8.ValidString(text), strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("the description %s must be one line of printable text", quote(text))
	}
	return nil
}

// ValidID reports whether text is a UIDP, the id of a group, a role or an identity:
// 40 lower-case hex digits, and "/" and 16 more for each level below.
func ValidID(text string) bool {
	for i, segment := range strings.Split(text, "/") {
		length := 16
		if i == 0 {
			length = 40
		}
		if len(segment) != length || strings.Trim(segment, "0123456789abcdef") != "" {
			return false
		}
	}
	return true
}

// checkID returns an error for what is not an id, so that it gets into no request's path.
func checkID(what, id string) error {
	if !ValidID(id) {
		return fmt.Errorf("%s is not the id of %s: 40 hex digits, and / and 16 more for each level below", quote(id), what)
	}
	return nil
}
