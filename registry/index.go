package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"docker-credential-cgr/platform"
)

// system is the platform that an image runs on (OCI image specification,
// image-index.md).
type system struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
}

func (s system) String() string {
	text := s.OS + "/" + s.Architecture
	if s.Variant != "" {
		text += "/" + s.Variant
	}
	return text
}

// normal returns the usual name of a system that has several, as containerd does, which
// Docker uses to choose images (github.com/containerd/platforms). uname's names of the two
// usual architectures are among them.
func (s system) normal() system {
	s.OS, s.Architecture, s.Variant = strings.ToLower(s.OS), strings.ToLower(s.Architecture), strings.ToLower(s.Variant)
	switch s.Architecture {
	case "x86_64":
		s.Architecture = "amd64"
	case "aarch64":
		s.Architecture = "arm64"
	}
	switch s.Architecture + "/" + s.Variant {
	case "amd64/v1", "arm64/v8":
		s.Variant = ""
	case "arm/":
		s.Variant = "v7"
	}
	return s
}

// Compiled when it is first needed, since `get` starts without it.
var platformPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([\w.-]{1,64})/([\w.-]{1,64})(?:/([\w.-]{1,64}))?$`)
})

// CheckPlatform returns an error for an invalid name of a platform. Valid names are
// OS/ARCH and OS/ARCH/VARIANT, such as linux/arm64 and linux/arm/v7.
func CheckPlatform(name string) error {
	_, err := parsePlatform(name)
	return err
}

// SamePlatform reports whether two names are of one platform, as linux/arm64 and
// linux/aarch64/v8 are. It returns false for an invalid name.
func SamePlatform(a, b string) bool {
	first, err := parsePlatform(a)
	second, err2 := parsePlatform(b)
	return err == nil && err2 == nil && first.normal() == second.normal()
}

func parsePlatform(name string) (system, error) {
	m := platformPattern().FindStringSubmatch(name)
	if m == nil {
		return system{}, fmt.Errorf("%q is not a platform, such as linux/arm64 or linux/arm/v7", platform.Printable(name))
	}
	return system{OS: m[1], Architecture: m[2], Variant: m[3]}, nil
}

// imageIndex is a list of images, one for each platform, and their attestations.
type imageIndex struct {
	MediaType string `json:"mediaType"`
	Manifests []struct {
		Digest   string `json:"digest"`
		Platform system `json:"platform"`
	} `json:"manifests"`
}

// platformDigest returns the digest of a platform's image in a reference's index, or of
// the image if the reference is not an index.
func (c *Client) platformDigest(ctx context.Context, ref Reference, t Token, name string) (string, error) {
	want, err := parsePlatform(name)
	if err != nil {
		return "", err
	}
	m, err := c.Manifest(ctx, ref, t)
	if err != nil || !strings.Contains(m.MediaType, ".index.") && !strings.Contains(m.MediaType, ".list.") {
		return m.Digest, err
	}
	digest, err := chooseImage(m.Body, m.MediaType, want)
	if err != nil {
		return "", fmt.Errorf("%s/%s %w", c.URL.Host, ref, err)
	}
	return digest, nil
}

// chooseImage returns the digest of the first image for a platform, as Docker does. Its
// errors are texts to follow the name of the reference.
func chooseImage(body []byte, mediaType string, want system) (string, error) {
	var list imageIndex
	// Clients may read a text without a clear type in different ways (CVE-2021-41190).
	if json.Unmarshal(body, &list) != nil || list.MediaType != "" && list.MediaType != mediaType {
		return "", fmt.Errorf("is not a %s, although its registry says so", mediaType)
	}
	var others []string
	for _, m := range list.Manifests {
		switch {
		case m.Platform.OS == "" || m.Platform.OS == "unknown":
			continue // an attestation or the like
		case m.Platform.normal() != want.normal():
			others = append(others, platform.Printable(m.Platform.String()))
			continue
		case !ValidDigest(m.Digest):
			return "", fmt.Errorf("has an image for %s with the invalid digest %q", want, platform.Printable(m.Digest))
		}
		return m.Digest, nil
	}
	slices.Sort(others)
	others = slices.Compact(others)
	if len(others) == 0 {
		return "", fmt.Errorf("has no image for %s or any other platform", want)
	}
	return "", fmt.Errorf("has no image for %s; there are: %s", want, strings.Join(others[:min(20, len(others))], ", "))
}
