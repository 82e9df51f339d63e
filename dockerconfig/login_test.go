package dockerconfig

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const (
	username = "89fe8d4ef086da7ca570fb69a3f02392e3fc389c/0123456789abcdef"
	secret   = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"
)

var auth = base64.StdEncoding.EncodeToString([]byte(username + ":" + secret))

func TestSetLoginLayout(t *testing.T) {
	tests := []struct{ name, before, after string }{
		{"no file content", "", "{\n\t\"auths\": {\n\t\t\"cgr.dev\": {\n\t\t\t\"auth\": \"AUTH\"\n\t\t}\n\t}\n}"},
		{"empty object", "{}\n", `{"auths": {"cgr.dev": {"auth": "AUTH"}}}` + "\n"},
		{"empty object in lines", "{\n}\n", "{\"auths\": {\"cgr.dev\": {\"auth\": \"AUTH\"}}\n}\n"},
		{"as Docker writes", "{\n\t\"auths\": {\n\t\t\"a.io\": {\n\t\t\t\"auth\": \"eA==\"\n\t\t}\n\t}\n}", "{\n\t\"auths\": {\n\t\t\"a.io\": {\n\t\t\t\"auth\": \"eA==\"\n\t\t},\n\t\t\"cgr.dev\": {\n\t\t\t\"auth\": \"AUTH\"\n\t\t}\n\t}\n}"},
		{"empty auths", "{\n\t\"auths\": {}\n}", "{\n\t\"auths\": {\n\t\t\"cgr.dev\": {\n\t\t\t\"auth\": \"AUTH\"\n\t\t}\n\t}\n}"},
		{"no auths", "{\r\n  \"a\": 1\r\n}", "{\r\n  \"a\": 1,\r\n  \"auths\": {\r\n    \"cgr.dev\": {\r\n      \"auth\": \"AUTH\"\r\n    }\r\n  }\r\n}"},
		{"in one line", `{"auths": {"a.io": {}}, "a": 1}`, `{"auths": {"a.io": {}, "cgr.dev": {"auth": "AUTH"}}, "a": 1}`},
		{"the former entry is replaced", "{\n \"auths\": {\n  \"cgr.dev\": { \"auth\" : \"eDp5\" },\n  \"b.io\": {}}}", "{\n \"auths\": {\n  \"cgr.dev\": {\n   \"auth\": \"AUTH\"\n  },\n  \"b.io\": {}}}"},
		{"the rest of the entry is removed", `{"auths":{"cgr.dev":{"auth":"eDp5","identitytoken":"t"},"b.io":{}}}`, `{"auths":{"cgr.dev":{"auth":"AUTH"},"b.io":{}}}`},
		{"an empty entry", "{\n\t\"auths\": {\n\t\t\"cgr.dev\": {}\n\t}\n}", "{\n\t\"auths\": {\n\t\t\"cgr.dev\": {\n\t\t\t\"auth\": \"AUTH\"\n\t\t}\n\t}\n}"},
		{"an entry that is null", `{"auths":{"cgr.dev":null}}`, `{"auths":{"cgr.dev":{"auth":"AUTH"}}}`},
		{"a URL of the host stays", `{"auths":{"https://cgr.dev":{"auth":"eDp5"}}}`, `{"auths":{"https://cgr.dev":{"auth":"eDp5"},"cgr.dev":{"auth":"AUTH"}}}`},
	}
	for _, test := range tests {
		t.Run("I31 "+test.name, func(t *testing.T) {
			want := strings.ReplaceAll(test.after, "AUTH", auth)
			got, err := setLogin(content{text: []byte(test.before), exists: true}, host, auth)
			if err != nil || string(got.text) != want {
				t.Fatalf("got\n%s, %v, want\n%s", got.text, err, want)
			}
			if again, err := setLogin(got, host, auth); err != nil || !again.same(got) {
				t.Errorf("a second time: got\n%s, %v, want no change", again.text, err)
			}
		})
	}
}

func TestSetLogin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "docker", "config.json")
	f := load(t, path)
	if name, ok := f.Login(host); ok {
		t.Errorf("no file: got the login %q, want none", name)
	}
	changed, err := f.SetLogin(host, username, secret)
	if err != nil || !changed {
		t.Fatalf("got %v, %v, want a change", changed, err)
	}
	must(t, f.Save())
	wantText(t, path, "{\n\t\"auths\": {\n\t\t\"cgr.dev\": {\n\t\t\t\"auth\": \""+auth+"\"\n\t\t}\n\t}\n}")

	f = load(t, path)
	if name, ok := f.Login(host); !ok || name != username {
		t.Errorf("got the login %q, %v, want %q", name, ok, username)
	}
	if changed, err := f.SetLogin(host, username, secret); err != nil || changed {
		t.Errorf("a second time: got %v, %v, want no change", changed, err)
	}
	_, err = f.SetLogin(host, "another", secret)
	must(t, err)
	if diff := f.Diff(); diff != "" {
		t.Errorf("P13 got the diff\n%s, want no trace of a credential", diff)
	}
}

func TestSetLoginRefused(t *testing.T) {
	tests := []struct{ name, text, username, secret, want string }{
		{"no user name", "{}", "", secret, "needs a user name"},
		{"no secret", "{}", username, "", "needs a user name and a secret"},
		{"a colon", "{}", "a:b", secret, "colon"},
		{"a newline", "{}", username, "a\nb", "control characters"},
		{"a list", `{"auths": []}`, username, secret, "config.json:1:11: auths is not an object"},
		{"another case", `{"Auths": {}}`, username, secret, `config.json:1:2: some programs take the key "Auths" for "auths"`},
		{"twice", `{"auths": {"cgr.dev": {}, "cgr.dev": {}}}`, username, secret, `config.json:1:27: the key "cgr.dev" a second time`},
	}
	for _, test := range tests {
		t.Run("I32 "+test.name, func(t *testing.T) {
			f := load(t, writeFile(t, test.text))
			_, err := f.SetLogin(host, test.username, test.secret)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if strings.Contains(err.Error(), secret) || f.Changed() {
				t.Errorf("got %v, changed %v, want no secret and no change", err, f.Changed())
			}
		})
	}
}

// The error for a file that cannot be written has no secret.
func TestSetLoginUnwritable(t *testing.T) {
	unixOnly(t)
	dir := t.TempDir()
	f := load(t, filepath.Join(dir, ".docker", "config.json"))
	must(t, os.WriteFile(filepath.Join(dir, ".docker"), nil, 0o600)) // a file, not a folder
	_, err := f.SetLogin(host, username, secret)
	must(t, err)
	err = f.Check()
	wantRefused(t, err, "docker login cgr.dev")
	if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), auth) {
		t.Errorf("got %v, want no secret in it", err)
	}
}

// A login that another program writes in the meantime stays.
func TestSetLoginRaced(t *testing.T) {
	path := writeFile(t, `{"auths":{}}`)
	f := load(t, path)
	_, err := f.SetLogin(host, username, secret)
	must(t, err)
	f.raced = func() {
		f.raced = nil
		must(t, os.WriteFile(path, []byte(`{"auths":{"a.io":{"auth":"eDp5"}}}`), 0o600))
	}
	must(t, f.Save())
	wantText(t, path, `{"auths":{"a.io":{"auth":"eDp5"},"cgr.dev":{"auth":"`+auth+`"}}}`)
}

func FuzzSetLogin(f *testing.F) {
	for _, path := range corpus(f) {
		text, err := os.ReadFile(path)
		must(f, err)
		f.Add(text)
	}
	f.Add([]byte(`{"auths":{"cgr.dev":{"auth":"eDp5"}},"x":{}}`))
	f.Add([]byte(`{"auths":{"cgr.dev":7}}`))
	f.Add([]byte(`{"auths":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := content{text: text, exists: true}
		after, err := setLogin(before, host, auth)
		if err != nil {
			if !after.same(before) {
				t.Fatalf("got %q and %v, want no change", after.text, err)
			}
			return
		}
		d, err := parse(after.text)
		if err != nil {
			t.Fatalf("got %v of %q, want a configuration file", err, after.text)
		}
		if name, ok := (&File{doc: d}).Login(host); !ok || name != username {
			t.Fatalf("got the login %q, %v of %q, want %q", name, ok, after.text, username)
		}
		was, _ := parse(text)
		section, logins, _ := was.section(authsKey)
		// At most the entry was replaced, or an empty section.
		replaced := 0
		if i := logins.index(host); i >= 0 {
			replaced = logins.members[i].valueEnd - logins.members[i].value
		} else if section != nil && (logins == nil || len(logins.members) == 0) {
			replaced = section.valueEnd - section.value
		}
		lead := commonPrefix(text, after.text)
		trail := 0
		for trail < len(text)-lead && trail < len(after.text)-lead && text[len(text)-1-trail] == after.text[len(after.text)-1-trail] {
			trail++
		}
		if out := bytes.TrimSpace(text[lead : len(text)-trail]); len(out) > replaced {
			t.Fatalf("I31: %q became %q, without %q, want all but the entry still there", text, after.text, out)
		}
		got, want := decode(t, after.text), decode(t, text)
		all, _ := want[authsKey].(map[string]any)
		if all == nil {
			all = map[string]any{}
		}
		all[host], want[authsKey] = map[string]any{"auth": auth}, all
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if again, err := setLogin(after, host, auth); err != nil || !again.same(after) {
			t.Fatalf("a second time: got %q, %v, want %q", again.text, err, after.text)
		}
	})
}

// FuzzLogin compares with how Docker reads an entry.
func FuzzLogin(f *testing.F) {
	for _, seed := range []string{"eDp5", "eDp5Onk=", "Og==", "", "!", base64.StdEncoding.EncodeToString([]byte("a\nb:c"))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, auth string) {
		text, err := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]string{"auth": auth}}})
		must(t, err)
		d, err := parse(text)
		must(t, err)
		name, ok := (&File{doc: d}).Login(host)
		if ok != (auth != "") {
			t.Fatalf("got %q, %v of %q, want a login unless it is empty", name, ok, auth)
		}
		if pair, err := base64.StdEncoding.DecodeString(auth); err == nil && len(pair) > 0 && !strings.HasPrefix(string(pair)+":", name+":") {
			t.Fatalf("got %q of %q, want what is before the colon", name, pair)
		}
		if user, password, ok := (&File{doc: d}).Pair(host); ok && (user != name || password == "") {
			t.Fatalf("got %q and %q of %q, want the same user and a password", user, password, auth)
		}
	})
}

// People and clients write the host in different ways.
func TestPair(t *testing.T) {
	for _, test := range []struct{ name, text, username, password string }{
		{"as docker login writes", `{"auths":{"cgr.dev":{"auth":"AUTH"}}}`, username, secret},
		{"as the registry's documentation has it", `{"auths":{"https://cgr.dev":{"auth":"AUTH"}}}`, username, secret},
		{"with a path", `{"auths":{"https://cgr.dev/v2/":{"auth":"AUTH"}}}`, username, secret},
		{"the bare host before others", `{"auths":{"https://cgr.dev":{"auth":"eDp5"},"cgr.dev":{"auth":"AUTH"}}}`, username, secret},
		{"in the clear", `{"auths":{"cgr.dev":{"username":"x","password":"y:z"}}}`, "x", "y:z"},
		{"no password", `{"auths":{"cgr.dev":{"auth":"eA=="}}}`, "", ""},
		{"an identity token", `{"auths":{"cgr.dev":{"identitytoken":"t"}}}`, "", ""},
		{"no base64", `{"auths":{"cgr.dev":{"auth":"%"}}}`, "", ""},
		{"an entry that is null", `{"auths":{"cgr.dev":null}}`, "", ""},
		{"I29 a look-alike", `{"auths":{"cgr.dev.evil.example":{"auth":"AUTH"},"https://evil.example/cgr.dev":{"auth":"AUTH"},"notcgr.dev":{"auth":"AUTH"}}}`, "", ""},
		{"no auths", `{"credHelpers":{"cgr.dev":"cgr"}}`, "", ""},
		{"nothing", ``, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.json")
			if err := os.WriteFile(path, []byte(strings.ReplaceAll(test.text, "AUTH", auth)), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			user, password, ok := f.Pair(host)
			if user != test.username || password != test.password || ok != (test.username != "") {
				t.Errorf("got %q, %q, %v, want %q, %q", user, password, ok, test.username, test.password)
			}
		})
	}
}

// A configuration that is not in a file.
func TestParse(t *testing.T) {
	f, err := Parse("the secret", []byte(`{"auths":{"a.example":{"auth":"YTpi"}},"x":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.SetLogin("cgr.dev", "a", "b"); err != nil {
		t.Fatal(err)
	}
	if got, want := string(f.Text()), `{"auths":{"a.example":{"auth":"YTpi"},"cgr.dev":{"auth":"YTpi"}},"x":1}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if f, err := Parse("the secret", nil); err != nil || f.Exists() || len(f.Text()) != 0 {
		t.Errorf("got %v, %v, want no configuration", f, err)
	}
	if _, err := Parse("the secret", []byte(`{"auths":{}`)); err == nil || !strings.HasPrefix(err.Error(), "the secret:1:") {
		t.Errorf("got %v, want the name and the position", err)
	}
}
