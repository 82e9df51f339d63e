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
		{"no file content", "", `{"auths": {"cgr.dev": {"auth": "AUTH"}}}`},
		{"empty object", "{}\n", `{"auths":{"cgr.dev":{"auth":"AUTH"}}}` + "\n"},
		{"empty object in lines", "{\n}\n", "{\n  \"auths\": {\n    \"cgr.dev\": {\n      \"auth\": \"AUTH\"\n    }\n  }\n}\n"},
		{"as Docker writes", "{\n\t\"auths\": {\n\t\t\"a.io\": {\n\t\t\t\"auth\": \"eA==\"\n\t\t}\n\t}\n}", "{\n\t\"auths\": {\n\t\t\"a.io\": {\n\t\t\t\"auth\": \"eA==\"\n\t\t},\n\t\t\"cgr.dev\": {\n\t\t\t\"auth\": \"AUTH\"\n\t\t}\n\t}\n}"},
		{"empty auths", "{\n\t\"auths\": {}\n}", "{\n\t\"auths\": { \"cgr.dev\": {\"auth\": \"AUTH\"} }\n}"},
		{"no auths", "{\r\n  \"a\": 1\r\n}", "{\r\n  \"a\": 1,\r\n  \"auths\": {\r\n    \"cgr.dev\": {\r\n      \"auth\": \"AUTH\"\r\n    }\r\n  }\r\n}"},
		{"in one line", `{"auths": {"a.io": {}}, "a": 1}`, `{"auths": {"a.io": {}, "cgr.dev": {"auth": "AUTH"}}, "a": 1}`},
		{"the former secret alone goes", "{\n \"auths\": {\"cgr.dev\": { \"auth\" : \"eDp5\" },\n  \"b.io\": {}}}", "{\n \"auths\": {\"cgr.dev\": { \"auth\" : \"AUTH\" },\n  \"b.io\": {}}}"},
		{"what would go before it goes", `{"auths":{"cgr.dev":{"auth":"eDp5","identitytoken":"t"},"b.io":{}}}`, `{"auths":{"cgr.dev":{"auth":"AUTH"},"b.io":{}}}`},
		{"an empty entry", "{\n\t\"auths\": {\n\t\t\"cgr.dev\": {}\n\t}\n}", "{\n\t\"auths\": {\n\t\t\"cgr.dev\": {\n\t\t\t\"auth\": \"AUTH\"\n\t\t}\n\t}\n}"},
		{"an entry that is none", `{"auths":{"cgr.dev":null}}`, `{"auths":{"cgr.dev":{"auth":"AUTH"}}}`},
		{"another spelling of the host stays", `{"auths":{"https://cgr.dev":{"auth":"eDp5"}}}`, `{"auths":{"https://cgr.dev":{"auth":"eDp5"},"cgr.dev":{"auth":"AUTH"}}}`},
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
	diff := f.Diff()
	if want := "-\t\t\t\"auth\": \"***\"\n+\t\t\t\"auth\": \"***\"\n"; !strings.Contains(diff, want) {
		t.Errorf("P13 got the diff\n%s, want the line changed and masked", diff)
	}
}

func TestSetLoginRefused(t *testing.T) {
	tests := []struct{ name, text, username, secret, want string }{
		{"no user name", "{}", "", secret, "needs a user name"},
		{"no secret", "{}", username, "", "needs a user name and a secret"},
		{"a colon", "{}", "a:b", secret, "colon"},
		{"a newline", "{}", username, "a\nb", "control characters"},
		{"a list", `{"auths": []}`, username, secret, "config.json:1:11: auths holds"},
		{"null", `{"auths": null}`, username, secret, "config.json:1:11: auths holds"},
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

// A file that cannot be written is told before and after, without the secret.
func TestSetLoginUnwritable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	must(t, os.Symlink(filepath.Join(t.TempDir(), "gone", "config.json"), path))
	f := load(t, path)
	_, err := f.SetLogin(host, username, secret)
	must(t, err)
	err = f.Check()
	if err == nil || !strings.Contains(err.Error(), "docker login cgr.dev") || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), auth) {
		t.Errorf("got %v, want what to do, without the secret", err)
	}
}

// Another program's login, made meanwhile, stays.
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
	f.Fuzz(func(t *testing.T, text []byte) {
		before := content{text: text, exists: true}
		after, err := setLogin(before, host, auth)
		if err != nil {
			if !after.same(before) {
				t.Fatalf("got %q beside %v, want no change", after.text, err)
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
		// One place changed: at most the entry's value was taken out of it.
		lead, trail := 0, 0
		for lead < len(text) && lead < len(after.text) && text[lead] == after.text[lead] {
			lead++
		}
		for trail < len(text)-lead && trail < len(after.text)-lead && text[len(text)-1-trail] == after.text[len(after.text)-1-trail] {
			trail++
		}
		was, _ := parse(text)
		logins, _ := was.logins()
		m, i := logins.find(host)
		if out := bytes.TrimSpace(text[lead : len(text)-trail]); i < 0 && len(out) > 0 || i >= 0 && len(out) > m.valueEnd-m.value {
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

// FuzzLogin reads what others wrote: what Docker's own way of reading gives.
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
			t.Fatalf("got %q, %v of %q, want a login where there is something", name, ok, auth)
		}
		if pair, err := base64.StdEncoding.DecodeString(auth); err == nil && len(pair) > 0 && !strings.HasPrefix(string(pair)+":", name+":") {
			t.Fatalf("got %q of %q, want what is before the colon", name, pair)
		}
		if user, password, ok := (&File{doc: d}).Pair(host); ok && (user != name || password == "") {
			t.Fatalf("got %q and %q of %q, want the same user and a password", user, password, auth)
		}
	})
}

// The credential of a registry, in the spellings that people and clients write.
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
		{"an entry that is none", `{"auths":{"cgr.dev":null}}`, "", ""},
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
