package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

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

// normal gives a system the name that others of it have too. The table is containerd's
// (github.com/containerd/platforms), by which Docker chooses among images.
func (s system) normal() system {
	s.OS, s.Architecture, s.Variant = strings.ToLower(s.OS), strings.ToLower(s.Architecture), strings.ToLower(s.Variant)
	switch s.Architecture {
	case "x86_64", "x86-64":
		s.Architecture = "amd64"
	case "aarch64":
		s.Architecture = "arm64"
	case "i386":
		s.Architecture = "386"
	case "armhf":
		s.Architecture, s.Variant = "arm", "v7"
	case "armel":
		s.Architecture, s.Variant = "arm", "v6"
	}
	switch {
	case s.Architecture == "amd64" && s.Variant == "v1", s.Architecture == "arm64" && (s.Variant == "8" || s.Variant == "v8"):
		s.Variant = ""
	case s.Architecture == "arm" && (s.Variant == "" || s.Variant == "7"):
		s.Variant = "v7"
	}
	return s
}

// maxPlatform is how long a platform's name may be.
const maxPlatform = 64

// CheckPlatform says what is wrong with the name of a platform: OS/ARCH or
// OS/ARCH/VARIANT, such as linux/arm64 or linux/arm/v7, is right.
func CheckPlatform(name string) error {
	_, err := parsePlatform(name)
	return err
}

// SamePlatform says whether two names are of one platform, as linux/arm64 and
// linux/aarch64/v8 are. What is no platform is none.
func SamePlatform(a, b string) bool {
	first, err := parsePlatform(a)
	second, err2 := parsePlatform(b)
	return err == nil && err2 == nil && first.normal() == second.normal()
}

func parsePlatform(name string) (system, error) {
	parts := strings.Split(name, "/")
	if len(parts) < 2 || len(parts) > 3 || len(name) > maxPlatform || slices.Contains(parts, "") || strings.ContainsFunc(name, notInPlatform) {
		return system{}, fmt.Errorf("%q is no platform: write one such as linux/arm64 or linux/arm/v7", platform.Printable(name))
	}
	s := system{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		s.Variant = parts[2]
	}
	return s, nil
}

func notInPlatform(r rune) bool {
	return r != '/' && r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// imageIndex is a list of images, one for each platform, and of what belongs to them.
type imageIndex struct {
	MediaType string `json:"mediaType"`
	Manifests []struct {
		Digest   string `json:"digest"`
		Platform system `json:"platform"`
	} `json:"manifests"`
}

// platformDigest gives the digest of the image for a platform of a reference's index, or
// of the one image where the reference is no index. The index is read by its own digest,
// whatever the registry says of it.
func (c *Client) platformDigest(ctx context.Context, ref Reference, t Token, name string) (string, error) {
	want, err := parsePlatform(name)
	if err != nil {
		return "", err
	}
	d, body, err := c.getManifest(ctx, ref, t)
	if err != nil || !strings.Contains(d.MediaType, ".index.") && !strings.Contains(d.MediaType, ".list.") {
		return d.Digest, err
	}
	digest, err := chooseImage(body, d.MediaType, want)
	if err != nil {
		return "", fmt.Errorf("%s/%s %w", c.URL.Host, ref, err)
	}
	return digest, nil
}

// chooseImage gives the digest of the first image for a platform, as Docker takes it.
// Its errors follow the name of what the index is of.
func chooseImage(body []byte, mediaType string, want system) (string, error) {
	var list imageIndex
	// A text that two clients read as two things is neither (CVE-2021-41190).
	if json.Unmarshal(body, &list) != nil || list.MediaType != "" && list.MediaType != mediaType {
		return "", fmt.Errorf("is no %s, which its registry says it is", mediaType)
	}
	var others []string
	for _, m := range list.Manifests {
		switch {
		case m.Platform.OS == "" || m.Platform.OS == "unknown":
			continue // no image, but what belongs to one, such as an attestation
		case m.Platform.normal() != want.normal():
			others = append(others, platform.Printable(m.Platform.String()))
			continue
		case !ValidDigest(m.Digest):
			return "", fmt.Errorf("has an image for %s with %q, which is no digest", want, platform.Printable(m.Digest))
		}
		return m.Digest, nil
	}
	slices.Sort(others)
	others = slices.Compact(others)
	if len(others) == 0 {
		return "", fmt.Errorf("has no image for %s, nor for any other platform", want)
	}
	return "", fmt.Errorf("has no image for %s; there are: %s", want, strings.Join(others[:min(20, len(others))], ", "))
}
