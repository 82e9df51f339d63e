//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
)

// Names of the single processes in the report.
const (
	getPrefix        = program.Name + " get, "
	getSecretService = getPrefix + secretService
	getKernel        = getPrefix + kernelKeyring
	getFile          = getPrefix + fileStore
	getAutoBus       = getPrefix + "auto with a bus"
	getAutoNoBus     = getPrefix + "auto without a bus"
	getForeign       = getPrefix + "foreign server"
	rivalLibsecret   = "docker-credential-secretservice get"
	rivalPass        = "docker-credential-pass get"
	bareKeyring      = "bare go-keyring lookup"
	emptyProgram     = "empty Go program"
)

// processLimit is the timeout of one process.
const processLimit = time.Minute

// single is a process that is measured alone.
type single struct {
	name    string
	path    string
	args    []string
	environ []string
	input   string
	code    int    // the expected exit code
	wants   string // a part of the expected output

	took []time.Duration
	peak []int // KiB
}

// command returns the process and its standard input, which the caller closes.
func (s *single) command(ctx context.Context, path string, args ...string) (*exec.Cmd, *os.File, error) {
	stdin, write, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	// A pipe, as clients use. The input fits into its buffer.
	_, err = write.WriteString(s.input)
	if err = errors.Join(err, write.Close()); err != nil {
		return nil, nil, errors.Join(err, stdin.Close())
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Stdin = s.environ, stdin
	return cmd, stdin, nil
}

// verify runs the process once and checks its exit code and output.
func (s *single) verify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, processLimit)
	defer cancel()
	cmd, stdin, err := s.command(ctx, s.path, s.args...)
	if err != nil {
		return err
	}
	defer stdin.Close()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		return err
	}
	if code := cmd.ProcessState.ExitCode(); code != s.code || !strings.Contains(stdout.String(), s.wants) {
		// The message leaves out standard output, which may contain a secret.
		return fmt.Errorf("%s: unexpected output or exit code %d: %s", s.name, code, stderr.String())
	}
	return nil
}

// measure runs the process once, discards its output, and returns the time from start to exit.
func (s *single) measure(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, processLimit)
	defer cancel()
	cmd, stdin, err := s.command(ctx, s.path, s.args...)
	if err != nil {
		return 0, err
	}
	defer stdin.Close()
	start := time.Now()
	err = cmd.Start()
	if err == nil {
		err = cmd.Wait()
	}
	took := time.Since(start)
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != s.code {
		return 0, fmt.Errorf("%s failed: %w", s.name, err)
	}
	return took, nil
}

// measureSingles runs each process once in every round, in a new random order, so that
// none always runs after the same one.
func measureSingles(ctx context.Context, singles []*single, rounds int) error {
	for _, s := range singles {
		if err := s.verify(ctx); err != nil {
			return err
		}
	}
	for range rounds {
		for _, i := range rand.Perm(len(singles)) {
			took, err := singles[i].measure(ctx)
			if err != nil {
				return err
			}
			singles[i].took = append(singles[i].took, took)
		}
	}
	return nil
}

// peakRounds is how often peak memory is measured. It varies little.
const peakRounds = 20

// measurePeaks measures the peak memory of the programs that this command built.
func (p *fixture) measurePeaks(ctx context.Context, singles []*single) error {
	for range peakRounds {
		for _, s := range singles {
			if !strings.HasPrefix(s.path, p.bin) {
				continue
			}
			cmd, stdin, err := s.command(ctx, filepath.Join(p.bin, "peak"), append([]string{s.path}, s.args...)...)
			if err != nil {
				return err
			}
			out, err := cmd.Output()
			_ = stdin.Close()
			if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != s.code {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			kib, err := strconv.Atoi(strings.TrimSpace(string(out)))
			if err != nil {
				return err
			}
			s.peak = append(s.peak, kib)
		}
	}
	return nil
}

// get returns the program's get in an environment.
func (p *fixture) get(name, secret string, platform *fakeplatform.Platform, settings ...string) *single {
	return &single{
		name: name, path: p.program(), args: []string{"get"}, input: platform.RegistryHost() + "\n",
		environ: p.with(platform.Environ(), settings), wants: `"` + secret + `"`,
	}
}

// singles signs in on every store and returns all single processes.
func (p *fixture) singles(ctx context.Context) ([]*single, error) {
	platform, err := p.newPlatform()
	if err != nil {
		return nil, err
	}
	signIn := func(store string) (secret string, err error) {
		// This signs in with get, because login clears the other stores.
		get := p.get("the first get, "+store, "", platform, p.settingsOf(store)...)
		get.wants = `"Secret":"` // the token is not known yet
		if err := get.verify(ctx); err != nil {
			return "", err
		}
		p.stores = append(p.stores, store)
		return lastAccessToken(platform), nil
	}
	empty := &single{name: emptyProgram, path: filepath.Join(p.bin, "empty"), environ: p.with()}
	foreign := &single{
		name: getForeign, path: p.program(), args: []string{"get"}, input: "registry.example\n",
		environ: p.with(p.settingsOf(fileStore), platform.Environ()), code: 1, wants: "credentials not found in native keychain\n",
	}
	all := []*single{empty, foreign}

	secret, err := signIn(fileStore)
	if err != nil {
		return nil, err
	}
	all = append(all, p.get(getFile, secret, platform, p.settingsOf(fileStore)...))
	if secret, err := signIn(kernelKeyring); err != nil {
		p.skip(kernelKeyring, err.Error())
	} else {
		all = append(all, p.get(getKernel, secret, platform, p.settingsOf(kernelKeyring)...))
		if p.busless {
			all = append(all, p.get(getAutoNoBus, secret, platform))
		}
	}
	if p.session != nil {
		secret, err := signIn(secretService)
		if err != nil {
			return nil, err
		}
		all = append(all, p.get(getSecretService, secret, platform, p.settingsOf(secretService)...),
			p.get(getAutoBus, secret, platform, p.bus()),
			&single{
				name: bareKeyring, path: filepath.Join(p.bin, "bare"), environ: p.with([]string{p.bus()}), wants: `"` + secret + `"`,
				args: []string{program.Name, "credential " + platform.RegistryHost() + " " + platform.Issuer},
			})
		if rival := p.libsecret(ctx, platform.RegistryHost(), secret); rival != nil {
			all = append(all, rival)
		}
	}
	if rival := p.pass(ctx, platform.RegistryHost(), secret); rival != nil {
		all = append(all, rival)
	}
	return all, nil
}

// lastAccessToken returns the last access token that the platform issued.
func lastAccessToken(platform *fakeplatform.Platform) string {
	last := ""
	for _, secret := range platform.Issued() {
		if strings.Count(secret, ".") == 2 { // refresh tokens are not JWTs
			last = secret
		}
	}
	return last
}
