package identities

import (
	"strings"
	"testing"

	"docker-credential-cgr/iam"
)

func TestPrintableAll(t *testing.T) {
	long := strings.Repeat("abc def ", 500) + "$"
	for name, test := range map[string]struct{ text, want string }{
		"I76 a long pattern in full": {long, long},
		"blanks between its pieces":  {strings.Repeat("x", 99) + "   y", strings.Repeat("x", 99) + "   y"},
		"I62 ESC":                    {"a\x1b[2J" + strings.Repeat("b", 200) + "\x1b", `a\x1b[2J` + strings.Repeat("b", 200) + `\x1b`},
		"empty":                      {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := printableAll(test.text); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestIsChild(t *testing.T) {
	const org, folder, id = "aa", "aa/bb", "aa/bb/cc"
	for _, test := range []struct {
		id, parent string
		want       bool
	}{
		{folder, org, true}, {id, org, false}, {id, folder, true}, {folder, "", true}, {id, "", false}, {"ab/cc", org, false},
	} {
		if got := isChild(test.id, test.parent); got != test.want {
			t.Errorf("got isChild(%q, %q) %v, want %v", test.id, test.parent, got, test.want)
		}
	}
}

func TestImageOwner(t *testing.T) {
	for name, test := range map[string]struct {
		group iam.Group
		want  string
	}{
		"an organization":   {iam.Group{ID: "aa", Name: "example.com"}, "example.com"},
		"a folder":          {iam.Group{ID: "aa/bb", Name: "team"}, "ORGANIZATION"},
		"no name":           {iam.Group{ID: "aa"}, "ORGANIZATION"},
		"I75 a command":     {iam.Group{ID: "aa", Name: "a; rm -rf $HOME"}, "ORGANIZATION"},
		"I75 a second line": {iam.Group{ID: "aa", Name: "a\n- run: evil"}, "ORGANIZATION"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := imageOwner(test.group); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
