package references

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/platform"
)

const (
	byteOrderMark = "\ufeff"
	standardPort  = ":443" // a reference may name it, and means the same
)

// findYAML gives the references in a stream of YAML documents: what `image` keys name
// at any depth and, in workflow files of GitHub, `container` and docker:// as well.
// The library understands the file and says at which line and column a value stands;
// the file's own bytes there have to be that value. A file that does not hold the host
// is not read further.
func findYAML(data []byte, host string, workflow bool) ([]Found, []Left, error) {
	host = strings.TrimSuffix(host, standardPort)
	if indexFold(data, host) < 0 {
		return nil, nil, checkEncoding(data, host)
	}
	if err := checkText(data); err != nil {
		return nil, nil, err
	}
	w := newYAMLWalk(host, workflow)
	if err := walkDocuments(data, w); err != nil {
		return nil, nil, err
	}
	found, left := w.place(data)
	return found, left, nil
}

// walkDocuments walks the documents one after the other, so that only one of them is
// in memory.
func walkDocuments(data []byte, w *yamlWalk) (err error) {
	// The library reports what it finds with panics of its own, and some of its
	// inner checks get through.
	defer func() {
		if recover() != nil {
			err = errors.New("is not understood as YAML")
		}
	}()
	documents := yaml.NewDecoder(bytes.NewReader(asVersion11(data)))
	for {
		var document yaml.Node
		switch err := documents.Decode(&document); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return explain(data, err)
		}
		w.walk(&document)
	}
}

// asVersion11 lets the library read what says to be YAML 1.2: it refuses the number,
// not the language.
func asVersion11(data []byte) []byte {
	if !bytes.Contains(data, []byte("%YAML 1.2")) {
		return data
	}
	return bytes.ReplaceAll(data, []byte("%YAML 1.2"), []byte("%YAML 1.1"))
}

// explain makes one line of the library's error: where and why.
func explain(data []byte, err error) error {
	why := strings.TrimPrefix(err.Error(), "yaml: ")
	where := "line 1" // which the library leaves out
	if rest, ok := strings.CutPrefix(why, "line "); ok {
		number, text, _ := strings.Cut(rest, ": ")
		line, _ := strconv.Atoi(number)
		where, why = lineOf(line, text), text
	} else if rest, ok := strings.CutPrefix(why, "unknown anchor '"); ok {
		name, _, _ := strings.Cut(rest, "'")
		where = fmt.Sprintf("line %d", lineAt(data, max(0, bytes.Index(data, []byte("*"+name)))))
	}
	is := "is no YAML"
	if bytes.Contains(data, []byte("{{")) || bytes.Contains(data, []byte("{%")) {
		is = "is no YAML as it stands, but perhaps a template"
	}
	return fmt.Errorf("%s: %s: %s", where, is, platform.Printable(why))
}

// lineOf is where an error is to which the library gives a line. It counts from 0
// where its grammar fails, unlike where characters do, and of mappings and lists it
// names the line where they begin.
func lineOf(line int, why string) string {
	switch strings.TrimPrefix(why, "did not find expected ") {
	case "<document start>", "node content":
		return fmt.Sprintf("line %d", line+1)
	case "key", "'-' indicator", "',' or ']'", "',' or '}'":
		return fmt.Sprintf("line %d or below", line+1)
	}
	return fmt.Sprintf("line %d", line)
}

// checkEncoding refuses UTF-16, in which the host's bytes are not found as they are.
func checkEncoding(data []byte, host string) error {
	if !bytes.HasPrefix(data, []byte("\xff\xfe")) && !bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil
	}
	if indexFold(bytes.ReplaceAll(data, []byte{0}, nil), host) < 0 {
		return nil
	}
	return errors.New("line 1: is in UTF-16: save the file as UTF-8")
}

// checkText refuses what is no text, for the library's errors about it say no line.
// The characters are those that YAML allows (YAML 1.1, section 5.1).
func checkText(data []byte) error {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == 0:
			return fmt.Errorf("line %d: holds a NUL byte: is it binary?", lineAt(data, i))
		case r == utf8.RuneError && size == 1:
			return fmt.Errorf("line %d: is not in UTF-8", lineAt(data, i))
		case r == '\ufeff' && i > 0:
			// The library takes it for the beginning of a text, and skips characters.
			return fmt.Errorf("line %d: holds a byte order mark, which may only begin a file", lineAt(data, i))
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r >= 0x7f && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			return fmt.Errorf("line %d: holds the control character %U, which YAML does not allow", lineAt(data, i), r)
		}
		i += size
	}
	return nil
}

// lineAt is the line, counted from 1, of the byte at that offset.
func lineAt(data []byte, offset int) int {
	return 1 + bytes.Count(data[:offset], []byte("\n"))
}

// indexFold finds a host, whose letters are ASCII, in any case; -1 where it is not.
func indexFold(data []byte, host string) int {
	want := []byte(host)
	for i := 0; i+len(want) <= len(data); i++ {
		if data[i]|0x20 == want[0]|0x20 && bytes.EqualFold(data[i:i+len(want)], want) {
			return i
		}
	}
	return -1
}
