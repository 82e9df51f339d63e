package iam

import (
	"fmt"
	"strings"
)

// maxName is how long a name may be, in bytes. The service's own limit is not
// known; longer than this is a mistake.
const maxName = 255

// CheckName says what is wrong with the name of an identity, which has lower-case
// letters, digits, spaces, dots, hyphens and underscores, at least one that is no
// space.
func CheckName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("a name of %d bytes is too long: at most %d", len(name), maxName)
	}
	if strings.Trim(name, " ") == "" {
		return fmt.Errorf("the name %q is empty", name)
	}
	for _, r := range name {
		if !isNameRune(r) {
			return fmt.Errorf("the name %q cannot be taken because of %q: use a to z, 0 to 9, space, dot, hyphen and underscore", name, r)
		}
	}
	return nil
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune(" ._-", r)
}

// ValidID says whether text is a UIDP, the id of a group, a role or an identity:
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

// checkID keeps what is no id out of a request's path.
func checkID(what, id string) error {
	if !ValidID(id) {
		return fmt.Errorf("%s is not the id of %s, which has 40 hex digits, and / and 16 more for each level below", quote(id), what)
	}
	return nil
}
