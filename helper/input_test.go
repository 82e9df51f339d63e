package helper

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/docker/docker-credential-helpers/credentials"
)

func TestParseServer(t *testing.T) {
	tests := []struct{ name, input, want string }{
		{"plain", "cgr.dev", "cgr.dev"},
		{"T1 LF", "cgr.dev\n", "cgr.dev"},
		{"T1 CRLF", "cgr.dev\r\n", "cgr.dev"},
		{"blanks around", "  cgr.dev  \n", "cgr.dev"},
		{"URL", "https://cgr.dev/v2/\n", "https://cgr.dev/v2/"},
		{"other script", "régistre.example", "régistre.example"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseServer([]byte(test.input))
			if err != nil || got != test.want {
				t.Errorf("parseServer(%q): got %q, %v, want %q", test.input, got, err, test.want)
			}
		})
	}
}

func TestParseServerRefuses(t *testing.T) {
	tests := []struct{ name, input, want string }{
		{"I1 line end inside, which would join to ours", "cgr.d\nev", "U+000A"},
		{"I1 second line", "cgr.dev\nevil.example", "U+000A"},
		{"I1 second line, ended", "cgr.dev\nevil.example\n", "U+000A"},
		{"I1 two line ends", "cgr.dev\n\n", "U+000A"},
		{"I1 two CRLF", "cgr.dev\r\n\r\n", "U+000D"},
		{"I1 line end first", "\ncgr.dev\n", "U+000A"},
		{"I2 lone CR", "cgr.dev\r", "U+000D"},
		{"I2 CR inside", "cgr.d\rev\n", "U+000D"},
		{"I2 CR CR LF", "cgr.dev\r\r\n", "U+000D"},
		{"I2 NUL", "cgr.dev\x00", "U+0000"},
		{"I2 NUL before a foreign host", "evil.example\x00.cgr.dev", "U+0000"},
		{"I2 TAB", "cgr.dev\t", "U+0009"},
		{"I2 escape", "cgr.dev\x1b[2J", "U+001B"},
		{"I2 DEL", "cgr.dev\x7f", "U+007F"},
		{"I2 next line", "cgr.dev\u0085", "U+0085"},
		{"I2 line separator", "cgr.dev\u2028", "U+2028"},
		{"I2 paragraph separator", "cgr.dev\u2029evil", "U+2029"},
		{"I8 byte order mark", "\ufeffcgr.dev\n", "U+FEFF"},
		{"I8 UTF-16, little end first", "c\x00g\x00r\x00", "U+0000"},
		{"I8 UTF-16 with its mark", "\xff\xfec\x00g\x00r\x00", "UTF-8"},
		{"I8 not UTF-8", "cgr\xff.dev", "UTF-8"},
		{"I8 empty", "", "no credentials server URL"},
		{"I8 line end alone", "\n", "no credentials server URL"},
		{"I8 blanks alone", "   \r\n", "no credentials server URL"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseServer([]byte(test.input))
			if err == nil || got != "" {
				t.Fatalf("parseServer(%q): got %q, %v, want an error", test.input, got, err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("parseServer(%q): got error %q, want %q in it", test.input, err, test.want)
			}
			if strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("parseServer(%q): got error %q, want it without control characters", test.input, err)
			}
		})
	}
}

// endless is a stream that never ends.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	e.read += len(p)
	return len(p), nil
}

func TestReadInput(t *testing.T) {
	t.Run("I9 up to the limit", func(t *testing.T) {
		got, err := readInput(strings.NewReader(strings.Repeat("a", maxInput)), time.Minute)
		if err != nil || len(got) != maxInput {
			t.Errorf("got %d bytes, %v, want %d", len(got), err, maxInput)
		}
	})
	t.Run("I9 over the limit", func(t *testing.T) {
		got, err := readInput(strings.NewReader(strings.Repeat("a", maxInput+1)), time.Minute)
		if err == nil || got != nil {
			t.Errorf("got %d bytes, %v, want an error", len(got), err)
		}
	})
	t.Run("I9 endless stream", func(t *testing.T) {
		in := &endless{}
		if _, err := readInput(in, time.Minute); err == nil {
			t.Error("got no error, want one")
		}
		if in.read > 2*maxInput {
			t.Errorf("got %d bytes read, want about %d", in.read, maxInput)
		}
	})
	t.Run("I9 never closed", func(t *testing.T) {
		in, feed := io.Pipe()
		defer feed.Close()
		go func() { _, _ = feed.Write([]byte("cgr.dev\n")) }()
		_, err := readInput(in, 20*time.Millisecond)
		if err == nil || !strings.Contains(err.Error(), "standard input") || !strings.Contains(err.Error(), "did not end within") {
			t.Errorf("got error %v, want one that says for what was waited", err)
		}
	})
	t.Run("I9 a pipe that is never closed", func(t *testing.T) {
		in, feed, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		defer feed.Close()
		if _, err := feed.WriteString("cgr.dev\n"); err != nil {
			t.Fatal(err)
		}
		if _, err = readInput(in, 20*time.Millisecond); err == nil || !strings.Contains(err.Error(), "did not end within") {
			t.Errorf("got error %v, want one that says for what was waited", err)
		}
	})
	t.Run("a pipe", func(t *testing.T) {
		in, feed, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		go func() {
			for _, piece := range []string{"cgr", ".dev", "\n"} {
				_, _ = feed.WriteString(piece)
			}
			feed.Close()
		}()
		if got, err := readInput(in, time.Minute); err != nil || string(got) != "cgr.dev\n" {
			t.Errorf("got %q, %v, want %q", got, err, "cgr.dev\n")
		}
	})
	t.Run("a file", func(t *testing.T) {
		path := t.TempDir() + "/input"
		if err := os.WriteFile(path, []byte("cgr.dev\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if got, err := readInput(in, time.Minute); err != nil || string(got) != "cgr.dev\n" {
			t.Errorf("got %q, %v, want %q", got, err, "cgr.dev\n")
		}
	})
	t.Run("a person takes their time", func(t *testing.T) {
		in, feed := io.Pipe()
		go func() {
			for _, piece := range []string{"cgr", ".dev", "\n"} {
				_, _ = feed.Write([]byte(piece))
			}
			feed.Close()
		}()
		got, err := readInput(in, 0)
		if err != nil || string(got) != "cgr.dev\n" {
			t.Errorf("got %q, %v, want %q", got, err, "cgr.dev\n")
		}
	})
	t.Run("a read error", func(t *testing.T) {
		in, feed := io.Pipe()
		feed.CloseWithError(io.ErrUnexpectedEOF)
		if _, err := readInput(in, time.Minute); err == nil || !strings.Contains(err.Error(), "standard input") {
			t.Errorf("got error %v, want one that names standard input", err)
		}
	})
}

func TestParsePair(t *testing.T) {
	want := credentials.Credentials{ServerURL: "cgr.dev", Username: "me", Secret: `a"b\c<d>é`}
	for name, input := range map[string]string{
		"as Docker sends it": `{"ServerURL":"cgr.dev","Username":"me","Secret":"a\"b\\c<d>é"}` + "\n",
		"with blanks":        " {\n \"ServerURL\" : \"cgr.dev\" ,\r\n\"Username\":\"me\",\t\"Secret\":\"a\\\"b\\\\c\\u003cd\\u003e\\u00e9\"}\r\n ",
		"other letter case":  `{"serverURL":"cgr.dev","USERNAME":"me","secret":"a\"b\\c<d>é"}`,
		"unknown name":       `{"ServerURL":"cgr.dev","Username":"me","Secret":"a\"b\\c<d>é","Kind":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseCredential([]byte(input))
			if err != nil || got != want {
				t.Errorf("parseCredential(%q): got %q, %v, want %q", input, got, err, want)
			}
		})
	}
}

const secretWord = "hunter2-hunter2"

func TestParsePairRefuses(t *testing.T) {
	tests := []struct{ name, input string }{
		{"I3 raw line end in a string", "{\"ServerURL\":\"cgr.d\nev\",\"Username\":\"me\",\"Secret\":\"" + secretWord + "\"}"},
		{"I3 raw CR in a string", "{\"ServerURL\":\"cgr.dev\",\"Username\":\"me\",\"Secret\":\"" + secretWord + "\r\"}"},
		{"I2 escaped NUL in the server's name", `{"ServerURL":"cgr.dev\u0000","Username":"me","Secret":"` + secretWord + `"}`},
		{"I2 escaped line end in the server's name", `{"ServerURL":"cgr.d\nev","Username":"me","Secret":"` + secretWord + `"}`},
		{"I8 empty", ""},
		{"I8 blanks alone", " \r\n\t"},
		{"I8 byte order mark", "\ufeff" + `{"ServerURL":"cgr.dev","Username":"me","Secret":"` + secretWord + `"}`},
		{"I8 not UTF-8", "{\"ServerURL\":\"cgr.dev\",\"Username\":\"me\",\"Secret\":\"" + secretWord + "\xff\"}"},
		{"I10 a name twice", `{"ServerURL":"cgr.dev","ServerURL":"evil.example","Username":"me","Secret":"` + secretWord + `"}`},
		{"I10 a name twice, other letter case", `{"ServerURL":"cgr.dev","serverurl":"evil.example","Username":"me","Secret":"` + secretWord + `"}`},
		{"I10 an object after it", `{"ServerURL":"cgr.dev","Username":"me","Secret":"` + secretWord + `"}{}`},
		{"I10 text after it", `{"ServerURL":"cgr.dev","Username":"me","Secret":"` + secretWord + `"} x`},
		{"I10 a brace after it", `{"ServerURL":"cgr.dev","Username":"me","Secret":"` + secretWord + `"}}`},
		{"I10 array", `["cgr.dev","me","` + secretWord + `"]`},
		{"I10 array of one", `[{"ServerURL":"cgr.dev","Username":"me","Secret":"` + secretWord + `"}]`},
		{"I10 null", `null`},
		{"I10 string", `"` + secretWord + `"`},
		{"I10 null for a value", `{"ServerURL":"cgr.dev","Username":null,"Secret":"` + secretWord + `"}`},
		{"I10 number for a value", `{"ServerURL":"cgr.dev","Username":7,"Secret":"` + secretWord + `"}`},
		{"I10 object for a value", `{"ServerURL":{"a":"b"},"Username":"me","Secret":"` + secretWord + `"}`},
		{"I10 cut off", `{"ServerURL":"cgr.dev","Username":"me","Secret":"` + secretWord},
		{"I10 brace missing", `{"ServerURL":"cgr.dev","Username":"me","Secret":"` + secretWord + `"`},
		{"I10 comma at the end", `{"ServerURL":"cgr.dev","Username":"me","Secret":"` + secretWord + `",}`},
		{"I10 nested 60,000 deep", `{"ServerURL":` + strings.Repeat("[", 60_000)},
		{"I10 objects nested 10,000 deep", strings.Repeat(`{"a":`, 10_000)},
		{"I12 no user", `{"ServerURL":"cgr.dev","Username":"","Secret":"` + secretWord + `"}`},
		{"I12 user missing", `{"ServerURL":"cgr.dev","Secret":"` + secretWord + `"}`},
		{"I12 no secret", `{"ServerURL":"cgr.dev","Username":"me","Secret":""}`},
		{"I12 no server", `{"ServerURL":" ","Username":"me","Secret":"` + secretWord + `"}`},
		{"I12 line end in the secret", `{"ServerURL":"cgr.dev","Username":"me","Secret":"` + secretWord + `\n"}`},
		{"I12 line end in the user", `{"ServerURL":"cgr.dev","Username":"me\r\n","Secret":"` + secretWord + `"}`},
		{"I12 identity token", `{"ServerURL":"cgr.dev","Username":"<token>","Secret":"` + secretWord + `"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseCredential([]byte(test.input))
			if err == nil {
				t.Fatal("got no error, want one")
			}
			if strings.Contains(err.Error(), "hunter2") || strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("got error %q, want one line without the secret", err)
			}
		})
	}
}

// What is accepted has no control character, and reads as itself.
func FuzzParseServer(f *testing.F) {
	accepted := 0
	for _, seed := range []string{"cgr.dev\n", "cgr.dev\r\n", "cgr.d\nev", " x ", "\ufeffcgr.dev", "\u2028", "a\x00", "\xff", "", "a \n"} {
		if _, err := parseServer([]byte(seed)); err == nil {
			accepted++
		}
		f.Add([]byte(seed))
	}
	if accepted == 0 {
		f.Fatal("no seed is accepted: the property would be of nothing")
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		text, err := parseServer(input)
		if err != nil {
			return
		}
		if text == "" || strings.ContainsFunc(text, unicode.IsControl) || strings.ContainsAny(text, "\u2028\u2029\ufeff") {
			t.Errorf("parseServer(%q): got %q, want neither nothing nor control characters", input, text)
		}
		if again, err := parseServer([]byte(text)); err != nil || again != text {
			t.Errorf("parseServer(%q) gave %q, which reads as %q, %v", input, text, again, err)
		}
	})
}

// An accepted pair, written again, is the same pair.
func FuzzParsePair(f *testing.F) {
	accepted := 0
	for _, seed := range []string{
		`{"ServerURL":"cgr.dev","Username":"me","Secret":"s"}`, `{"serverurl":"a","ServerURL":"b"}`, `{"a":[[[]]]}`, `null`, `{}{}`,
		`{"ServerURL":"cgr.dev","Username":"\ud800","Secret":"<&>"}`, "{\"ServerURL\":\"a\nb\"}", `{"ServerURL":"a","Username":"b","Secret":"c",}`,
	} {
		if _, err := parseCredential([]byte(seed)); err == nil {
			accepted++
		}
		f.Add([]byte(seed))
	}
	if accepted == 0 {
		f.Fatal("no seed is accepted: the property would be of nothing")
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		pair, err := parseCredential(input)
		if err != nil {
			return
		}
		if pair.ServerURL == "" || pair.Username == "" || pair.Secret == "" {
			t.Errorf("parseCredential(%q): got %q, want nothing empty", input, pair)
		}
		if strings.ContainsFunc(pair.ServerURL+pair.Username+pair.Secret, unicode.IsControl) {
			t.Errorf("parseCredential(%q): got %q, want no control characters", input, pair)
		}
		text, err := json.Marshal(pair)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseCredential(text); err != nil || again != pair {
			t.Errorf("parseCredential(%q) gave %q, which reads as %q, %v", input, pair, again, err)
		}
		// The library's reader, which comes next, must find the same.
		var theirs credentials.Credentials
		if err := json.Unmarshal(text, &theirs); err != nil || theirs != pair {
			t.Errorf("parseCredential(%q) gave %q, which the library reads as %q, %v", input, pair, theirs, err)
		}
	})
}
