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

// libsecret stores a secret with docker-credential-secretservice and returns its get, or nil
// if that fails.
func (p *fixture) libsecret(ctx context.Context, host, secret string) *single {
	return p.rival(ctx, rivalLibsecret, host, secret, p.bus())
}

// pass stores a secret with docker-credential-pass and returns its get, or nil if that
// fails. The key has no passphrase, so that gpg shows no prompt.
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
		if err := p.runQuietly(ctx, "", settings, args...); err != nil {
			p.skip(rivalPass, err.Error())
			return nil
		}
	}
	return p.rival(ctx, rivalPass, host, secret, settings...)
}

// closeGnuPG stops the agents that gpg started.
func (p *fixture) closeGnuPG() error {
	settings := []string{"GNUPGHOME=" + p.path("gnupg")}
	if err := p.runQuietly(context.Background(), "", settings, "gpgconf", "--kill", "all"); err != nil {
		return err
	}
	// It is below /run/user, if that exists.
	return p.runQuietly(context.Background(), "", settings, "gpgconf", "--remove-socketdir")
}

// rival stores a secret with another helper and returns its get, or nil if that fails.
func (p *fixture) rival(ctx context.Context, name, host, secret string, settings ...string) *single {
	helper, verb, _ := strings.Cut(name, " ")
	path, err := exec.LookPath(helper)
	if err != nil {
		p.skip(name, helper+" is not installed (Debian: golang-docker-credential-helpers)")
		return nil
	}
	credential, err := json.Marshal(map[string]string{"ServerURL": host, "Username": "_token", "Secret": secret})
	if err != nil {
		p.skip(name, err.Error())
		return nil
	}
	if err := p.runQuietly(ctx, string(credential), settings, path, "store"); err != nil {
		p.skip(name, err.Error())
		return nil
	}
	return &single{name: name, path: path, args: []string{verb}, environ: p.with(settings), input: host + "\n", wants: `"` + secret + `"`}
}

// runQuietly runs a command and discards its output. An error contains standard error.
func (p *fixture) runQuietly(ctx context.Context, input string, settings []string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, processLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Stdin = p.with(settings), strings.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr // standard output may contain a secret
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return nil
}
