package references

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"docker-credential-cgr/registry"
)

// dockerfileCase is one of testdata/dockerfiles.txt.
type dockerfileCase struct {
	name, text  string
	found, left []string // "LINE TEXT", and "LINE TEXT¦WHY" in part
}

func dockerfileCases(t testing.TB) []dockerfileCase {
	t.Helper()
	data, err := os.ReadFile("testdata/dockerfiles.txt")
	if err != nil {
		t.Fatal(err)
	}
	symbols := strings.NewReplacer("␠", " ", "␉", "\t", "␍", "\r", "␂", byteOrderMark, "␄\n", "")
	var cases []dockerfileCase
	for _, text := range strings.Split(string(data), "\n=== ")[1:] {
		name, marked, _ := strings.Cut(text, "\n")
		name, _, _ = strings.Cut(name, " |")
		c := dockerfileCase{name: name}
		c.unmark(symbols.Replace(marked + "\n"))
		cases = append(cases, c)
	}
	return cases
}

// unmark takes the marks out of a file.
func (c *dockerfileCase) unmark(marked string) {
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

func TestDockerfile(t *testing.T) {
	for _, c := range dockerfileCases(t) {
		t.Run(c.name, func(t *testing.T) {
			found, left, err := findDockerfile([]byte(c.text), testHost)
			if err != nil {
				t.Fatalf("got the error %v, want none", err)
			}
			var got []string
			for _, f := range found {
				got = append(got, fmt.Sprint(f.Line, " ", c.text[f.Start:f.End]))
			}
			if !slices.Equal(got, c.found) {
				t.Errorf("got %q, want %q", got, c.found)
			}
			if !slices.EqualFunc(left, c.left, isLeft) {
				t.Errorf("got left %+v, want %q", left, c.left)
			}
			checkDockerfile(t, c.text)
		})
	}
}

// isLeft compares what is left with the mark "LINE TEXT¦WHY", where WHY is a part.
func isLeft(got Left, mark string) bool {
	place, why, _ := strings.Cut(mark, "¦")
	return fmt.Sprint(got.Line, " ", got.Text) == place && strings.Contains(got.Why, why) && why != ""
}

func TestDockerfilePlatform(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"none", "FROM cgr.dev/a/b", ""},
		{"written out", "FROM --platform=linux/arm64/v8 cgr.dev/a/b", "linux/arm64/v8"},
		{"in quotes", "FROM '--platform'=linux/arm64 x\nFROM --platform=\"linux/arm64\" cgr.dev/a/b", "linux/arm64"},
		{"over lines", "FROM --platform=linux/\\\narm64 cgr.dev/a/b", "linux/arm64"},
		{"a variable", "FROM --platform=$BUILDPLATFORM cgr.dev/a/b", "$BUILDPLATFORM"},
		{"a variable in part", "FROM --platform=linux/${ARCH} cgr.dev/a/b", "linux/${ARCH}"},
		{"a variable in quotes", `FROM --platform='$ARCH' cgr.dev/a/b`, "$ARCH"},
		{"a variable with a default", "FROM --platform=${TARGETPLATFORM:-linux/arm64} cgr.dev/a/b", "${TARGETPLATFORM:-linux/arm64}"},
		{"that of the build", "FROM --platform=$TARGETPLATFORM cgr.dev/a/b", ""},
		{"that of the build, in braces and quotes", `FROM --platform="${TARGETPLATFORM}" cgr.dev/a/b`, ""},
		{"that of the build for one FROM of an ARG", "ARG A=cgr.dev/a/b\nFROM $A\nFROM --platform=$TARGETPLATFORM $A", ""},
		{"of an ARG's FROM", "ARG A=cgr.dev/a/b\nFROM --platform=linux/arm64 $A", "linux/arm64"},
		{"the same for both FROMs of an ARG", "ARG A=cgr.dev/a/b\nFROM --platform=linux/arm64 $A\nFROM --platform=linux/arm64 $A", "linux/arm64"},
		{"two for one ARG", "ARG A=cgr.dev/a/b\nFROM --platform=linux/arm64 $A\nFROM --platform=linux/amd64 $A", "several platforms"},
		{"two and none for one ARG", "ARG A=cgr.dev/a/b\nFROM --platform=linux/arm64 $A\nFROM --platform=$BUILDPLATFORM $A\nFROM $A", "several platforms"},
		{"for one FROM of an ARG", "ARG A=cgr.dev/a/b\nFROM --platform=linux/arm64 $A\nFROM $A", "several platforms"},
		{"COPY", "FROM --platform=linux/arm64 scratch\nCOPY --from=cgr.dev/a/b x y", ""},
	} {
		t.Run("I77 "+test.name, func(t *testing.T) {
			found, left, err := findDockerfile([]byte(test.text), testHost)
			if err != nil || len(found) != 1 || len(left) != 0 {
				t.Fatalf("got %+v, %+v, %v, want one found", found, left, err)
			}
			if got := found[0].Platform; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestDockerfileHosts(t *testing.T) {
	for _, test := range []struct{ host, text, want string }{
		{"127.0.0.1:5000", "FROM 127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b"},
		{"127.0.0.1:5000", "FROM 127.0.0.1/a/b\n# 127.0.0.1:5000", ""},
		{"cgr.dev:443", "FROM cgr.dev/a/b", "cgr.dev/a/b"},
		{"cgr.dev:443", "FROM CGR.DEV:443/a/b", "CGR.DEV:443/a/b"},
		{"localhost", "FROM localhost/a/b\n", "localhost/a/b"},
		{"registry.example", "# registry.example\nFROM regi\u017ftry.example/a/b", ""},
	} {
		t.Run("I78 "+test.host+" "+test.text, func(t *testing.T) {
			found, left, err := findDockerfile([]byte(test.text), test.host)
			if err != nil || len(left) != 0 || len(found) > 1 {
				t.Fatalf("got %+v, %+v, %v, want none left", found, left, err)
			}
			got := ""
			for _, f := range found {
				got = test.text[f.Start:f.End]
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestDockerfileErrors(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"NUL", "FROM cgr.dev/a/b\nRUN \x00", "line 2: holds a NUL byte"},
		{"UTF-16", "\xff\xfe" + utf16("FROM cgr.dev/a/b", 1, 0), "UTF-16"},
		{"an escape character that cannot be", "# syntax=x\n# escape=/\x1b[31m\nFROM cgr.dev/a/b", `line 2: the escape character is "/`},
		{"an escape character that is blank", "# escape= \nFROM cgr.dev/a/b", "line 1: the escape character"},
		{"two escape directives", "# escape=`\n# escape=\\\nFROM cgr.dev/a/b", "line 2: a second escape directive"},
		{"more than is kept", "FROM x\nRUN y\nCOPY" + strings.Repeat(" --from=cgr.dev/a/b", 65_000) + " x y\nFROM cgr.dev/a/b", "line 3: up to there"},
		{"more than is kept of a heredoc", "FROM x\nRUN" + strings.Repeat(" <<cgr.dev", 65_000) + "\nFROM cgr.dev/a/b", "line 2: up to there"},
		{"two syntax directives", "# syntax=cgr.dev/a/b\n# Syntax=x", "line 2: a second syntax directive"},
	} {
		t.Run("I77 "+test.name, func(t *testing.T) {
			found, left, err := findDockerfile([]byte(test.text), testHost)
			if found != nil || left != nil || err == nil {
				t.Fatalf("got %+v, %+v, %v, want an error alone", found, left, err)
			}
			if !strings.Contains(err.Error(), test.want) || strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("got %q, want %q in one line", err, test.want)
			}
			other := strings.ReplaceAll(strings.ReplaceAll(test.text, "cgr", "xyz"), "c\x00g", "x\x00y")
			if found, left, err := findDockerfile([]byte(other), testHost); found != nil || left != nil || err != nil {
				t.Errorf("got %+v, %+v, %v where nothing is ours, want nothing", found, left, err)
			}
		})
	}
}

// Files that take for ever where somebody reads again what was read.
func TestDockerfileLong(t *testing.T) {
	long := longDockerfiles(1 << 18)
	for name, short := range longDockerfiles(1 << 16) {
		t.Run("I77 "+name, func(t *testing.T) {
			once, four := scanTime(t, short), scanTime(t, long[name])
			if four > time.Second && four > 10*once {
				t.Errorf("took %s, and %s for four times as much, want time that grows with the size", once, four)
			}
		})
	}
}

func scanTime(t *testing.T, text string) time.Duration {
	start := time.Now()
	found, left, err := findDockerfile([]byte(text), testHost)
	if err != nil && (found != nil || left != nil) {
		t.Errorf("got %d found, %d left beside the error %v", len(found), len(left), err)
	}
	return time.Since(start)
}

// longDockerfiles are of about n bytes.
func longDockerfiles(n int) map[string]string {
	many := func(text string, size int) string { return strings.Repeat(text, size/len(text)) }
	return map[string]string{
		"a line":                     "FROM " + many("a", n),
		"a name":                     "FROM cgr.dev/" + many("a/", n) + "a",
		"words":                      "FROM cgr.dev/a/b " + many("cgr.dev/a ", n),
		"blanks":                     "FROM" + many(" ", n) + "cgr.dev/a/b" + many("\t", n),
		"carriage returns":           many("\r", n) + "FROM cgr.dev/a/b" + many("\r", n) + "x",
		"continuations":              "RUN " + many("\\\n", n) + "FROM cgr.dev/a/b",
		"comments in a continuation": "FROM " + many("\\\n#\n\n", n) + "cgr.dev/a/b",
		"escapes":                    "FROM cgr.dev/" + many("\\a", n),
		"a flag":                     "COPY --from=" + many("\"a\\", n) + "\ncgr.dev/",
		"a flag over lines":          "COPY --from=" + many("a\\\n", n) + "\n# cgr.dev/",
		"flags":                      "COPY " + many("--from=cgr.dev/a/b ", n),
		"CSV":                        "RUN --mount='" + many(`from=cgr.dev/a/b,"""",`, n) + "'",
		"quotes":                     "RUN --mount='\"" + many(`""`, n) + "cgr.dev/'",
		"dollars":                    "FROM " + many("$", n) + "cgr.dev/",
		"open braces":                "FROM cgr.dev/" + many("${a:-", n),
		"replacements":               "FROM cgr.dev/" + many("${a/", n),
		"open braces in RUN":         "RUN cgr.dev/ <<EOF " + many("${a:-", n),
		"nested as deep as it goes":  many("FROM cgr.dev/"+strings.Repeat("${a:-", 90)+strings.Repeat("}", 90)+"\n", n),
		"ARGs":                       many("ARG A=cgr.dev/a/b\n", n) + "FROM $A\nFROM $A:x",
		"ARGs and FROMs":             many("ARG A=cgr.dev/a/b\n", n/2) + many("FROM $A\n", n/2),
		"ARGs and more FROMs":        "ARG A=cgr.dev/a/b\n" + many("FROM $A\nFROM $A:x\n", n),
		"ARGs that double":           "ARG A=cgr.dev/a/b\n" + many("ARG A=$A$A\n", n) + "FROM $A",
		"a long ARG":                 "ARG A=" + many("cgr.dev/", n/2) + "\n" + many("FROM $A$A$A\n", n/2),
		"a heredoc":                  "RUN <<EOF\n" + many("cgr.dev\n", n) + "EOF\nFROM cgr.dev/a/b",
		"heredocs":                   "RUN " + many("<<cgr.dev ", n) + "\n" + many("cgr.dev\n", n),
		"heredocs that do not end":   many("RUN <<EOF\nEOF\n", n) + "RUN <<X\ncgr.dev",
		"a heredoc's blanks":         "RUN cgr.dev " + many("<< ", n),
		"the exec form":              "RUN " + many("[", n) + "<<cgr.dev",
		"almost the host":            many("cgr.dev.", n),
		"directives":                 "# syntax=" + many("cgr.dev/", n) + "\n" + many("# escape", n),
	}
}

func FuzzDockerfile(f *testing.F) {
	for _, c := range dockerfileCases(f) {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) < 100_000 {
			checkDockerfile(t, text)
		}
	})
}

// checkDockerfile holds what is found in a file to what must be true of any: each range
// is a reference, pinned ones are found in their place, and can be undone byte for byte.
func checkDockerfile(t *testing.T, text string) {
	t.Helper()
	found, left, err := findDockerfile([]byte(text), testHost)
	if err != nil {
		if found != nil || left != nil || strings.ContainsFunc(err.Error(), unicode.IsControl) {
			t.Errorf("got %+v, %+v, %q, want one printable line alone", found, left, err)
		}
		return
	}
	checkPlaces(t, text, found, left)
	var pinned bytes.Buffer
	end := 0
	starts := make([]int, len(found))
	for i, f := range found {
		pinned.WriteString(text[end:f.Start])
		starts[i] = pinned.Len()
		pinned.WriteString(withDigest(text[f.Start:f.End]))
		end = f.End
	}
	pinned.WriteString(text[end:])

	again, leftAgain, err := findDockerfile(pinned.Bytes(), testHost)
	if err != nil || len(again) != len(found) || len(leftAgain) != len(left) {
		t.Fatalf("got %+v, %+v, %v in the pinned file, want as before: %+v, %+v", again, leftAgain, err, found, left)
	}
	for i, l := range leftAgain {
		if was := left[i]; l.Line != was.Line || l.Why != was.Why {
			t.Errorf("got %+v left in the pinned file, want %+v", l, was)
		}
	}
	undone := pinned.String()
	for i, f := range slices.Backward(again) {
		want := found[i]
		want.End += starts[i] - want.Start + len(withDigest(text[want.Start:want.End])) - (want.End - want.Start)
		want.Start = starts[i]
		want.Image.Digest = testDigest
		if f != want {
			t.Errorf("got %+v in the pinned file, want %+v", f, want)
		}
		undone = undone[:f.Start] + text[found[i].Start:found[i].End] + undone[f.End:]
	}
	if undone != text {
		t.Errorf("got %q, want the bytes from before", undone)
	}
}

// checkPlaces checks that what is found and left is there.
func checkPlaces(t *testing.T, text string, found []Found, left []Left) {
	t.Helper()
	end := 0
	for _, f := range found {
		if f.Start < end || f.End <= f.Start || f.End > len(text) {
			t.Fatalf("got %+v behind %d of %d, want them in order", f, end, len(text))
		}
		end = f.End
		name := text[f.Start:f.End]
		if ref, err := registry.Parse(name, testHost); err != nil || ref != f.Image || !strings.EqualFold(name[:len(testHost)], testHost) {
			t.Errorf("got %q for %+v, %v, want its text", name, f, err)
		}
		if line := 1 + strings.Count(text[:f.Start], "\n"); line != f.Line {
			t.Errorf("got %q in line %d, want %d", name, f.Line, line)
		}
	}
	line := 1
	for _, l := range left {
		lines := strings.SplitAfter(text, "\n")
		if l.Line < line || l.Line > len(lines) || !strings.Contains(strings.Join(lines[l.Line-1:], ""), l.Text) {
			t.Errorf("got %+v left, want a text in its line, in their order", l)
		}
		line = l.Line
		if l.Text == "" || l.Why == "" || strings.ContainsFunc(l.Why, unicode.IsControl) {
			t.Errorf("got %+v left, want what it is and why", l)
		}
	}
}
