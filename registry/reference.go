package registry

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"docker-credential-cgr/platform"
)

// Reference names an image of the registry.
type Reference struct {
	Repository string // organization and image, "org/image"
	Tag        string // empty for none
	Digest     string // "sha256:…" or "sha512:…"; empty for none
}

// Target returns the digest, else the tag, else "latest".
func (r Reference) Target() string {
	return cmp.Or(r.Digest, r.tag())
}

// tag returns the tag, or "latest".
func (r Reference) tag() string { return cmp.Or(r.Tag, "latest") }

// String returns the reference without a host.
func (r Reference) String() string {
	text := r.Repository
	if r.Tag != "" {
		text += ":" + r.Tag
	}
	if r.Digest != "" {
		text += "@" + r.Digest
	}
	return text
}

// The grammar of names, tags and digests (OCI distribution specification, section
// "Pulling manifests"; OCI image specification, descriptor.md). A repository of this
// registry has at least an organization and an image.
const (
	namePart      = `[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*`
	repositoryRE  = namePart + `(?:/` + namePart + `)+`
	tagRE         = `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`
	digestRE      = `sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}`
	maxRepository = 255
)

// Compiled when they are first needed, since `get` starts without them.
var (
	referencePattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(` + repositoryRE + `)(?::(` + tagRE + `))?(?:@(` + digestRE + `))?$`)
	})
	digestPattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:` + digestRE + `)$`)
	})
)

// Parse parses the name of an image, ORG/IMAGE[:TAG][@DIGEST], with or without host, which
// is the registry's with its port. As in Docker, the part before the first slash is a host
// if it has a dot or a colon, or is localhost.
func Parse(image, host string) (Reference, error) {
	if strings.Contains(image, "://") {
		return Reference{}, fmt.Errorf("%q is a URL: remove the scheme", platform.Printable(image))
	}
	rest := image
	if first, after, found := strings.Cut(image, "/"); found && isHost(first) {
		first, host := strings.TrimSuffix(first, ":443"), strings.TrimSuffix(host, ":443")
		// EqualFold alone also accepts letters that are not ASCII.
		if len(first) != len(host) || !strings.EqualFold(first, host) {
			return Reference{}, fmt.Errorf("%q is an image of the registry %q, not of %s (for an organization of that name, write %s before it)", platform.Printable(image), platform.Printable(first), host, host+"/")
		}
		rest = after
	}
	if _, digest, found := strings.Cut(rest, "@"); found && !ValidDigest(digest) {
		return Reference{}, fmt.Errorf("%q is not an image of %s: after the @ comes sha256: and 64 hexadecimal digits in lower case", platform.Printable(image), host)
	}
	m := referencePattern().FindStringSubmatch(rest)
	if m == nil || len(m[1]) > maxRepository {
		return Reference{}, fmt.Errorf("%q is not an image of %s: use %s/ORG/IMAGE:TAG, with only the tag in upper case", platform.Printable(image), host, host)
	}
	return Reference{Repository: m[1], Tag: m[2], Digest: m[3]}, nil
}

func isHost(text string) bool {
	return strings.ContainsAny(text, ".:") || text == "localhost"
}

// check returns an error for an invalid reference. Parse returns only valid ones.
func (r Reference) check() error {
	if m := referencePattern().FindStringSubmatch(r.String()); m == nil || m[1] != r.Repository || m[2] != r.Tag || len(m[1]) > maxRepository {
		return fmt.Errorf("%q is not the name of an image", platform.Printable(r.String()))
	}
	return nil
}

// ValidDigest reports whether text is a digest (OCI image specification, descriptor.md).
func ValidDigest(text string) bool { return digestPattern().MatchString(text) }
