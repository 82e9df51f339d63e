//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// libsecret gives docker-credential-secretservice with a secret, or nil.
func (p *fixture) libsecret(ctx context.Context, host, secret string) *single {
	return p.rival(ctx, rivalLibsecret, host, secret, p.bus())
}

// pass gives docker-credential-pass with a secret, or nil. Its key has no
// passphrase, so that nothing asks.
func (p *fixture) pass(ctx context.Context, host, secret string) *single {
	settings := []string{"GNUPGHOME=" + p.path("gnupg"), "PASSWORD_STORE_DIR=" + p.path("pass")}
	const id = "bench@example.com"
	for _, args := range [][]string{
		{"gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", id, "default", "default", "never"},
		{"pass", "init", id},
	} {
		if _, err := exec.LookPath(args[0]); err != nil {
			p.skip(rivalPass, args[0]+" is not installed")
			return nil
		}
		p.gnupg = true
		if err := os.MkdirAll(p.path("gnupg"), 0o700); err != nil {
			p.skip(rivalPass, err.Error())
			return nil
		}
		if err := p.quiet(ctx, "", settings, args...); err != nil {
			p.skip(rivalPass, err.Error())
			return nil
		}
	}
	return p.rival(ctx, rivalPass, host, secret, settings...)
}

// closeGnuPG ends the agents that gpg starts.
func (p *fixture) closeGnuPG() error {
	settings := []string{"GNUPGHOME=" + p.path("gnupg")}
	if err := p.quiet(context.Background(), "", settings, "gpgconf", "--kill", "all"); err != nil {
		return err
	}
	// Below /run/user, where that is there.
	return p.quiet(context.Background(), "", settings, "gpgconf", "--remove-socketdir")
}

// rival gives another helper that keeps a secret, or nil where it does not.
func (p *fixture) rival(ctx context.Context, name, host, secret string, settings ...string) *single {
	helper, verb, _ := strings.Cut(name, " ")
	path, err := exec.LookPath(helper)
	if err != nil {
		p.skip(name, helper+" is not installed (Debian: golang-docker-credential-helpers)")
		return nil
	}
	pair, err := json.Marshal(map[string]string{"ServerURL": host, "Username": "_token", "Secret": secret})
	if err != nil {
		p.skip(name, err.Error())
		return nil
	}
	if err := p.quiet(ctx, string(pair), settings, path, "store"); err != nil {
		p.skip(name, err.Error())
		return nil
	}
	return &single{name: name, path: path, args: []string{verb}, environ: p.with(settings), input: host + "\n", wants: `"` + secret + `"`}
}

// quiet runs a command to its end, and tells of it only if it fails.
func (p *fixture) quiet(ctx context.Context, input string, settings []string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, processLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Stdin = p.with(settings), strings.NewReader(input)
	var said bytes.Buffer
	cmd.Stderr = &said // not what it prints, which may be a secret
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return nil
}
