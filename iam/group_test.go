package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// groups is an answer to a list, of pairs of an id and a name.
func groups(pairs ...string) string {
	var items []string
	for i := 0; i < len(pairs); i += 2 {
		name, _ := json.Marshal(pairs[i+1])
		items = append(items, fmt.Sprintf(`{"id":%q, "name":%s,"description":"","resourceLimits":{},"verified":true,"newer":[1]}`, pairs[i], name))
	}
	return `{"items":[` + strings.Join(items, ",") + `]}`
}

func TestGroups(t *testing.T) {
	for _, test := range []struct {
		name   string
		filter url.Values
		want   string // the query
	}{
		{"all", nil, ""},
		{"organizations", filter("uidp.inRoot", "true"), "uidp.inRoot=true"},
		{"by id", filter("id", folder), "id=" + strings.ReplaceAll(folder, "/", "%2F")},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := answering(t, map[string]string{"GET /iam/v1/groups": groups(org, "example.com")})
			got, err := a.groups(t.Context(), test.filter)
			if want := (Group{ID: org, Name: "example.com", Verified: true}); err != nil || len(got) != 1 || got[0] != want {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
			if got := a.one(t).query; got != test.want {
				t.Errorf("got the query %q, want %q", got, test.want)
			}
		})
	}
	for _, body := range []string{`{}`, `{"items":null}`, `{"items":[]}`} {
		t.Run("nothing as "+body, func(t *testing.T) {
			got, err := answering(t, map[string]string{"GET /iam/v1/groups": body}).Groups(t.Context())
			if err != nil || len(got) != 0 {
				t.Errorf("got %v, %v, want nothing", got, err)
			}
		})
	}
}

func TestOrganization(t *testing.T) {
	two := groups(org, "example.com", folder, "example.com", other, "elsewhere.org")
	for _, test := range []struct {
		name, typed, answer string
		want                string // id
	}{
		{"by name", "example.com", two, org},
		{"by id", other, groups(other, "elsewhere.org"), other},
		{"a folder by id", folder, groups(folder, "team"), folder},
		{"the only one", "", groups(org, "example.com", folder, "team"), org},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := answering(t, map[string]string{"GET /iam/v1/groups": test.answer})
			if got, err := a.Organization(t.Context(), test.typed); err != nil || got.ID != test.want {
				t.Errorf("got %+v, %v, want %s", got, err, test.want)
			}
			a.one(t)
		})
	}
	t.Run("no such name", func(t *testing.T) {
		_, err := answering(t, map[string]string{"GET /iam/v1/groups": groups(
			"1"+org[1:], "a-far-away-name.example.org", "2"+org[1:], "examples.com", "3"+org[1:], "Exmple.com", "4"+org[1:], "a\x1b[31m.com",
		)}).Organization(t.Context(), "exmple.com")
		oneLine(t, err)
		var none *NotFoundError
		want := []string{"Exmple.com", "examples.com", "a\x1b[31m.com"}
		if !errors.As(err, &none) || none.Name != "exmple.com" || !slices.Equal(none.Near, want) {
			t.Errorf("got %#v, want the near ones %q", err, want)
		}
	})
	t.Run("an id that is not there", func(t *testing.T) {
		_, err := answering(t, map[string]string{"GET /iam/v1/groups": groups(org, "example.com")}).Organization(t.Context(), other)
		oneLine(t, err)
		var none *NotFoundError
		if !errors.As(err, &none) || none.Name != other {
			t.Errorf("got %#v, want that there is none", err)
		}
	})
	t.Run("in none at all", func(t *testing.T) {
		_, err := answering(t, map[string]string{"GET /iam/v1/groups": groups()}).Organization(t.Context(), "")
		oneLine(t, err)
		var none *NotFoundError
		if !errors.As(err, &none) {
			t.Errorf("got %#v, want that there is none", err)
		}
	})
	for name, typed := range map[string]string{"two of one name": "example.com", "several and none named": ""} {
		t.Run(name, func(t *testing.T) {
			_, err := answering(t, map[string]string{"GET /iam/v1/groups": groups(org, "example.com", other, "example.com")}).Organization(t.Context(), typed)
			oneLine(t, err)
			var many *ManyError
			if !errors.As(err, &many) || many.Name != typed || len(many.Groups) != 2 || many.Groups[1].ID != other {
				t.Fatalf("got %#v, want both", err)
			}
			for _, id := range []string{org, other} {
				if !strings.Contains(err.Error(), id) {
					t.Errorf("got %q, want %s in it", err, id)
				}
			}
		})
	}
	t.Run("10 KB", func(t *testing.T) {
		a := answering(t, nil)
		_, err := a.Organization(t.Context(), strings.Repeat("x", 10<<10))
		oneLine(t, err)
		if len(err.Error()) > 200 {
			t.Errorf("got an error of %d bytes, want a short one", len(err.Error()))
		}
	})
}

// Whatever the names are, the error is one line that can be shown.
func FuzzManyError(f *testing.F) {
	f.Add("example.com", org)
	f.Add("\x1b]8;;http://evil.example\a=cmd\n\u202e", "\r\x00")
	f.Fuzz(func(t *testing.T, name, id string) {
		g := Group{ID: id, Name: name}
		for _, err := range []error{
			&ManyError{Groups: slices.Repeat([]Group{g}, 12)},
			&ManyError{Name: name, Groups: []Group{g, g}},
			&NotFoundError{What: "organization", Name: name, Near: []string{name, id}},
		} {
			text := err.Error()
			if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e || r >= 0x80 && r < 0xa0 }) {
				t.Errorf("got %q, want nothing in it that drives a terminal", text)
			}
		}
	})
}

func TestMatchingOrganization(t *testing.T) {
	const lookup = "GET /iam/v1/groups:lookupGroup"
	a := answering(t, map[string]string{lookup: `{"group":{"id":"` + org + `","name":"example.com","verified":true}}`})
	if got, err := a.MatchingOrganization(t.Context()); err != nil || got.Name != "example.com" || got.ID != org {
		t.Errorf("got %+v, %v, want example.com", got, err)
	}
	for _, body := range []string{`{}`, `{"group":null}`, `{"group":{"id":"../x"}}`} {
		_, err := answering(t, map[string]string{lookup: body}).MatchingOrganization(t.Context())
		var none *NotFoundError
		if !errors.As(err, &none) {
			t.Errorf("%s: got %v, want a *NotFoundError", body, err)
		}
	}
}

func TestRequestAccess(t *testing.T) {
	a := answering(t, map[string]string{"POST /iam/v1/groups/" + org + ":requestGroupAccess": `{}`})
	if err := a.RequestAccess(t.Context(), org); err != nil {
		t.Error(err)
	}
	if got := a.one(t).body; got != "{}" {
		t.Errorf("got the body %q, want an empty object", got)
	}
}
