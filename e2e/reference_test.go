package e2e

import (
	"strings"
	"testing"

	"github.com/distribution/reference"

	"docker-credential-cgr/registry"
)

const (
	referenceHost = "cgr.dev"
	sha256Digest  = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	sha512Digest  = "sha512:" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// ourReference is what registry.Parse makes of a text with the host before it.
func ourReference(text string) (registry.Reference, bool) {
	ref, err := registry.Parse(text, referenceHost)
	return ref, err == nil
}

// dockersReference is what Docker's own parser makes of a text, if that is an image of an organization of ours with a
// digest that we know.
func dockersReference(text string) (registry.Reference, bool) {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil || !strings.EqualFold(strings.TrimSuffix(reference.Domain(named), ":443"), referenceHost) || !strings.Contains(reference.Path(named), "/") {
		return registry.Reference{}, false
	}
	ref := registry.Reference{Repository: reference.Path(named)}
	if tagged, ok := named.(reference.Tagged); ok {
		ref.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		ref.Digest = digested.Digest().String()
		if algorithm := digested.Digest().Algorithm(); algorithm != "sha256" && algorithm != "sha512" {
			return registry.Reference{}, false
		}
	}
	return ref, true
}

// agree checks that what one of two parsers takes the other takes too, and as the same.
func agree(t *testing.T, text string) {
	t.Helper()
	ours, weTake := ourReference(text)
	dockers, dockerTakes := dockersReference(text)
	if weTake != dockerTakes || ours != dockers {
		t.Errorf("%q: got %+v (taken: %t), want %+v (taken: %t) as Docker has it", text, ours, weTake, dockers, dockerTakes)
	}
}

// references are what is like a reference behind the host, and more or less one.
var behindHost = []string{
	"chainguard/python", "chainguard/python:latest", "example.com/python:3.13@" + sha256Digest, "a/b@" + sha512Digest, "a/b/c/d:_X.y-z",
	"python", "", "/", "a/", "/a", "a//b", "a/b:", "a/b@", "a/b:x:y", "a/b:-x", "a/b:.x", "a/b@" + sha256Digest + "0", "a/b@" + strings.ToUpper(sha256Digest),
	"a/b@md5:0123456789abcdef0123456789abcdef", "a/b@sha384:" + strings.Repeat("0", 96), "a/b@sha256:xyz", "a/b@" + sha256Digest + ":x", "a/b@" + sha256Digest + "@" + sha256Digest,
	"A/b", "a/B", "a/b_c", "a/b__c", "a/b___c", "a/b.c", "a/b..c", "a/b-c", "a/b---c", "a/b._c", "a/b-", "a/-b", "a/_b", "a.b/c", "localhost/a", "a/é", "a/b\n", "a/b ", " a/b", "a/b?c", "a/b#c", "a/../b",
	"a/b:" + strings.Repeat("x", 128), "a/b:" + strings.Repeat("x", 129), "a/" + strings.Repeat("b", 253), "a/" + strings.Repeat("b", 254), strings.Repeat("a/", 127) + "b", strings.Repeat("a/", 128) + "b",
	"cgr.dev/a/b", "cgr.dev:443/a/b", "[::1]/a/b", "a/b@sha256:" + strings.Repeat("0", 63), strings.Repeat("0", 64) + "/a", "a/" + strings.Repeat("0", 64), "0/0", "a/b:0@" + sha512Digest,
}

// TestReference compares our reading of references with Docker's own.
func TestReference(t *testing.T) {
	for _, text := range behindHost {
		t.Run(text, func(t *testing.T) { agree(t, referenceHost+"/"+text) })
	}
	for _, host := range []string{"CGR.dev/", "cgr.dev:443/", "Cgr.Dev:443/"} {
		t.Run(host, func(t *testing.T) { agree(t, host+"a/b:x") })
	}
	taken := 0
	for _, text := range behindHost {
		if _, ok := ourReference(referenceHost + "/" + text); ok {
			taken++
		}
	}
	if taken < 15 || taken > len(behindHost)-25 {
		t.Errorf("got %d of %d taken: the table shows little", taken, len(behindHost))
	}
}

func FuzzReference(f *testing.F) {
	for _, text := range behindHost {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { agree(t, referenceHost+"/"+text) })
}
