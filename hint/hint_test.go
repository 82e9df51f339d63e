package hint

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestOf(t *testing.T) {
	inner := With(errors.New("inner"), Text("chmod u+r %s", "f"), Do(SignIn))
	tests := []struct {
		name string
		err  error
		want []Hint
	}{
		{"no error", nil, nil},
		{"no hint", errors.New("x"), nil},
		{"wrapped", fmt.Errorf("outer: %w", inner), []Hint{{Text: "chmod u+r f"}, {Action: SignIn}}},
		{"outermost first, each once", With(fmt.Errorf("outer: %w", inner), Do(RevokePullToken, "id"), Do(SignIn)),
			[]Hint{{Action: RevokePullToken, Arguments: "id"}, {Action: SignIn}, {Text: "chmod u+r f"}}},
		{"joined", errors.Join(errors.New("x"), inner), []Hint{{Text: "chmod u+r f"}, {Action: SignIn}}},
		{"two verbs", fmt.Errorf("%w; %w", inner, With(errors.New("y"), Do(ShowStatus))), []Hint{{Text: "chmod u+r f"}, {Action: SignIn}, {Action: ShowStatus}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Of(test.err); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	if err := With(nil, Do(SignIn)); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	if got := fmt.Sprint(fmt.Errorf("outer: %w", inner)); got != "outer: inner" {
		t.Errorf("got the text %q, want no hint in it", got)
	}
}
