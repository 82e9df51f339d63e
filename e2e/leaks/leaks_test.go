package leaks

import (
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const secret = "eyJleHAiOjE3OTcyMzQ1Njd9+/rest/of/the+secret/0123456789=="

// TestT11_SearchFinds shows that the search finds what it has to find, and only
// that.
func TestT11_SearchFinds(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("user:" + secret))
	tests := []struct {
		name, text string
		found      bool
	}{
		{"as it is", "token: " + secret, true},
		{"in a query", "http://localhost/?token=" + url.QueryEscape(secret), true},
		{"in a path", "/" + url.PathEscape(secret), true},
		{"in JSON", `{"t":"` + secret + `"}`, true},
		{"for Basic", base64.StdEncoding.EncodeToString([]byte("_token:" + secret)), true},
		{"for Basic, other user", basic, true},
		{"for Basic, third user", base64.StdEncoding.EncodeToString([]byte("users:" + secret)), true},
		{"for Basic, its beginning", basic[:32], true},
		{"for Basic, its end", basic[len(basic)-32:], true},
		{"in base64url", base64.RawURLEncoding.EncodeToString([]byte(secret)), true},
		{"shortened", secret[:20] + "…", true},
		{"its end", "…" + secret[len(secret)-20:], true},
		{"nothing", "docker-credential-cgr: signed in", false},
		{"a hint", secret[:8] + "…", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Of([]string{secret}).In([]byte(test.text)); got != test.found {
				t.Errorf("found is %v, want %v, in %q", got, test.found, test.text)
			}
		})
	}
}

// TestT11_NoSecrets has nothing to look for: what is short is in every text.
func TestT11_NoSecrets(t *testing.T) {
	if got := Of([]string{"", "short"}); got != nil {
		t.Errorf("there are needles: %q", got)
	}
}

func TestT11_SearchFindsFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("clean", "nothing")
	excepted := []string{write("excepted", secret), filepath.Join(dir, "below")}
	write("below/deep/file", secret)
	want := []string{write("in/a/folder", "x"+secret), write("name-"+url.PathEscape(secret), "")}
	got, err := Of([]string{secret}).InFiles(dir, func(path string) bool { return slices.Contains(excepted, path) })
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
	if _, err := Of([]string{secret}).InFiles(filepath.Join(dir, "missing"), func(string) bool { return false }); err == nil {
		t.Error("a folder that is not there was searched")
	}
}
