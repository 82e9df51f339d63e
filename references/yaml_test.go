package references

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

const (
	testHost   = "cgr.dev"
	oldDigest  = "sha256:0000000000000000000000000000000000000000000000000000000000000001"
	testDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// A marked file has ⟦ ⟧ around what is to be found and ⟨ ⟩ around what is to be left.
type marked struct{ name, text string }

// parse gives the file and what is marked in it, as "LINE TEXT".
func (m marked) parse() (text string, found, left []string) {
	var out strings.Builder
	start, line := 0, 1
	for _, r := range m.text {
		switch r {
		case '⟦', '⟨':
			start = out.Len()
		case '⟧':
			found = append(found, fmt.Sprint(line, " ", out.String()[start:]))
		case '⟩':
			left = append(left, fmt.Sprint(line, " ", out.String()[start:]))
		case '\n':
			line++
			fallthrough
		default:
			out.WriteRune(r)
		}
	}
	return out.String(), found, left
}

// test finds what is marked and nothing else.
func (m marked) test(t *testing.T, workflow bool) ([]Found, []Left) {
	t.Helper()
	text, wantFound, wantLeft := m.parse()
	found, left, err := findYAML([]byte(text), testHost, workflow)
	if err != nil {
		t.Fatalf("got the error %v, want none", err)
	}
	var gotFound, gotLeft []string
	for _, f := range found {
		gotFound = append(gotFound, fmt.Sprint(f.Line, " ", text[f.Start:f.End]))
	}
	for _, l := range left {
		gotLeft = append(gotLeft, fmt.Sprint(l.Line, " ", l.Text))
	}
	if !slices.Equal(gotFound, wantFound) {
		t.Errorf("got %q, want %q", gotFound, wantFound)
	}
	if !slices.Equal(gotLeft, wantLeft) {
		t.Errorf("got left %q, want %q", gotLeft, wantLeft)
	}
	checkYAML(t, text, workflow)
	return found, left
}

func TestYAMLImages(t *testing.T) {
	for _, m := range yamlImages {
		t.Run("I78 "+m.name, func(t *testing.T) {
			for _, workflow := range []bool{false, true} {
				m.test(t, workflow)
			}
		})
	}
}

func TestYAMLWorkflows(t *testing.T) {
	for _, m := range workflowImages {
		t.Run("I78 "+m.name, func(t *testing.T) { m.test(t, true) })
	}
	t.Run("I78 only in workflows", func(t *testing.T) {
		marked{text: "jobs:\n  a:\n    container: cgr.dev/org/python:3.13\n    steps:\n      - uses: docker://cgr.dev/org/python:3.13\n"}.test(t, false)
	})
}

func TestYAMLLeft(t *testing.T) {
	for _, test := range yamlLeft {
		t.Run("I78 "+test.name, func(t *testing.T) {
			_, left := test.test(t, test.workflow)
			if len(left) == 0 {
				t.Fatal("got nothing left, want what the case marks")
			}
			for _, l := range left {
				if !strings.Contains(l.Why, test.why) {
					t.Errorf("got %q, want %q in it", l.Why, test.why)
				}
			}
		})
	}
	// What stands in several lines is told by the first of its text, at the line where
	// the value begins.
	for _, test := range []struct {
		name, text string
		want       Left
	}{
		{"a literal block", "a:\n  image: |\n    cgr.dev/org/python\n", Left{2, "cgr.dev/org/python", "block of text"}},
		{"a folded block", "image: >-\n  cgr.dev/org/python\n", Left{1, "cgr.dev/org/python", "block of text"}},
		{"a block with an anchor", "image: &a |-\n  cgr.dev/org/python\n", Left{1, "cgr.dev/org/python", "block of text"}},
		{"a block of lines", "image: |\n  cgr.dev/org/python\n  second\n", Left{1, "cgr.dev/org/python", "block of text"}},
		{"double quotes over lines", "image: \"cgr.dev/org/\\\n  python\"\n", Left{1, "cgr.dev/org/python", "escapes or over several lines"}},
		{"double quotes that close in the next line", "image: \"cgr.dev/org/python\\\n  \"\n", Left{1, "cgr.dev/org/python", "escapes or over several lines"}},
		{"an escape", `image: "cgr.dev/org\x2fpython"`, Left{1, "cgr.dev/org/python", "escapes or over several lines"}},
		{"plain over lines", "image: cgr.dev/org/python\n  :3.13\n", Left{1, "cgr.dev/org/python :3.13", "is no image"}},
		{"a template", "image: {{ .Values.image | default \"cgr.dev/org/python\" }}\n", Left{1, `{{ .Values.image | default "cgr.dev/org/python" }}`, "template"}},
		{"a template in a long line", "- {image: {{ cgr.dev" + strings.Repeat("é", 100) + " }}}\n", Left{1, "{{ cgr.dev" + strings.Repeat("é", 35), "template"}},
		{"space in quotes", "image: ' cgr.dev/org/python'\n", Left{1, "cgr.dev/org/python", "space around"}},
	} {
		t.Run("I78 "+test.name, func(t *testing.T) {
			found, left, err := findYAML([]byte(test.text), testHost, false)
			if err != nil || len(found) != 0 || len(left) != 1 {
				t.Fatalf("got %+v, %+v, %v, want one left", found, left, err)
			}
			if l := left[0]; l.Line != test.want.Line || l.Text != test.want.Text || !strings.Contains(l.Why, test.want.Why) {
				t.Errorf("got %+v, want %+v", l, test.want)
			}
			checkYAML(t, test.text, false)
		})
	}
}

func TestYAMLPlatform(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"beside", "image: cgr.dev/a/b\nplatform: linux/arm64\n", "linux/arm64"},
		{"before, in quotes", "{\"platform\": 'linux/arm/v7', \"image\": cgr.dev/a/b}", "linux/arm/v7"},
		{"none", "image: cgr.dev/a/b\n", ""},
		{"of another mapping", "platform: linux/arm64\nb:\n  image: cgr.dev/a/b\n", ""},
		{"a variable", "image: cgr.dev/a/b\nplatform: linux/${ARCH}\n", "linux/${ARCH}"},
		{"no platform", "image: cgr.dev/a/b\nplatform: aws\n", ""},
		{"a list", "image: cgr.dev/a/b\nplatform: [linux/arm64]\n", ""},
		{"beside a name", "image:\n  name: cgr.dev/a/b\n  platform: linux/arm64\n", "linux/arm64"},
		{"beside an alias", "x: &i cgr.dev/a/b\ny: {image: *i, platform: linux/arm64}\n", "linux/arm64"},
		{"aliases that agree", "x: {image: &i cgr.dev/a/b, platform: linux/arm64}\ny: {image: *i, platform: linux/arm64}\n", "linux/arm64"},
		{"aliases that do not agree", "x: {image: &i cgr.dev/a/b, platform: linux/arm64}\ny: {image: *i, platform: linux/amd64}\n", several},
		{"aliases of which one has none", "x: {image: &i cgr.dev/a/b, platform: linux/arm64}\ny: {image: *i}\n", several},
	} {
		t.Run(test.name, func(t *testing.T) {
			found, left, err := findYAML([]byte(test.text), testHost, false)
			if err != nil || len(found) != 1 || len(left) != 0 {
				t.Fatalf("got %+v, %+v, %v, want one found", found, left, err)
			}
			if got := found[0].Platform; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A host with a port is found with just that one, the standard one with and without.
func TestYAMLHosts(t *testing.T) {
	for _, test := range []struct {
		host, text string
		want       int
	}{
		{"cgr.dev", "image: cgr.dev:443/a/b", 1},
		{"cgr.dev:443", "image: cgr.dev/a/b", 1},
		{"cgr.dev:443", "image: cgr.dev:443/a/b", 1},
		{"cgr.dev", "image: cgr.dev:8443/a/b", 0},
		{"cgr.dev", "image: CGR.Dev/a/b", 1},
		{"127.0.0.1:5000", "image: 127.0.0.1:5000/a/b", 1},
		{"127.0.0.1:5000", "image: 127.0.0.1:5001/a/b", 0},
		{"127.0.0.1:5000", "image: 127.0.0.1/a/b", 0},
		{"localhost:5000", "image: localhost:5000/a/b:x", 1},
		{"localhost:5000", "# localhost:5000\nimage: localho\u017ft:5000/a/b", 0}, // a long s, which folds to s
	} {
		t.Run("I78 "+test.host+" in "+test.text, func(t *testing.T) {
			found, left, err := findYAML([]byte(test.text), test.host, false)
			if err != nil || len(found) != test.want || len(left) != 0 {
				t.Errorf("got %+v, %+v, %v, want %d found", found, left, err, test.want)
			}
		})
	}
}

func TestYAMLErrors(t *testing.T) {
	const good = "image: cgr.dev/org/python\n---\n"
	for _, test := range []struct{ name, text, want string }{
		{"a template with blocks", "{{- if .Values.on }}\nimage: cgr.dev/org/python\n{{- end }}\n", "line 1: is no YAML as it stands, but perhaps a template: "},
		{"a template's block within", good + "a: b\n{{ if x }}\nc: d\n{{ end }}\n", "line 4: is no YAML as it stands, but perhaps a template: "},
		{"a template's value", good + "a: b\nc: {{ x }}/y\n", "line 3 or below: is no YAML as it stands, but perhaps a template: "},
		{"Jinja", good + "a: b\n{% if x %}\n", "line 4: is no YAML as it stands, but perhaps a template: "},
		{"a later document", good + "a: b: c\n", "line 3: is no YAML: mapping values"},
		{"an open list", good + "a: b\nc: [d\ne: f\n", "line 4 or below: is no YAML: did not find expected ',' or ']'"},
		{"an open list in line 1", "image: [cgr.dev/org/python\n", "line 2 or below: is no YAML: did not find"},
		{"an escape that YAML 1.1 has not", "image: \"cgr.dev\\/org\"\n", "line 1: is no YAML: found unknown escape character"},
		{"an empty entry", good + "a: b\nc: [,]\n", "line 4: is no YAML: did not find expected node content"},
		{"a brace behind a document", good + "a: b\n...\n}\n", "line 5: is no YAML: did not find expected"},
		{"open quotes", good + "a: b\nc: \"d\n", "line 4: is no YAML: found unexpected end of stream"},
		{"a tab", good + "a:\n\tb: c\n", "line 4: is no YAML: found"},
		{"a wrong indent", "image: cgr.dev/org/python\nb: c\n  d: e\n", "line 3: is no YAML: mapping values"},
		{"an unknown alias", good + "a: b\nc: *d\n", "line 4: is no YAML: unknown anchor"},
		{"an alias of itself, which is not known yet", good + "a: &a {b: c}\nd: *e\ne: &e f\n", "line 4: is no YAML: unknown anchor"},
		{"a directive of another version", "%YAML 2.0\n---\nimage: cgr.dev/org/python\n", "line 1: is no YAML: found incompatible"},
		{"a NUL byte", good + "a: b\x00c\n", "line 3: holds a NUL byte"},
		{"Latin-1", good + "a: caf\xe9\n", "line 3: is not in UTF-8"},
		{"two byte order marks", "\ufeff\ufeffa: b\n#image: cgr.dev/org/python\n", "line 1: holds a byte order mark"},
		{"a byte order mark within", good + "a: b\n---\n\ufeffc: d\n", "line 5: holds a byte order mark"},
		{"a control character", good + "a: b\x1b[31mc\n", "line 3: holds the control character U+001B"},
		{"UTF-16, little end first", utf16(good, 0, 1), "line 1: is in UTF-16"},
		{"UTF-16, big end first", utf16(good, 1, 0), "line 1: is in UTF-16"},
		{"100,000 open lists", "image: cgr.dev/org/python\na: " + strings.Repeat("[", 100_000), "line 2: is no YAML: exceeded max depth"},
		{"100,000 open mappings", "image: cgr.dev/org/python\na: " + strings.Repeat("{a: ", 100_000), "line 2: is no YAML: exceeded max depth"},
		{"100,000 lists in lists", "# cgr.dev\n" + strings.Repeat("- ", 100_000), "line 2: is no YAML: exceeded max depth"},
		{"100,000 complex keys", "# cgr.dev\n" + strings.Repeat("? ", 100_000), "line 2: is no YAML: exceeded max depth"},
	} {
		t.Run("I78 "+test.name, func(t *testing.T) {
			found, left, err := findYAML([]byte(test.text), testHost, false)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if found != nil || left != nil {
				t.Errorf("got %+v, %+v beside an error, want nothing", found, left)
			}
			if strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("got %q, want one printable line", err)
			}
		})
	}
	// Without the host there is nothing to say of a file, whatever it is.
	for _, text := range []string{"", "{{ if", "a: [", "\x00", "\xff\xfe{\x00", "\xff\xfe", "image: docker.io/a/b\n{%"} {
		t.Run(fmt.Sprintf("I78 not read: %q", text), func(t *testing.T) {
			if found, left, err := findYAML([]byte(text), testHost, true); found != nil || left != nil || err != nil {
				t.Errorf("got %+v, %+v, %v, want nothing", found, left, err)
			}
		})
	}
}

// What many aliases name is read once: it takes about as long as the same file without
// aliases. If it were read each time, it would take a hundred times as long.
func TestYAMLWorkIsBounded(t *testing.T) {
	const many = 40_000
	took := func(t *testing.T, text string) time.Duration {
		start := time.Now()
		if _, _, err := findYAML([]byte("# cgr.dev\n"+text), testHost, false); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	for _, test := range []struct{ name, shared, alias string }{
		{"a list", "[" + strings.Repeat("a, ", many) + "]", "- image: *x\n"},
		{"a mapping", "{name: cgr.dev/a/b" + strings.Repeat(", a: b", many) + "}", "- image: *x\n"},
		{"a mapping that is merged", "{name: cgr.dev/a/b" + strings.Repeat(", a: b", many) + "}", "- image: {<<: *x}\n"},
		{"a scalar", "'$ " + strings.Repeat("acgr.dev/", many) + "'", "- image: *x\n"},
		{"a part", "'$ " + strings.Repeat("acgr.dev/", many) + "'", "- image: {registry: *x}\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			shared := "- &x " + test.shared + "\n"
			apart := took(t, shared+strings.Repeat(strings.ReplaceAll(test.alias, "*x", "x"), many))
			aliases := took(t, shared+strings.Repeat(test.alias, many))
			if aliases > 10*apart+time.Second { // the machine may do something else meanwhile
				t.Errorf("took %v with aliases and %v without, want about the same", aliases, apart)
			}
		})
	}
}

func utf16(ascii string, low, high int) string {
	out := make([]byte, 2, 2+2*len(ascii))
	out[low], out[high] = 0xff, 0xfe
	for i := range len(ascii) {
		pair := [2]byte{}
		pair[low] = ascii[i]
		out = append(out, pair[:]...)
	}
	return string(out)
}
