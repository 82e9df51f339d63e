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

// Target is what is asked for: the digest, else the tag, else "latest".
func (r Reference) Target() string {
	return cmp.Or(r.Digest, r.tag())
}

// tag is the one that is meant.
func (r Reference) tag() string { return cmp.Or(r.Tag, "latest") }

// String is the reference as it is written without a host.
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
// "Pulling manifests"; OCI image specification, descriptor.md). A repository of ours
// has an organization and an image at least.
const (
	namePart      = `[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*`
	repositoryRE  = namePart + `(?:/` + namePart + `)+`
	tagRE         = `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`
	digestRE      = `sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}`
	maxRepository = 255
)

// Compiled when they are first needed: this package is linked into what answers a
// `get`, which needs them never.
var (
	referencePattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(` + repositoryRE + `)(?::(` + tagRE + `))?(?:@(` + digestRE + `))?$`)
	})
	digestPattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:` + digestRE + `)$`)
	})
)

// Parse reads the name of an image: ORG/IMAGE[:TAG][@DIGEST], which host, the
// registry's with its port, may stand before. As Docker does, it takes what stands
// before the first slash for a host where it has a dot or a colon, or is localhost.
func Parse(image, host string) (Reference, error) {
	if strings.Contains(image, "://") {
		return Reference{}, fmt.Errorf("%q is a URL: write the image without its scheme", platform.Printable(image))
	}
	rest := image
	if first, after, found := strings.Cut(image, "/"); found && isHost(first) {
		first, host := strings.TrimSuffix(first, ":443"), strings.TrimSuffix(host, ":443")
		// Of one length, or other letters than ASCII's fold to them.
		if len(first) != len(host) || !strings.EqualFold(first, host) {
			return Reference{}, fmt.Errorf("%q is an image of the registry %q, not of %s (for an organization of that name, write %s before it)", platform.Printable(image), platform.Printable(first), host, host+"/")
		}
		rest = after
	}
	if _, digest, found := strings.Cut(rest, "@"); found && !ValidDigest(digest) {
		return Reference{}, fmt.Errorf("%q is no image of %s: a digest, behind the @, is sha256: and 64 digits and letters from a to f", platform.Printable(image), host)
	}
	m := referencePattern().FindStringSubmatch(rest)
	if m == nil || len(m[1]) > maxRepository {
		return Reference{}, fmt.Errorf("%q is no image of %s: write %s/ORG/IMAGE:TAG, in small letters but for the tag", platform.Printable(image), host, host)
	}
	return Reference{Repository: m[1], Tag: m[2], Digest: m[3]}, nil
}

func isHost(text string) bool {
	return strings.ContainsAny(text, ".:") || text == "localhost"
}

// check says what is wrong with a reference that Parse has not made.
func (r Reference) check() error {
	if m := referencePattern().FindStringSubmatch(r.String()); m == nil || m[1] != r.Repository || m[2] != r.Tag || len(m[1]) > maxRepository {
		return fmt.Errorf("%q is no image", platform.Printable(r.String()))
	}
	return nil
}

// checkRepository keeps what is no repository out of a request.
func checkRepository(name string) error {
	if m := referencePattern().FindStringSubmatch(name); m == nil || m[1] != name || len(name) > maxRepository {
		return fmt.Errorf("%q is no repository: it has an organization and an image, ORG/IMAGE", platform.Printable(name))
	}
	return nil
}

// ValidDigest says whether a text is a digest that images are named by (OCI image
// specification, descriptor.md).
func ValidDigest(text string) bool { return digestPattern().MatchString(text) }
