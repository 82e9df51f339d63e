package references

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"docker-credential-cgr/references/scan"
	"docker-credential-cgr/registry"
)

const (
	testHost   = "cgr.dev"
	oldDigest  = "sha256:0000000000000000000000000000000000000000000000000000000000000001"
	testDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// testCase is a file of testdata with what must be found and left in it.
type testCase struct {
	name, text  string
	kind        Kind
	found, left []string // "LINE TEXT", and "LINE TEXT¦WHY" in part
}

// cases reads a file of testdata. A file name behind the name of a case sets its kind.
func cases(t testing.TB, file string, kind Kind) []testCase {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	symbols := strings.NewReplacer("␠", " ", "␉", "\t", "␍", "\r", "␂", scan.ByteOrderMark, "␛2028;", "\u2028", "␛0085;", "\u0085", "␄\n", "")
	var all []testCase
	for _, text := range strings.Split(string(data), "\n=== ")[1:] {
		name, marked, _ := strings.Cut(text, "\n")
		name, of, _ := strings.Cut(name, " | ")
		c := testCase{name: name, kind: kind}
		switch of {
		case "", "refused":
		case "workflow":
			c.kind = Workflow
		default:
			c.kind = KindOf(of)
		}
		c.unmark(symbols.Replace(strings.TrimSuffix(marked, "\n") + "\n"))
		all = append(all, c)
	}
	return all
}

// unmark removes the marks from a file.
func (c *testCase) unmark(marked string) {
	var text, why strings.Builder
	start, line, lineOfMark := 0, 1, 0
	inWhy := false
	for _, r := range marked {
		switch {
		case r == '⟦' || r == '⟨':
			start, lineOfMark = text.Len(), line
		case r == '⟧':
			c.found = append(c.found, fmt.Sprint(lineOfMark, " ", text.String()[start:]))
		case r == '¦':
			inWhy = true
		case r == '⟩':
			c.left = append(c.left, fmt.Sprint(lineOfMark, " ", text.String()[start:], "¦", why.String()))
			inWhy = false
			why.Reset()
		case inWhy:
			why.WriteRune(r)
		default:
			text.WriteRune(r)
			line += strings.Count(string(r), "\n")
		}
	}
	c.text = text.String()
}

// findAll returns what Find finds: what can be pinned or is, and what is left.
func findAll(kind Kind, data []byte, host string) (found, left []Reference, err error) {
	all, err := Find(kind, data, host)
	for _, r := range all {
		if r.Class <= ReadOnly {
			found = append(found, r)
		} else {
			left = append(left, r)
		}
	}
	return found, left, err
}

func TestCases(t *testing.T) {
	for file, kind := range map[string]Kind{"dockerfiles.txt": Dockerfile, "yaml.txt": YAML, "text.txt": Text} {
		for _, c := range cases(t, file, kind) {
			t.Run(file+" "+c.name, func(t *testing.T) {
				found, left, err := findAll(c.kind, []byte(c.text), testHost)
				if err != nil {
					t.Fatalf("got the error %v, want none", err)
				}
				var got []string
				for _, f := range found {
					got = append(got, fmt.Sprint(scan.LineAt([]byte(c.text), f.Start), " ", c.text[f.Start:f.End]))
				}
				if !slices.Equal(got, c.found) {
					t.Errorf("got %q, want %q", got, c.found)
				}
				left = slices.DeleteFunc(left, func(l Reference) bool { return l.Class == Comment })
				if !slices.EqualFunc(left, c.left, isLeft) {
					t.Errorf("got left %+v, want %q", left, c.left)
				}
				checkFile(t, c.kind, c.text)
			})
		}
	}
}

// isLeft compares what is left with the mark "LINE TEXT¦WHY", where WHY is a part of the reason.
func isLeft(got Reference, mark string) bool {
	place, why, _ := strings.Cut(mark, "¦")
	if (got.Class >= Pushed) != strings.Contains(why, "built here") {
		return false
	}
	return fmt.Sprint(got.Line, " ", got.Text) == place && strings.Contains(got.Reason, why)
}

// checkFile checks what is true of any file: no reference is missed, only references change,
// and a pinned reference is found again.
func checkFile(t *testing.T, kind Kind, text string) {
	t.Helper()
	found, left, err := findAll(kind, []byte(text), testHost)
	if err != nil {
		if found != nil || left != nil || strings.ContainsFunc(err.Error(), unprintable) {
			t.Errorf("got %+v, %+v, %q, want one printable line alone", found, left, err)
		}
		return
	}
	checkLeft(t, text, left)
	checkFound(t, text, found)
	checkNothingMissed(t, text, found, left)

	pinned, starts := pin(text, found)
	again, leftAgain, err := findAll(kind, []byte(pinned), testHost)
	if err != nil || len(again) != len(found) || len(leftAgain) != len(left) {
		t.Fatalf("got %+v, %+v, %v in the pinned file %q, want as before: %+v, %+v", again, leftAgain, err, pinned, found, left)
	}
	for i, f := range again {
		was := found[i]
		if was.Class != ReadOnly && f.Image.Digest != testDigest || f.Image.Repository != was.Image.Repository || f.Platform != was.Platform || f.Line != was.Line {
			t.Errorf("got %+v in the pinned file, want %+v with a digest", f, was)
		}
		if was.Form == scan.Whole && was.Class != ReadOnly && f.Start != starts[i] {
			t.Errorf("got %+v at %d, want it at %d", f, f.Start, starts[i])
		}
	}
	if twice, _ := pin(pinned, again); twice != pinned {
		t.Errorf("got %q when pinned again, want no change of %q", twice, pinned)
	}
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// pin adds a digest to the references in a file, and returns where the changes begin.
func pin(text string, found []Reference) (pinned string, starts []int) {
	order := make([]int, len(found))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return found[a].Start - found[b].Start })
	starts = make([]int, len(found))
	end := 0
	for _, i := range order {
		f := found[i]
		if f.Class == ReadOnly {
			continue
		}
		_, edit := f.Pin(testDigest, false)
		pinned += text[end:f.Start]
		starts[i] = len(pinned)
		pinned += edit
		end = f.End
	}
	return pinned + text[end:], starts
}

func checkFound(t *testing.T, text string, found []Reference) {
	t.Helper()
	line := 1
	for _, f := range found {
		if f.Start < 0 || f.End < f.Start || f.End > len(text) || f.Line < line {
			t.Fatalf("got %+v behind line %d, want them in order", f, line)
		}
		line = f.Line
		if f.Form != scan.Whole || f.Class == ReadOnly {
			continue
		}
		name := text[f.Start:f.End]
		if ref, err := registry.Parse(name, testHost); err != nil || ref != f.Image || name != f.Text || !strings.EqualFold(name[:len(testHost)], testHost) {
			t.Errorf("got %q for %+v, %v, want its text", name, f, err)
		}
		if line := 1 + strings.Count(text[:f.Start], "\n"); line != f.Line {
			t.Errorf("got %q in line %d, want %d", name, f.Line, line)
		}
	}
}

func checkLeft(t *testing.T, text string, left []Reference) {
	t.Helper()
	line := 1
	for _, l := range left {
		if l.Line < line || l.Line > 1+strings.Count(text, "\n") {
			t.Errorf("got %+v left, want them in their order", l)
		}
		line = l.Line
		if l.Text == "" || l.Reason == "" || strings.ContainsFunc(l.Reason, unprintable) {
			t.Errorf("got %+v left, want what it is and why", l)
		}
	}
}

// checkNothingMissed searches for whole references with simple means.
func checkNothingMissed(t *testing.T, text string, found []Reference, left []Reference) {
	t.Helper()
	for i := 0; i+len(testHost) < len(text); i++ {
		rest, ok := strings.CutPrefix(text[i:], testHost+"/")
		if !ok || i > 0 && !strings.ContainsAny(text[i-1:i], " \t\n\"'=") {
			continue
		}
		organization, image, _ := strings.Cut(rest, "/")
		if organization == "" || strings.Trim(organization, "abcdefghijklmnopqrstuvwxyz") != "" || image == "" || image[0] < 'a' || image[0] > 'z' {
			continue
		}
		if word, _, _ := strings.Cut(text[i:], " "); strings.Contains(word, "*") {
			continue // a pattern is no image
		}
		isFound := slices.ContainsFunc(found, func(f Reference) bool {
			return f.Name.Start <= i && i < f.Name.End || f.Start <= i && i < f.End
		})
		isLeft := slices.ContainsFunc(left, func(l Reference) bool { return l.Start <= i && i < l.End })
		if !isFound && !isLeft {
			t.Errorf("got neither found nor left what stands at %d: %.40q", i, text[i:])
		}
	}
}

func FuzzDockerfile(f *testing.F) { fuzz(f, Dockerfile, "dockerfiles.txt") }
func FuzzYAML(f *testing.F)       { fuzz(f, YAML, "yaml.txt") }
func FuzzWorkflow(f *testing.F)   { fuzz(f, Workflow, "yaml.txt") }
func FuzzLiterals(f *testing.F)   { fuzz(f, Literals, "text.txt") }
func FuzzScript(f *testing.F)     { fuzz(f, Script, "text.txt") }
func FuzzText(f *testing.F)       { fuzz(f, SlashText, "text.txt") }

func fuzz(f *testing.F, kind Kind, file string) {
	for _, c := range cases(f, file, kind) {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) < 100_000 {
			checkFile(t, kind, text)
		}
	})
}
