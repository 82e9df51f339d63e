//go:build e2e && linux

package clients

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"docker-credential-cgr/e2e/leaks"
)

// searchSecrets looks for what the platform has issued in all that this place's
// programs said and wrote, and in what they were started with.
func (p *fixture) searchSecrets() {
	p.t.Helper()
	issued := p.platform.Issued()
	secrets := leaks.Of(issued)
	for _, r := range p.results {
		said := r.stderr
		if !r.answers {
			said += r.stdout
		}
		if secrets.In([]byte(said)) {
			p.t.Errorf("a secret is in the output of %s", r.command)
		}
	}
	// What a job is given in a variable is in the environment of all that it runs.
	given := slices.Collect(maps.Values(p.environ))
	for _, leak := range p.watch.find(secrets, leaks.Of(slices.DeleteFunc(issued, func(secret string) bool {
		return slices.Contains(given, secret)
	}))) {
		p.t.Errorf("a secret is in %s", leak)
	}
	found, err := secrets.InFiles(p.dir, p.mayHoldSecrets)
	if err != nil {
		p.t.Error(err)
	}
	for _, path := range found {
		p.t.Errorf("a secret is in the file %s", path)
	}
}

// mayHoldSecrets says of which files below the place's folder that is right: the
// records of the file store, where that was chosen, and Chromium's profile, which
// keeps the source of a redirect whatever the answer says.
func (p *fixture) mayHoldSecrets(path string) bool {
	if p.profile != "" && path == p.profile {
		return true
	}
	store := filepath.Join(p.home, ".local", "state", "docker-credential-cgr")
	dir, _, _ := strings.Cut(filepath.Dir(path), "@") // each organization has a folder of its own
	return p.environ["CHAINGUARD_KEYCHAIN"] == "file" && dir == store && filepath.Ext(path) == ".json"
}
