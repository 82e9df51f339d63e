//go:build unix

package workload

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/hint"
)

// fakes puts a program with a name first in PATH, and returns the machine of the system
// that has that program.
func fakes(t *testing.T, name, script string) Host {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	h := bare(t)
	h.LookPath = exec.LookPath
	switch name {
	case "circleci":
		t.Setenv("CIRCLECI", "true")
	case "buildkite-agent":
		t.Setenv("BUILDKITE", "true")
	}
	own := map[string]bool{"CIRCLECI": name == "circleci", "BUILDKITE": name == "buildkite-agent",
		"BUILDKITE_AGENT_ACCESS_TOKEN": true, "CIRCLE_OIDC_TOKEN": true, "CIRCLE_OIDC_TOKEN_V2": true}
	// The tests may themselves run in CI.
	h.Getenv = func(variable string) string {
		if !own[variable] {
			return ""
		}
		return os.Getenv(variable)
	}
	return h
}

func TestCommands(t *testing.T) {
	for _, test := range []struct{ name, program, want string }{
		{"CircleCI", "circleci", `run|oidc|get|--claims|{"aud":"a \"b\""}`},
		{"Buildkite", "buildkite-agent", `oidc|request-token|--audience|a "b"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := filepath.Join(t.TempDir(), "args")
			t.Setenv("ARGS", args)
			h := fakes(t, test.program, `IFS='|'; printf %s "$*" > "$ARGS"; echo `+jwt)
			source, ok := h.Ambient(`a "b"`)
			if !ok || source.Name != test.name {
				t.Fatalf("got %q (%v), want %q", source.Name, ok, test.name)
			}
			if _, err := os.Stat(args); err == nil {
				t.Error("the program ran before a token was asked for")
			}
			token, err := source.Token(t.Context())
			wants(t, token, err, jwt, "")
			got, err := os.ReadFile(args)
			if err != nil || string(got) != test.want {
				t.Errorf("arguments: got %q (%v), want %q", got, err, test.want)
			}
		})
	}
	t.Run("P13 its environment has what it needs, and no secret of ours", func(t *testing.T) {
		t.Setenv("CHAINGUARD_TOKEN", "ours")
		t.Setenv("BUILDKITE_AGENT_ACCESS_TOKEN", "its-own")
		h := fakes(t, "buildkite-agent", `echo "$CHAINGUARD_TOKEN/$BUILDKITE_AGENT_ACCESS_TOKEN"`)
		source, _ := h.Ambient(audience)
		token, err := source.Token(t.Context())
		wants(t, token, err, "/its-own", "")
	})
	t.Run("it reads nothing from us", func(t *testing.T) {
		h := fakes(t, "buildkite-agent", `cat; echo token`)
		source, _ := h.Ambient(audience)
		token, err := source.Token(t.Context())
		wants(t, token, err, "token", "")
	})
	t.Run("F32 not from the current folder", func(t *testing.T) {
		h := fakes(t, "other", "")
		t.Chdir(t.TempDir())
		if err := os.WriteFile("buildkite-agent", []byte("#!/bin/sh\necho stolen\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", "."+string(os.PathListSeparator)+os.Getenv("PATH"))
		h.Getenv = variables{"BUILDKITE": "true"}.get
		if source, ok := h.Ambient(audience); ok {
			token, _ := source.Token(t.Context())
			t.Errorf("got %q, want no source", token)
		}
	})
}

func TestCommandFailures(t *testing.T) {
	const agent = "no ID token from Buildkite: buildkite-agent: "
	for _, test := range []struct{ name, script, err string }{
		{"it fails and says why", "echo starting >&2; echo 'fatal: no job' >&2; echo >&2; exit 3", agent + "exit status 3: fatal: no job"},
		{"it fails in silence", "exit 1", agent + "exit status 1"},
		{"it dies", "kill -9 $$", agent + "signal: killed"},
		{"I44 it prints nothing", "", "no ID token from Buildkite: its content is empty"},
		{"I49 it prints two lines", "echo one; echo two", "contains a line break"},
		{"I45 it prints 1 MB", "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo " + strings.Repeat("x", 1000) + "; done", "is over 64 KiB"},
		{"I45 it complains without end", "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo complaint " + strings.Repeat("y", 100) + "; done >&2; echo the end >&2; exit 1", "exit status 1: the end"},
		{"I47 it drives the terminal", `printf 'a\033[2Jb\n' >&2; exit 1`, `exit status 1: a\x1b[2Jb`},
		{"I48 it quotes the token", "echo " + jwt + "; echo bad: " + jwt + " >&2; exit 1", "exit status 1: bad: [secret]"},
		{"I48 it quotes its own secret", `echo "bad: $BUILDKITE_AGENT_ACCESS_TOKEN" >&2; exit 1`, "exit status 1: bad: [secret]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("BUILDKITE_AGENT_ACCESS_TOKEN", "agent-access-token")
			h := fakes(t, "buildkite-agent", test.script)
			source, _ := h.Ambient(audience)
			token, err := source.Token(t.Context())
			wants(t, token, err, "", test.err)
		})
	}
	t.Run("CircleCI fails, and its variable is named", func(t *testing.T) {
		t.Setenv("CIRCLE_OIDC_TOKEN_V2", jwt)
		h := fakes(t, "circleci", "echo 'unknown command: oidc' >&2; exit 255")
		source, _ := h.Ambient(audience)
		token, err := source.Token(t.Context())
		wants(t, token, err, "", "circleci: exit status 255: unknown command: oidc")
		if hints := hint.Of(err); len(hints) != 1 || !strings.Contains(hints[0].Text, "--identity-token-env CIRCLE_OIDC_TOKEN_V2") {
			t.Errorf("got the hints %v, want the variable", hints)
		}
	})
	t.Run("it was removed", func(t *testing.T) {
		h := fakes(t, "buildkite-agent", "")
		source, _ := h.Ambient(audience)
		path, err := exec.LookPath("buildkite-agent")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		token, err := source.Token(t.Context())
		wants(t, token, err, "", "no such file")
	})
}

// TestSlowCommands checks that a program that hangs is killed with the context, even if a
// child of it keeps its output open.
func TestSlowCommands(t *testing.T) {
	for _, test := range []struct{ name, script string }{
		{"F15 it hangs", `echo > "$STARTED"; exec sleep 600`},
		{"F15 its child hangs", `sleep 20 & echo > "$STARTED"; wait`},
	} {
		t.Run(test.name, func(t *testing.T) {
			started := filepath.Join(t.TempDir(), "started")
			if err := exec.Command("mkfifo", started).Run(); err != nil {
				t.Fatal(err)
			}
			t.Setenv("STARTED", started)
			h := fakes(t, "buildkite-agent", test.script)
			source, _ := h.Ambient(audience)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				os.ReadFile(started) // until it runs
				cancel()
			}()
			token, err := source.Token(ctx)
			wants(t, token, err, "", "no ID token from Buildkite")
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error: got %v, want one that is context.Canceled", err)
			}
		})
	}
	t.Run("I45 it prints without end", func(t *testing.T) {
		h := fakes(t, "buildkite-agent", "while :; do echo "+strings.Repeat("x", 1000)+"; done")
		source, _ := h.Ambient(audience)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		token, err := source.Token(ctx)
		wants(t, token, err, "", context.DeadlineExceeded.Error())
	})
	t.Run("F15 past its deadline", func(t *testing.T) {
		h := fakes(t, "buildkite-agent", "exec sleep 600")
		source, _ := h.Ambient(audience)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		token, err := source.Token(ctx)
		wants(t, token, err, "", context.DeadlineExceeded.Error())
	})
}
