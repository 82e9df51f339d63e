package dockerconfig

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestStandalone(t *testing.T) {
	const login = `"cgr.dev":{"auth":"b3JnL2lkOnNlY3JldA=="}` // org/id:secret
	for _, test := range []struct {
		name  string
		files []string
		want  string
	}{
		{"no file", nil, `{"auths":{` + login + `}}`},
		{"an empty file", []string{""}, `{"auths":{` + login + `}}`},
		{"our helper is replaced", []string{`{"credHelpers":{"cgr.dev":"cgr","gcr.io":"gcr"}}`}, `{"auths":{` + login + `},"credHelpers":{"gcr.io":"gcr"}}`},
		{"and so are other forms", []string{`{"credHelpers":{"https://cgr.dev":"cgr","cgr.dev/org":"x"},"auths":{"https://cgr.dev/v1/":{"auth":"eA=="}}}`}, `{"auths":{` + login + `}}`},
		{"look-alikes stay", []string{`{"credHelpers":{"cgr.dev.example":"x","apk.cgr.dev":"y"}}`}, `{"auths":{` + login + `},"credHelpers":{"apk.cgr.dev":"y","cgr.dev.example":"x"}}`},
		{"other settings stay", []string{`{"currentContext":"c","proxies":{"default":{"httpProxy":"http://p"}},"cliPluginsExtraDirs":["/d"],"n":1e400}`},
			`{"auths":{` + login + `},"cliPluginsExtraDirs":["/d"],"currentContext":"c","n":1e400,"proxies":{"default":{"httpProxy":"http://p"}}}`},
		{"other logins stay", []string{`{"auths":{"ghcr.io":{"auth":"eDp5"}}}`}, `{"auths":{` + login + `,"ghcr.io":{"auth":"eDp5"}}}`},
		{"a store becomes the helper of what is logged in to", []string{`{"credsStore":"desktop","auths":{"https://index.docker.io/v1/":{},"ghcr.io":{},"cgr.dev":{}},"credHelpers":{"ghcr.io":"gh"}}`},
			`{"auths":{` + login + `,"ghcr.io":{}},"credHelpers":{"ghcr.io":"gh","https://index.docker.io/v1/":"desktop"}}`},
		{"the first file wins", []string{`{"auths":{"a.io":{"auth":"eDp5"}},"x":1}`, `{"credHelpers":{"a.io":"a","b.io":"b"},"auths":{"c.io":{"auth":"eDp6"}},"x":2,"y":3}`},
			`{"auths":{"a.io":{"auth":"eDp5"},"c.io":{"auth":"eDp6"},` + login + `},"credHelpers":{"b.io":"b"},"x":1}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var files []*File
			for _, text := range test.files {
				path := filepath.Join(t.TempDir(), "config.json")
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				f, err := Load(path)
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, f)
			}
			got, err := Standalone("cgr.dev", "org/id", "secret", files...)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(decodeMembers(t, string(got)), decodeMembers(t, test.want)) {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	for _, pair := range [][2]string{{"", "s"}, {"u", ""}, {"a:b", "s"}} {
		if got, err := Standalone("cgr.dev", pair[0], pair[1]); err == nil {
			t.Errorf("%q: got %s, want an error", pair, got)
		}
	}
}

func decodeMembers(t *testing.T, text string) (root map[string]any) {
	t.Helper()
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	root = map[string]any{}
	for key, value := range raw {
		var v any
		if json.Unmarshal(value, &v) != nil {
			v = string(value) // a number that Go cannot hold
		}
		root[key] = v
	}
	return root
}

func TestStandaloneFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(`{"auths":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Standalone("cgr.dev", "org/id", "secret", f); err == nil || err.Error() != path+":1:10: auths is not an object" {
		t.Errorf("got %v, want an error with the position", err)
	}
}
