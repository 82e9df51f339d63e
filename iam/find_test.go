package iam

import (
	"errors"
	"strings"
	"testing"
)

func TestMatchIdentity(t *testing.T) {
	list := []Identity{{ID: pullID, Name: "a"}, {ID: deepPID, Name: "b"}, {ID: org, Name: "a"}, {ID: other, Name: pullID}}
	for given, want := range map[string]string{"b": deepPID, deepPID: deepPID, pullID: pullID} {
		if got, err := MatchIdentity(list, given); err != nil || got.ID != want {
			t.Errorf("%q: got %+v, %v, want %s", given, got, err, want)
		}
	}
	_, err := MatchIdentity(list, "a")
	oneLine(t, err)
	var ambiguous *AmbiguousError
	if !errors.As(err, &ambiguous) || len(ambiguous.IDs) != 2 || !strings.Contains(err.Error(), org) {
		t.Errorf("got %v, want both ids", err)
	}
	_, err = MatchIdentity(list, "c")
	var missing *NotFoundError
	if !errors.As(err, &missing) {
		t.Errorf("got %v, want a NotFoundError", err)
	}
}
