package workload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/platform"
)

// circleCI: in a job, CircleCI's command makes a fresh token of any audience. The
// job's variables hold one token each, an hour old at most, whose audience is the
// organization's id (CircleCI, "OIDC tokens with custom claims").
func (h Host) circleCI(audience string) (Source, bool) {
	const name = "CircleCI"
	if h.Getenv("CIRCLECI") != "" {
		if path, err := h.LookPath("circleci"); err == nil {
			claims, _ := json.Marshal(map[string]string{"aud": audience}) // strings cannot fail
			return h.command(name, "; or name the job's own token: --identity-token-env CIRCLE_OIDC_TOKEN_V2",
				path, "run", "oidc", "get", "--claims", string(claims)), true
		}
	}
	for _, token := range []string{"CIRCLE_OIDC_TOKEN_V2", "CIRCLE_OIDC_TOKEN"} {
		if h.Getenv(token) != "" {
			return variable(name, token, h.Getenv), true
		}
	}
	return Source{}, false
}

// buildkite: the agent, which is in every job's PATH, makes a fresh token of any
// audience (Buildkite, "buildkite-agent oidc").
func (h Host) buildkite(audience string) (Source, bool) {
	if h.Getenv("BUILDKITE") == "" {
		return Source{}, false
	}
	path, err := h.LookPath("buildkite-agent")
	if err != nil {
		return Source{}, false
	}
	return h.command("Buildkite", "", path, "oidc", "request-token", "--audience", audience), true
}

// command is a program that prints a token. Its errors end with the advice.
func (h Host) command(name, advice, path string, args ...string) Source {
	// What the two programs sign in with, should they quote it.
	secrets := []string{h.Getenv("BUILDKITE_AGENT_ACCESS_TOKEN"), h.Getenv("CIRCLE_OIDC_TOKEN"), h.Getenv("CIRCLE_OIDC_TOKEN_V2")}
	return Source{Name: name, Token: func(ctx context.Context) (string, error) {
		text, err := output(ctx, path, args, secrets)
		if err != nil {
			return "", fmt.Errorf("no ID token from %s: %s: %w%s", name, filepath.Base(path), err, advice)
		}
		return checked(name, text)
	}}
}

// output runs a program and gives what it printed. It is killed when it takes too
// long or prints too much. Its errors hold the last line of its standard error,
// with what it printed and the secrets blanked.
func output(ctx context.Context, path string, args, secrets []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stdout, stderr := head{overflow: cancel}, tail{}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), ours)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A child of the child may hold the pipes open.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.text.String(), nil
	case stdout.full:
		return "", fmt.Errorf("it printed more than %d KiB", platform.MaxToken>>10)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "", errors.New("it gave none in time")
	case ctx.Err() != nil:
		return "", ctx.Err()
	}
	why := platform.Printable(err.Error(), secrets...)
	if line := stderr.lastLine(); line != "" {
		why += ": " + platform.Printable(line, append(secrets, strings.TrimSpace(stdout.text.String()))...)
	}
	return "", errors.New(why)
}

// ours says whether an entry of the environment may hold a credential of this
// program's own. Everything else stays: the programs need theirs.
func ours(entry string) bool {
	return strings.HasPrefix(strings.ToUpper(entry), "CHAINGUARD_")
}

// head keeps what a token may have with its line end. At more it calls overflow,
// since not every program ends when nobody reads what it writes.
type head struct {
	text     bytes.Buffer
	full     bool
	overflow func()
}

func (h *head) Write(p []byte) (int, error) {
	if h.text.Len()+len(p) > platform.MaxToken+len("\r\n") {
		h.full = true
		h.overflow()
		return 0, errors.New("too long for a token")
	}
	return h.text.Write(p)
}

// tail keeps the end of what is written.
type tail struct{ text []byte }

const maxTail = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if over := len(t.text) - maxTail; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) lastLine() string {
	text := strings.TrimSpace(string(t.text))
	return strings.TrimSpace(text[strings.LastIndexAny(text, "\r\n")+1:])
}
