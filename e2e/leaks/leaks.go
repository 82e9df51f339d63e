// Package leaks finds secrets in the output and the files of programs, for tests.
package leaks

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
)

// telling is how many characters of a secret, or of an encoding of it, count as a leak. No program
// writes them by chance, and shortened secrets are found too.
const telling = 16

// Needles are texts whose presence means that a secret leaked.
type Needles [][]byte

// Of returns texts of which at least one is in every text with one of the secrets, or with its
// beginning or end: unchanged, percent-encoded, in JSON or in base64. It ignores secrets shorter
// than 32 bytes, which the platform does not issue.
func Of(secrets []string) Needles {
	var all []string
	for _, secret := range secrets {
		if len(secret) >= 2*telling {
			all = append(all, spellings(secret)...)
		}
	}
	slices.Sort(all)
	var n Needles
	for _, text := range slices.Compact(all) {
		n = append(n, []byte(text))
	}
	return n
}

func spellings(secret string) (texts []string) {
	quoted, err := json.Marshal(secret)
	if err != nil {
		panic(err) // a string
	}
	for _, whole := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(string(quoted), `"`)} {
		texts = append(texts, whole[:telling], whole[len(whole)-telling:])
	}
	// In base64, the result depends on the position modulo three.
	const part = telling / 4 * 3
	for shift := range 3 {
		end := len(secret) - shift
		for _, text := range []string{secret[shift : shift+part], secret[end-part : end]} {
			texts = append(texts, base64.StdEncoding.EncodeToString([]byte(text)), base64.URLEncoding.EncodeToString([]byte(text)))
		}
	}
	return texts
}

// In reports whether one of them is in text.
func (n Needles) In(text []byte) bool {
	return slices.ContainsFunc(n, func(needle []byte) bool { return bytes.Contains(text, needle) })
}

// InFiles returns the files and folders below dir with one of them in their content or name. It
// skips those for which except returns true, with everything below them.
func (n Needles) InFiles(dir string, except func(path string) bool) (found []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case except(path) && entry.IsDir():
			return fs.SkipDir
		case except(path):
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
		if n.In(text) {
			found = append(found, path)
		}
		return nil
	})
	return found, err
}
