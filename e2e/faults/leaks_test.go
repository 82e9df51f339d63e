//go:build e2e && linux

package faults

import (
	"encoding/json"
	"path/filepath"
	"strings"

	"docker-credential-cgr/e2e/leaks"
)

// searchSecrets looks for what the platform has issued in all that this place's
// programs said and wrote, but for the answers and the records of the file store
// where that was chosen.
func (p *fixture) searchSecrets() {
	p.t.Helper()
	secrets := leaks.Of(p.platform.Issued())
	for _, r := range p.results {
		said := r.stderr
		if !r.answers || !json.Valid([]byte(r.stdout)) { // whole, or it is none
			said += r.stdout
		}
		if secrets.In([]byte(said)) {
			p.t.Errorf("a secret is in the output of %s (exit %d)", r.command, r.code)
		}
		if strings.Contains(r.stderr, "DATA RACE") || strings.Contains(r.stderr, "goroutine 1 [") && r.code == 2 {
			p.t.Errorf("a race or a panic: %s", r)
		}
	}
	found, err := secrets.InFiles(p.dir, p.mayHoldSecrets)
	if err != nil {
		p.t.Error(err)
	}
	for _, path := range found {
		p.t.Errorf("a secret is in the file %s", path)
	}
}

// mayHoldSecrets says of which files that is right: the records of the file
// store, and what a killed writer left half done of them, where that was chosen.
func (p *fixture) mayHoldSecrets(path string) bool {
	if p.environ["CHAINGUARD_KEYCHAIN"] != "file" || filepath.Dir(path) != p.store() {
		return false
	}
	name := filepath.Base(path)
	return filepath.Ext(name) == ".json" || strings.HasPrefix(name, "new-")
}
