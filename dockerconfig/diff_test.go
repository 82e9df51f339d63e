package dockerconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	tests := []struct{ name, before, want string }{
		{"between", "{\n  \"auths\": {\n    \"a\": {\n      \"auth\": \"c2VjcmV0\"\n    }\n  },\n  \"credHelpers\": {\n    \"gcr.io\": \"gcr\"\n  },\n  \"x\": 1,\n  \"y\": 2\n}\n",
			`@@ -5,7 +5,8 @@
     }
   },
   "credHelpers": {
-    "gcr.io": "gcr"
+    "gcr.io": "gcr",
+    "cgr.dev": "cgr"
   },
   "x": 1,
   "y": 2
`},
		{"P13 no secret, no final newline", "{\n\t\"auths\": {\"a\": {\"auth\": \"c2VjcmV0\"}},\n\t\"HttpHeaders\": {\"Authorization\": \"Bearer secret\"},\n\t\"x\": [\"secret\"],\n\t\"credsStore\": \"pass\"\n}",
			`@@ -2,5 +2,8 @@
 	"auths": {"a": {"auth": "***"}},
 	"HttpHeaders": {"Authorization": "***"},
 	"x": ["***"],
-	"credsStore": "pass"
+	"credsStore": "pass",
+	"credHelpers": {
+		"cgr.dev": "cgr"
+	}
 }
\ No newline at end of file
`},
		{"empty file", "", "@@ -0,0 +1,5 @@\n+{\n+\t\"credHelpers\": {\n+\t\t\"cgr.dev\": \"cgr\"\n+\t}\n+}\n\\ No newline at end of file\n"},
		{"P14 one line with odd characters", "{\"a\u202e\": 1, \"b\x9b\": 2,\r\"c\": 3}\r\n", "@@ -1,1 +1,1 @@\n-{\"a\\u202e\": 1, \"b\\x9b\": 2,\\r\"c\": 3}\r\n" +
			"+{\"a\\u202e\": 1, \"b\\x9b\": 2,\\r\"c\": 3,\\r\"credHelpers\": {\"cgr.dev\": \"cgr\"}}\r\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := writeFile(t, test.before)
			f := load(t, path)
			if got := f.Diff(); got != "" {
				t.Errorf("without a change: got %q, want nothing", got)
			}
			_, err := f.Add(host, helper, false)
			must(t, err)
			if got, want := f.Diff(), "--- "+path+"\n+++ "+path+"\n"+test.want; got != want {
				t.Errorf("got\n%q, want\n%q", got, want)
			}
			wantText(t, path, test.before)
		})
	}
}

func TestDiffNewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	f := load(t, path)
	_, err := f.Add(host, helper, false)
	must(t, err)
	want := "--- /dev/null\n+++ " + path + "\n@@ -0,0 +1,5 @@\n+{\n+\t\"credHelpers\": {\n+\t\t\"cgr.dev\": \"cgr\"\n+\t}\n+}\n\\ No newline at end of file\n"
	if got := f.Diff(); got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	must(t, f.Save())
	_, err = f.Remove(host, helper)
	must(t, err)
	if got := f.Diff(); !strings.HasPrefix(got, "--- "+path+"\n+++ /dev/null\n@@ -1,5 +0,0 @@\n-{\n") {
		t.Errorf("got\n%q, want the file to go", got)
	}
}

// plain gives lines that are shown as they are.
func plain(texts []string) []line {
	all := make([]line, len(texts))
	for i, text := range texts {
		all[i] = line{text, text}
	}
	return all
}

// FuzzUnified applies the hunk again.
func FuzzUnified(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nx\nc")
	f.Add("", "a")
	f.Add("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n5\n5\n6\n7\n8\n9\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		if before == after {
			return
		}
		a := lines(before)
		head, body, _ := strings.Cut(unified(plain(a), plain(lines(after))), "\n")
		var from, kept, n int
		if _, err := fmt.Sscanf(head, "@@ -%d,%d +%d,%d @@", &from, &kept, new(int), new(int)); err != nil {
			t.Fatalf("got head %q: %v", head, err)
		}
		if kept > 0 {
			from-- // an empty span names the line before it
		}
		got, added := strings.Join(a[:from], ""), false
		for line := range strings.Lines(body) {
			if line[0] == '\\' {
				if added {
					got = strings.TrimSuffix(got, "\n")
				}
				continue
			}
			if added = line[0] != '-'; added {
				got += line[1:]
			}
			if line[0] != '+' {
				n++
			}
		}
		if got += strings.Join(a[from+kept:], ""); got != after || n != kept {
			t.Errorf("%q with\n%s\n%s: got %q, %d lines, want %q, %d lines", before, head, body, got, n, after, kept)
		}
	})
}

func FuzzMasked(f *testing.F) {
	for _, path := range corpus(f) {
		text, err := os.ReadFile(path)
		must(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := parse(text); err != nil {
			return
		}
		d, err := parse(masked(text))
		if err != nil {
			t.Fatalf("got %v of %q, want the same with stars", err, masked(text))
		}
		if d.root == nil {
			return
		}
		for _, m := range d.root.members {
			if m.name == helpersKey || m.name == "credsStore" {
				continue
			}
			raw := d.text[m.value:m.valueEnd]
			for i := 0; i < len(raw); i++ {
				if raw[i] != '"' {
					continue
				}
				end := skipString(raw, i)
				if next := skipBlanks(raw, end); (next == len(raw) || raw[next] != ':') && string(raw[i:end]) != `"***"` {
					t.Fatalf("P13 got %q, want no string but keys", raw)
				}
				i = end - 1
			}
		}
	})
}
