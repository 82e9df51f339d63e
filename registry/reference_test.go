package registry

import (
	"strings"
	"testing"
)

const sha512Digest = "sha512:" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParse(t *testing.T) {
	for _, test := range []struct {
		image string
		want  Reference
	}{
		{"cgr.dev/chainguard/python", Reference{Repository: "chainguard/python"}},
		{"chainguard/python", Reference{Repository: "chainguard/python"}},
		{"chainguard/python:latest-dev", Reference{Repository: "chainguard/python", Tag: "latest-dev"}},
		{"cgr.dev/example.com/python:3.13", Reference{Repository: "example.com/python", Tag: "3.13"}},
		{"CGR.dev:443/a/b:_X", Reference{Repository: "a/b", Tag: "_X"}},
		{"cgr.dev/a/b/c__d/e--f@" + digest, Reference{Repository: "a/b/c__d/e--f", Digest: digest}},
		{"cgr.dev/a/b:1@" + digest, Reference{Repository: "a/b", Tag: "1", Digest: digest}},
		{"a/b@" + sha512Digest, Reference{Repository: "a/b", Digest: sha512Digest}},
		{"a/b:" + strings.Repeat("x", 128), Reference{Repository: "a/b", Tag: strings.Repeat("x", 128)}},
	} {
		t.Run(test.image, func(t *testing.T) {
			got, err := Parse(test.image, "cgr.dev")
			if err != nil || got != test.want {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
			if err := got.check(); err != nil {
				t.Errorf("got %v, want that it can be asked for", err)
			}
		})
	}
	for _, image := range []string{
		"", "/", "python", "cgr.dev", "cgr.dev/", "cgr.dev/python", "cgr.dev//python", "a/b/", "/a/b", "a//b",
		"A/b", "a/b:", "a/b@", "a/b:x:y", "a/b:-x", "a/b:" + strings.Repeat("x", 129), "a/b.", "a/.b", "a/b..c", "a/b___c",
		"a/b@sha256:xyz", "a/b@md5:0123456789abcdef0123456789abcdef", "a/b@" + strings.ToUpper(digest), "a/b@" + digest + "0", "a/b@" + digest + ":x",
		"a/b\n", "a/b\x00", "a/b\x1b[31m", "a/é", "a/b?c", "a/b#c", "a/../b", "a/%2e/b", "a/b@" + digest + "@" + digest,
		"https://cgr.dev/a/b", "docker://cgr.dev/a/b", strings.Repeat("a/", 200) + "b",
		// Other registries, and what only looks like ours.
		"docker.io/library/python", "cgr.dev.evil.example/a/b", "evil.example/cgr.dev/a", "cgr.dev@evil.example/a/b", "cgr.dev:8443/a/b", "localhost/a/b", "localhost:5000/a/b",
	} {
		t.Run("not "+image, func(t *testing.T) {
			got, err := Parse(image, "cgr.dev")
			oneLine(t, err)
			if got != (Reference{}) {
				t.Errorf("got %+v beside an error, want nothing", got)
			}
		})
	}
	t.Run("a letter that only folds to one", func(t *testing.T) {
		_, err := Parse("\u017fhop.example/a/b", "shop.example")
		oneLine(t, err)
	})
	t.Run("a registry with a port", func(t *testing.T) {
		if got, err := Parse("127.0.0.1:5000/a/b", "127.0.0.1:5000"); err != nil || got.Repository != "a/b" {
			t.Errorf("got %+v, %v, want a/b", got, err)
		}
		_, err := Parse("127.0.0.1:5001/a/b", "127.0.0.1:5000")
		oneLine(t, err)
	})
}

// What is parsed is written and parsed again the same, with and without the host, and
// goes into a path as it is.
func FuzzParse(f *testing.F) {
	for _, image := range []string{"cgr.dev/chainguard/python:latest", "example/python:3.13@" + digest, "a/b@" + sha512Digest, "cgr.dev.evil/a/b", "a/b:x@", "../a"} {
		f.Add(image)
	}
	f.Fuzz(func(t *testing.T, image string) {
		ref, err := Parse(image, "cgr.dev")
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x00\x1b") {
				t.Errorf("got the error %q, want one printable line", err)
			}
			return
		}
		again, err := Parse("cgr.dev/"+ref.String(), "cgr.dev")
		if err != nil || again != ref {
			t.Errorf("%q: got %+v, %v, want %+v", image, again, err, ref)
		}
		if strings.ContainsAny(ref.Repository+ref.Target(), " ?#%\\") || strings.Contains(ref.Repository, "..") || strings.Contains(ref.Target(), "/") {
			t.Errorf("%q: got %+v, want what goes into a path", image, ref)
		}
	})
}
