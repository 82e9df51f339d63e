package dockerconfig

import (
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
		{"P14 one line with odd characters", "{\"a\u202e\": 1, \"b\x9b\": 2,\r\"c\": 3}\r\n", "@@ -1 +1 @@\n-{\"a\ufffd\": 1, \"b\ufffd\": 2,\ufffd\"c\": 3}\n" +
			"+{\"a\ufffd\": 1, \"b\ufffd\": 2,\ufffd\"c\": 3,\ufffd\"credHelpers\": {\"cgr.dev\": \"cgr\"}}\n"},
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
