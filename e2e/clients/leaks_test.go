//go:build e2e && linux

package clients

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// searchSecrets looks for what the platform has issued in all that this place's
// programs said and wrote, and in what they were started with.
func (p *place) searchSecrets() {
	p.t.Helper()
	secrets := newNeedles(p.platform.Issued())
	for _, r := range p.heard {
		said := r.stderr
		if !r.answers {
			said += r.stdout
		}
		if secrets.in([]byte(said)) {
			p.t.Errorf("a secret is in the output of %s", r.command)
		}
	}
	for _, leak := range p.watch.find(secrets) {
		p.t.Errorf("a secret is in %s", leak)
	}
	leaks, err := secrets.inFiles(p.dir, p.mayHoldSecrets)
	if err != nil {
		p.t.Error(err)
	}
	for _, path := range leaks {
		p.t.Errorf("a secret is in the file %s", path)
	}
}

// mayHoldSecrets says of which files below the place's folder that is right: the
// records of the file store, where that was chosen, and Chromium's profile, which
// keeps the source of a redirect whatever the answer says.
func (p *place) mayHoldSecrets(path string) bool {
	if p.profile != "" && path == p.profile {
		return true
	}
	store := filepath.Join(p.home, ".local", "state", "docker-credential-cgr")
	return p.environ["CHAINGUARD_KEYCHAIN"] == "file" && filepath.Dir(path) == store && filepath.Ext(path) == ".json"
}

// needles are texts that betray a secret.
type needles [][]byte

func newNeedles(secrets []string) needles {
	var all []string
	for _, secret := range secrets {
		all = append(all, spellings(secret)...)
	}
	slices.Sort(all)
	var n needles
	for _, text := range slices.Compact(all) {
		n = append(n, []byte(text))
	}
	return n
}

// telling is how many characters of a secret, or of another spelling of it, are
// as good as all: no program writes them by chance. Shortened secrets are found,
// too.
const telling = 16

// spellings gives texts one of which is in every text that holds the secret, or
// its beginning or end, whether as it is, percent-encoded, in JSON or in base64.
func spellings(secret string) []string {
	quoted, err := json.Marshal(secret)
	if err != nil {
		panic(err) // a string
	}
	texts := []string{secret[:telling], secret[len(secret)-telling:]}
	for _, whole := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(string(quoted), `"`)} {
		texts = append(texts, whole[:telling], whole[len(whole)-telling:])
	}
	// In base64 it depends on what goes before: three characters make four.
	for shift := range 3 {
		part := secret[shift : shift+telling/4*3]
		texts = append(texts, base64.StdEncoding.EncodeToString([]byte(part)), base64.URLEncoding.EncodeToString([]byte(part)))
	}
	return texts
}

func (n needles) in(text []byte) bool {
	return slices.ContainsFunc(n, func(needle []byte) bool { return bytes.Contains(text, needle) })
}

// inFiles gives the files below dir that hold a secret in their content or their
// name, but for those, and what is below those, that except accepts.
func (n needles) inFiles(dir string, except func(path string) bool) (found []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if except(path) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		text := []byte(entry.Name())
		if entry.Type().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = append(text, content...)
		}
		if n.in(text) {
			found = append(found, path)
		}
		return nil
	})
	return found, err
}

// TestSearch shows that the search finds what it has to find, and only that.
func TestSearch(t *testing.T) {
	secret := "eyJleHAiOjE3OTcyMzQ1Njd9+/rest/of/the+secret/0123456789=="
	tests := []struct {
		name, text string
		found      bool
	}{
		{"as it is", "token: " + secret, true},
		{"in a query", "http://localhost/?token=" + url.QueryEscape(secret), true},
		{"in a path", "/" + url.PathEscape(secret), true},
		{"in JSON", `{"t":"` + secret + `"}`, true},
		{"for Basic", base64.StdEncoding.EncodeToString([]byte("_token:" + secret)), true},
		{"for Basic, other user", base64.StdEncoding.EncodeToString([]byte("user:" + secret)), true},
		{"for Basic, third user", base64.StdEncoding.EncodeToString([]byte("users:" + secret)), true},
		{"in base64url", base64.RawURLEncoding.EncodeToString([]byte(secret)), true},
		{"shortened", secret[:20] + "…", true},
		{"its end", "…" + secret[len(secret)-20:], true},
		{"nothing", "docker-credential-cgr: signed in", false},
		{"a hint", secret[:8] + "…", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "file"), []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			found, err := newNeedles([]string{secret}).inFiles(dir, func(string) bool { return false })
			if err != nil || (len(found) == 1) != test.found {
				t.Errorf("found %v (%v) for %q", found, err, test.text)
			}
		})
	}
}
