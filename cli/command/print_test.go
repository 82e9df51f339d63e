package command

import (
	"errors"
	"fmt"
	"testing"

	"docker-credential-cgr/hint"
)

// The protocol allows one line for a failure.
func TestOneLine(t *testing.T) {
	a, b, c := errors.New("first"), errors.New("second"), errors.New("third\nline")
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"P1 one", a, "first"},
		{"P1 with a line end", c, "third; line"},
		{"P1 joined", errors.Join(a, c), "first; third; line"},
		{"P1 joined twice", errors.Join(errors.Join(a, b), a), "first; second; first"},
		{"P1 joined and wrapped", fmt.Errorf("cannot do it: %w", errors.Join(a, b)), "cannot do it: first; second"},
		{"a hint", fmt.Errorf("cannot do it: %w", hint.With(a, hint.Do(hint.SignIn))), "cannot do it: first (hint: docker-credential-cgr login)"},
		{"an argument for a shell", hint.With(a, hint.Do(hint.RevokePullToken, "$(id)")), "first (hint: docker-credential-cgr pull-token revoke '$(id)')"},
		{"two hints", hint.With(a, hint.Text("unset X"), hint.Do(hint.RevokePullToken, "id")),
			"first (hint: unset X; docker-credential-cgr pull-token revoke id)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := new(App).OneLine(test.err); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestLines(t *testing.T) {
	err := hint.With(errors.New("first\nsecond"), hint.Do(hint.SignIn), hint.Text("unset X"))
	for _, test := range []struct {
		isHelper bool
		want     string
	}{
		{false, "error: first; second\nhint: docker-credential-cgr login\nhint: unset X\n"},
		{true, "docker-credential-cgr: first; second\ndocker-credential-cgr: hint: docker-credential-cgr login\ndocker-credential-cgr: hint: unset X\n"},
	} {
		if got := (&App{IsHelper: test.isHelper}).Lines("error: ", err); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// Each action has a command.
func TestCommands(t *testing.T) {
	for action := hint.SignIn; action <= hint.ShowHistory; action++ {
		if actions[action] == "" {
			t.Errorf("no command for action %d", action)
		}
	}
}
