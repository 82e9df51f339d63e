package registry

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// listed is an image of an index.
func listed(i int, os, architecture, variant string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":1,"platform":{"os":%q,"architecture":%q,"variant":%q}}`, manifestTypes[1], numbered(i), os, architecture, variant)
}

func indexOf(manifests ...string) string {
	return `{"schemaVersion":2,"mediaType":"` + index + `","manifests":[` + strings.Join(manifests, ",") + `]}`
}

var multi = indexOf(listed(1, "linux", "amd64", ""), listed(2, "linux", "arm64", "v8"), listed(3, "unknown", "unknown", ""), listed(6, "linux", "arm", "v6"), listed(7, "linux", "arm", "v7"),
	listed(8, "windows", "amd64", ""), listed(9, "windows", "amd64", ""))

// manifestIs is a registry whose tags and digests are all this, as it says.
func manifestIs(kind, digest, body string) *fake {
	f := newFake()
	f.handlers["manifest"] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Docker-Content-Digest", digest)
		answer(w, kind, body)
	}
	return f
}

func TestPlatform(t *testing.T) {
	for _, test := range []struct {
		platform string
		want     int
	}{
		{"linux/amd64", 1}, {"Linux/x86_64", 1}, {"linux/amd64/v1", 1}, {"linux/arm64", 2}, {"linux/aarch64", 2}, {"linux/arm64/v8", 2},
		{"linux/arm/v6", 6}, {"linux/arm/v7", 7}, {"linux/arm", 7}, {"windows/amd64", 8},
	} {
		t.Run(test.platform, func(t *testing.T) {
			f := manifestIs(index, digest, multi)
			got, err := f.reader().Digest(t.Context(), image, test.platform)
			if err != nil || got != numbered(test.want) {
				t.Errorf("got %s, %v, want the image %d", got, err, test.want)
			}
			f.wantAsked(t, "GET token", "GET manifest")
		})
	}
	for _, platform := range []string{"linux/s390x", "linux/amd64/v3", "linux/arm64/v9", "unknown/unknown", "darwin/arm64"} {
		t.Run("none "+platform, func(t *testing.T) {
			_, err := manifestIs(index, digest, multi).reader().Digest(t.Context(), image, platform)
			oneLine(t, err)
			if want := "cgr.dev/org/python:3.13 has no image for " + platform + "; there are: linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64/v8, windows/amd64"; err.Error() != want {
				t.Errorf("got %q, want %q", err, want)
			}
		})
	}
	t.Run("Docker's list", func(t *testing.T) {
		body := strings.Replace(multi, index, manifestTypes[2], 1)
		if got, err := manifestIs(manifestTypes[2], digest, body).reader().Digest(t.Context(), image, "linux/arm64"); err != nil || got != numbered(2) {
			t.Errorf("got %s, %v, want the image 2", got, err)
		}
	})
	t.Run("no index", func(t *testing.T) {
		const body = `{"schemaVersion":2,"manifests":[]}`
		want := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(body)))
		if got, err := manifestIs(manifestTypes[1], digest, body).reader().Digest(t.Context(), image, "linux/arm64"); err != nil || got != want {
			t.Errorf("I60 got %s, %v, want its own digest, %s", got, err, want)
		}
	})
	t.Run("then", func(t *testing.T) {
		own := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(multi)))
		f := manifestIs(index, "", multi)
		f.handlers["history"] = api{records: []Record{{Updated: since, Digest: own}}}.ServeHTTP
		got, err := f.reader().DigestAt(t.Context(), image, since, "linux/arm64")
		if err != nil || got.Digest != numbered(2) || !got.Updated.Equal(since) {
			t.Errorf("got %v, %v, want the image 2", got, err)
		}
		f.wantAsked(t, "GET token", "GET history", "GET manifest")
		f.handlers["history"] = api{records: []Record{{Updated: since, Digest: digest}}}.ServeHTTP
		got, err = f.reader().DigestAt(t.Context(), image, since, "linux/arm64")
		if oneLine(t, err); got != (Record{}) {
			t.Errorf("I60 got %v for the body of another digest, want none", got)
		}
	})
	for name, body := range map[string]string{
		"HTML": "<html>", "a list": "[]", "empty": "", "I60 no digest": indexOf(strings.Replace(listed(1, "linux", "arm64", ""), "sha256:", `md5\u001b:`, 1)),
		"no images": indexOf(), "attestations alone": indexOf(listed(1, "unknown", "unknown", ""), listed(2, "", "", "")), "null": indexOf("null"), "another type": strings.Replace(multi, index, manifestTypes[1], 1),
		"ESC": indexOf(listed(1, "linux\x1b[2J", "arm64", "")),
	} {
		t.Run("wrong "+name, func(t *testing.T) {
			got, err := manifestIs(index, digest, body).reader().Digest(t.Context(), image, "linux/arm64")
			if oneLine(t, err); got != "" || !strings.HasPrefix(err.Error(), "cgr.dev/org/python:3.13 ") {
				t.Errorf("got %q, %v, want none, and the image in the error", got, err)
			}
		})
	}
}

func TestCheckPlatform(t *testing.T) {
	for _, good := range []string{"linux/arm64", "linux/arm/v7", "windows/amd64", "linux/x86_64", "a.b-c/D_1"} {
		if err := CheckPlatform(good); err != nil {
			t.Errorf("%s: got %v, want none", good, err)
		}
	}
	for _, bad := range []string{"", "arm64", "linux", "linux/", "/arm64", "linux//v7", "a/b/c/d", "linux/arm 64", "linux/arm64\n", "linux/\x1b[2J", "linux/é", "linux/arm64,linux/amd64", "$TARGETPLATFORM", strings.Repeat("a", 65) + "/b"} {
		oneLine(t, CheckPlatform(bad))
	}
}

// Whatever an index says, what is chosen is a digest of it for that platform.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(multi), "linux/arm64")
	f.Add([]byte(indexOf(listed(1, "unknown", "unknown", ""))), "unknown/unknown")
	f.Add([]byte(`{"manifests":[{"digest":"sha256:xyz\u001b","platform":{"os":"linux","architecture":"arm64"}},null]}`), "linux/arm64")
	f.Fuzz(func(t *testing.T, body []byte, platform string) {
		want, err := parsePlatform(platform)
		if err != nil {
			oneLine(t, err)
			return
		}
		got, err := chooseImage(body, index, want)
		if err != nil {
			oneLine(t, err)
			return
		}
		if !ValidDigest(got) {
			t.Fatalf("got %q, want a digest", got)
		}
		var list imageIndex
		if err := json.Unmarshal(body, &list); err != nil {
			t.Fatal(err)
		}
		for _, m := range list.Manifests {
			if m.Digest == got && m.Platform.normal() == want.normal() {
				return
			}
		}
		t.Errorf("got %s, want one of %s", got, platform)
	})
}
