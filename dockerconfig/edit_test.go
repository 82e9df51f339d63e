package dockerconfig

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const (
	host   = "cgr.dev"
	helper = "cgr"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// corpus returns the paths of sample files.
func corpus(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/configs/*.json")
	must(t, err)
	if len(paths) < 30 {
		t.Fatalf("got %d files, want 30 or more", len(paths))
	}
	return paths
}

// writeFile writes a configuration file to a folder of its own.
func writeFile(t testing.TB, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "config.json")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func load(t testing.TB, path string) *File {
	t.Helper()
	f, err := Load(path)
	must(t, err)
	return f
}

// addTo adds our entry to the file at path.
func addTo(t testing.TB, path string) {
	t.Helper()
	f := load(t, path)
	_, err := f.Add(host, helper, false)
	must(t, err)
	must(t, f.Save())
}

// removeFrom removes our entry from the file at path.
func removeFrom(t testing.TB, path string) {
	t.Helper()
	f := load(t, path)
	_, err := f.Remove(host, helper)
	must(t, err)
	must(t, f.Save())
}

func wantText(t testing.TB, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	must(t, err)
	if string(got) != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestCorpus(t *testing.T) {
	for _, sample := range corpus(t) {
		t.Run("T15 "+filepath.Base(sample), func(t *testing.T) {
			text, err := os.ReadFile(sample)
			must(t, err)
			path := writeFile(t, string(text))
			addTo(t, path)
			added, err := os.ReadFile(path)
			must(t, err)
			checkAdded(t, text, added)
			addTo(t, path)
			wantText(t, path, string(added))
			removeFrom(t, path)
			checkRemoved(t, text, load(t, path).new)
			removeFrom(t, path)
			checkRemoved(t, text, load(t, path).new)
		})
	}
}

// checkRemoved checks that after is before, byte for byte. Only an empty credHelpers is
// removed too, and a file without a value may be left as an empty object or no file.
func checkRemoved(t testing.TB, before []byte, after content) {
	t.Helper()
	d, err := parse(before)
	must(t, err)
	if d.root != nil && (d.root.index(helpersKey) < 0 || d.helpers != nil && len(d.helpers.members) > 0) {
		if string(after.text) != string(before) {
			t.Fatalf("got %q, want %q", after.text, before)
		}
		return
	}
	want := decode(t, before)
	delete(want, helpersKey)
	if got := decode(t, after.text); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// checkAdded checks that after is before with our entry and no other change.
func checkAdded(t testing.TB, before, after []byte) {
	t.Helper()
	got, want := decode(t, after), decode(t, before)
	helpers, _ := want[helpersKey].(map[string]any)
	_, replaced := want[helpersKey]
	if len(helpers) == 0 {
		helpers = map[string]any{}
	} else {
		replaced = false
	}
	if lead := commonPrefix(before, after); !replaced && !bytes.HasSuffix(after, before[lead:]) {
		t.Fatalf("I31: got %q, want every byte of %q still there", after, before)
	}
	helpers[host], want[helpersKey] = helper, helpers
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func commonPrefix(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func decode(t testing.TB, text []byte) map[string]any {
	t.Helper()
	all := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&all); err != nil && len(bytes.TrimSpace(text)) > 0 {
		t.Fatalf("got %v, want JSON: %q", err, text)
	}
	return all
}

// A new entry has the layout of the entries before it.
func TestAddLayout(t *testing.T) {
	tests := []struct{ name, before, after string }{
		{"tabs", "{\n\t\"auths\": {}\n}", "{\n\t\"auths\": {},\n\t\"credHelpers\": {\n\t\t\"cgr.dev\": \"cgr\"\n\t}\n}"},
		{"four spaces", "{\n    \"auths\": {}\n}\n", "{\n    \"auths\": {},\n    \"credHelpers\": {\n        \"cgr.dev\": \"cgr\"\n    }\n}\n"},
		{"CRLF", "{\r\n  \"auths\": {}\r\n}\r\n", "{\r\n  \"auths\": {},\r\n  \"credHelpers\": {\r\n    \"cgr.dev\": \"cgr\"\r\n  }\r\n}\r\n"},
		{"one line", `{"auths":{},"a":1}`, `{"auths":{},"a":1,"credHelpers":{"cgr.dev":"cgr"}}`},
		{"one line with spaces", `{"auths": {}, "a": 1}`, `{"auths": {}, "a": 1, "credHelpers": {"cgr.dev": "cgr"}}`},
		{"one line, one key", `{"a": 1}`, `{"a": 1, "credHelpers": {"cgr.dev": "cgr"}}`},
		{"one line, one key, no spaces", `{"a":1}`, `{"a":1,"credHelpers":{"cgr.dev":"cgr"}}`},
		{"space before the colon", "{\n  \"a\" : 1\n}", "{\n  \"a\" : 1,\n  \"credHelpers\" : {\n    \"cgr.dev\" : \"cgr\"\n  }\n}"},
		{"value in the next line", "{\n \"a\":\n 1\n}", "{\n \"a\":\n 1,\n \"credHelpers\":\n {\n  \"cgr.dev\":\n \"cgr\"\n }\n}"},
		{"a helper is there", "{\n  \"credHelpers\": {\n    \"gcr.io\": \"gcr\"\n  },\n  \"auths\": {}\n}", "{\n  \"credHelpers\": {\n    \"gcr.io\": \"gcr\",\n    \"cgr.dev\": \"cgr\"\n  },\n  \"auths\": {}\n}"},
		{"helpers in one line", "{\n  \"credHelpers\": {\"gcr.io\": \"gcr\"}\n}", "{\n  \"credHelpers\": {\"gcr.io\": \"gcr\", \"cgr.dev\": \"cgr\"}\n}"},
		{"blank lines are not repeated", "{\n\n\n  \"a\": 1\n\n}", "{\n\n\n  \"a\": 1,\n  \"credHelpers\": {\n    \"cgr.dev\": \"cgr\"\n  }\n\n}"},
		{"empty object", "{}\n", "{\"credHelpers\": {\"cgr.dev\": \"cgr\"}}\n"},
		{"empty object in lines", "{\n}\n", "{\"credHelpers\": {\"cgr.dev\": \"cgr\"}\n}\n"},
		{"empty file", "", "{\n\t\"credHelpers\": {\n\t\t\"cgr.dev\": \"cgr\"\n\t}\n}"},
		{"empty helpers", "{\n\t\"credHelpers\": {}\n}", "{\n\t\"credHelpers\": {\n\t\t\"cgr.dev\": \"cgr\"\n\t}\n}"},
	}
	for _, test := range tests {
		t.Run("I31 "+test.name, func(t *testing.T) {
			got, err := set(content{[]byte(test.before), true}, helpersKey, host, helper)
			if err != nil || string(got.text) != test.after {
				t.Errorf("got\n%s, %v, want\n%s", got.text, err, test.after)
			}
		})
	}
}

// Other programs may have written the entry, or the file after it.
func TestRemoveAfterOthers(t *testing.T) {
	tests := []struct{ name, before, after string }{
		{"Docker wrote a login", "{\n\t\"auths\": {\n\t\t\"ghcr.io\": {}\n\t},\n\t\"credHelpers\": {\n\t\t\"cgr.dev\": \"cgr\"\n\t}\n}", "{\n\t\"auths\": {\n\t\t\"ghcr.io\": {}\n\t}\n}"},
		{"another helper was added after it", `{"credHelpers": {"cgr.dev": "cgr", "gcr.io": "gcr"}}`, `{"credHelpers": {"gcr.io": "gcr"}}`},
		{"sorted, in the middle", "{\n  \"credHelpers\": {\n    \"a.example\": \"a\",\n    \"cgr.dev\": \"cgr\",\n    \"gcr.io\": \"gcr\"\n  }\n}\n", "{\n  \"credHelpers\": {\n    \"a.example\": \"a\",\n    \"gcr.io\": \"gcr\"\n  }\n}\n"},
		{"sorted, credHelpers first", "{\n  \"credHelpers\": {\n    \"cgr.dev\": \"cgr\"\n  },\n  \"psFormat\": \"x\"\n}\n", "{\n  \"psFormat\": \"x\"\n}\n"},
		{"alone, in another layout", "{\n   \"credHelpers\":\n   { \"cgr.dev\" : \"cgr\" }\n}\n", "{\n}\n"},
		{"written with escapes", `{"a":1,"credHelpers":{"cgr\u002edev":"\u0063gr"}}`, `{"a":1}`},
		{"another helper stays", `{"credHelpers":{"cgr.dev":"desktop"}}`, `{"credHelpers":{"cgr.dev":"desktop"}}`},
		{"I37 other forms of the host stay", `{"credHelpers":{"https://cgr.dev":"cgr"}}`, `{"credHelpers":{"https://cgr.dev":"cgr"}}`},
		{"not there", `{"auths": {}}`, `{"auths": {}}`},
	}
	for _, test := range tests {
		t.Run("P19 "+test.name, func(t *testing.T) {
			path := writeFile(t, test.before)
			removeFrom(t, path)
			wantText(t, path, test.after)
		})
	}
}

func TestRemoveNewFile(t *testing.T) {
	t.Run("P19 a file that Add made is removed", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a", "b", "config.json")
		addTo(t, path)
		wantText(t, path, "{\n\t\"credHelpers\": {\n\t\t\"cgr.dev\": \"cgr\"\n\t}\n}")
		removeFrom(t, path)
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("got %v, want no file", err)
		}
		removeFrom(t, path)
	})
	t.Run("P19 the target of a link is not removed", func(t *testing.T) {
		target := writeFile(t, "{\n\t\"credHelpers\": {\n\t\t\"cgr.dev\": \"cgr\"\n\t}\n}")
		link := filepath.Join(t.TempDir(), "config.json")
		must(t, os.Symlink(target, link))
		if _, err := os.Lstat(link); err != nil {
			t.Skip("no links, as on Wine:", err)
		}
		removeFrom(t, link)
		wantText(t, target, "{\n}")
	})
	t.Run("two hosts come and go", func(t *testing.T) {
		f := load(t, filepath.Join(t.TempDir(), "config.json"))
		for _, name := range []string{"cgr.dev", "apk.cgr.dev"} {
			_, err := f.Add(name, helper, false)
			must(t, err)
		}
		must(t, f.Save())
		for _, name := range []string{"apk.cgr.dev", "cgr.dev"} {
			_, err := f.Remove(name, helper)
			must(t, err)
		}
		if f.Exists() {
			t.Errorf("got %q, want no file", f.new.text)
		}
	})
}

func TestAddReplaces(t *testing.T) {
	before := "{\n  \"credHelpers\": { \"cgr.dev\" : \"desktop.exe\", \"x\": \"y\" }\n}\n"
	f := load(t, writeFile(t, before))
	changed, err := f.Add(host, helper, false)
	other, ok := err.(*OtherHelperError)
	if changed || !ok || other.Helper != "desktop.exe" || other.Line != 2 || other.Column != 20 {
		t.Fatalf("I37 got %v, %v, want the other helper named, at 2:20", changed, err)
	}
	if f.Changed() {
		t.Error("I37 got a change, want none unless asked")
	}
	changed, err = f.Add(host, helper, true)
	must(t, err)
	if want := strings.Replace(before, "desktop.exe", "cgr", 1); !changed || string(f.new.text) != want {
		t.Errorf("I37 got %v, %q, want %q", changed, f.new.text, want)
	}
	if changed, err = f.Add(host, helper, true); changed || err != nil {
		t.Errorf("again: got %v, %v, want no change", changed, err)
	}
}

func TestHuge(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	var text bytes.Buffer
	text.WriteString("{\n\t\"auths\": {\n")
	for text.Len() < 20<<20 {
		text.WriteString("\t\t\"" + strings.Repeat("r", 1000) + "\": {},\n")
	}
	text.WriteString("\t\t\"last\": {}\n\t}\n}")
	path := writeFile(t, text.String())
	addTo(t, path)
	if got, ok := load(t, path).Helper(host); got != helper || !ok {
		t.Errorf("I31 20 MB: got %q, %v, want %q", got, ok, helper)
	}
	removeFrom(t, path)
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, text.Bytes()) {
		t.Errorf("I31 20 MB: got other bytes than before, %v", err)
	}

	must(t, os.Truncate(path, maxSize+1))
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "over 64 MiB") {
		t.Errorf("I31 over 64 MiB: got %v, want it refused", err)
	}
}

func FuzzAddRemove(f *testing.F) {
	for _, path := range corpus(f) {
		text, err := os.ReadFile(path)
		must(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := content{text, true}
		d, err := parse(text)
		if err != nil || d.helpers.index(host) >= 0 {
			return
		}
		added, err := set(before, helpersKey, host, helper)
		if err != nil {
			t.Fatal(err)
		}
		checkAdded(t, text, added.text)
		if again, err := set(added, helpersKey, host, helper); err != nil || !again.same(added) {
			t.Fatalf("added twice: got %q, %v, want %q", again.text, err, added.text)
		}
		after, err := remove(added, host, helper)
		must(t, err)
		checkRemoved(t, text, after)
	})
}

// Clients take null for no helpers.
func TestHelpersNull(t *testing.T) {
	for text, want := range map[string][2]string{
		`{"credHelpers":null}`: {`{"credHelpers":{"cgr.dev":"cgr"}}`, `{}`},
		"{\n\t\"auths\": {},\n\t\"credHelpers\": null,\n\t\"x\": 1\n}\n": {
			"{\n\t\"auths\": {},\n\t\"credHelpers\": {\n\t\t\"cgr.dev\": \"cgr\"\n\t},\n\t\"x\": 1\n}\n",
			"{\n\t\"auths\": {},\n\t\"x\": 1\n}\n",
		},
	} {
		path := writeFile(t, text)
		if found := load(t, path).Findings(host, helper); len(found) > 0 {
			t.Errorf("%q: got %v, want nothing found", text, found)
		}
		addTo(t, path)
		wantText(t, path, want[0])
		removeFrom(t, path)
		wantText(t, path, want[1])
	}
}

// FuzzRemove removes an entry that another program may have written.
func FuzzRemove(f *testing.F) {
	for _, text := range []string{
		`{"credHelpers":{"cgr.dev":"cgr"}}`, "{\"a\":1 ,\n\"credHelpers\" : { \"x\":\"y\", \"cgr.dev\":\"cgr\" , \"z\":\"\"}, \"b\":{}}",
		`{"credHelpers":{"cgr.dev":"cgr"},"auths":{}}`, "{\n\t\"credHelpers\": {\n\t\t\"cgr.dev\": \"cgr\"\n\t}\n}", ` { "credHelpers" : { "cgr.dev" : "cgr" } } `,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := parse(text)
		if err != nil {
			return
		}
		if i := d.helpers.index(host); i < 0 || d.string(d.helpers.members[i]) != helper {
			return
		}
		after, err := remove(content{text, true}, host, helper)
		must(t, err)
		got, want := decode(t, after.text), decode(t, text)
		delete(want[helpersKey].(map[string]any), host)
		for _, all := range []map[string]any{got, want} {
			if helpers, ok := all[helpersKey].(map[string]any); ok && len(helpers) == 0 {
				delete(all, helpersKey)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("from %q: got %q, which is %v, want %v", text, after.text, got, want)
		}
	})
}
