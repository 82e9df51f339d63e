//go:build e2e && linux

package faults

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
// programs said and wrote, but for the answers and the records of the file store
// where that was chosen.
func (p *place) searchSecrets() {
	p.t.Helper()
	secrets := needles(p.platform.Issued())
	for _, r := range p.heard {
		said := r.stderr
		if !r.answers || !json.Valid([]byte(r.stdout)) { // whole, or it is none
			said += r.stdout
		}
		if found(secrets, []byte(said)) {
			p.t.Errorf("a secret is in the output of %s (exit %d)", r.command, r.code)
		}
		if strings.Contains(r.stderr, "DATA RACE") || strings.Contains(r.stderr, "goroutine 1 [") && r.code == 2 {
			p.t.Errorf("a race or a panic: %s", r)
		}
	}
	err := filepath.WalkDir(p.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || p.mayHoldSecrets(path) {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil && found(secrets, append(text, path...)) {
			p.t.Errorf("a secret is in the file %s", path)
		}
		return err
	})
	if err != nil {
		p.t.Error(err)
	}
}

// mayHoldSecrets says of which files that is right: the records of the file
// store, and what a killed writer left half done of them, where that was chosen.
func (p *place) mayHoldSecrets(path string) bool {
	if p.environ["CHAINGUARD_KEYCHAIN"] != "file" || filepath.Dir(path) != p.store() {
		return false
	}
	name := filepath.Base(path)
	return filepath.Ext(name) == ".json" || strings.HasPrefix(name, "new-")
}

// telling is how many characters of a secret, or of another spelling of it, are
// as good as all: no program writes them by chance.
const telling = 16

// needles gives texts one of which is in every text that holds one of the secrets
// or a good part of it: as it is, percent-encoded, or in base64.
func needles(secrets []string) [][]byte {
	var all []string
	for _, secret := range secrets {
		if len(secret) < 2*telling {
			continue
		}
		all = append(all, secret[:telling], secret[len(secret)-telling:])
		for _, whole := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			all = append(all, whole[:telling], whole[len(whole)-telling:])
		}
		// In base64 it depends on what goes before: three characters make four.
		for shift := range 3 {
			part := secret[len(secret)-telling/4*3-shift : len(secret)-shift]
			all = append(all, base64.StdEncoding.EncodeToString([]byte(part)), base64.URLEncoding.EncodeToString([]byte(part)))
		}
	}
	slices.Sort(all)
	var texts [][]byte
	for _, text := range slices.Compact(all) {
		texts = append(texts, []byte(text))
	}
	return texts
}

func found(needles [][]byte, text []byte) bool {
	return slices.ContainsFunc(needles, func(n []byte) bool { return bytes.Contains(text, n) })
}

// TestT11_SearchFinds shows that the search finds what it has to find.
func TestT11_SearchFinds(t *testing.T) {
	secret := "eyJleHAiOjE3OTcyMzQ1Njd9+/rest/of/the+secret/0123456789=="
	tests := []struct {
		name, text string
		found      bool
	}{
		{"as it is", "token: " + secret, true},
		{"in a query", "?token=" + url.QueryEscape(secret), true},
		{"for Basic", base64.StdEncoding.EncodeToString([]byte("_token:" + secret)), true},
		{"for Basic, another user", base64.StdEncoding.EncodeToString([]byte("user:" + secret)), true},
		{"for Basic, a third", base64.StdEncoding.EncodeToString([]byte("users:" + secret)), true},
		{"shortened", secret[:20] + "…", true},
		{"nothing", "docker-credential-cgr: signed in", false},
	}
	for _, test := range tests {
		if got := found(needles([]string{secret}), []byte(test.text)); got != test.found {
			t.Errorf("%s: found is %v, want %v", test.name, got, test.found)
		}
	}
}
