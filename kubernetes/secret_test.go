package kubernetes

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const password = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwdWxsLXRva2VuIn0.c2lnbmF0dXJl"

var valid = Secret{
	Name: "cgr-pull", Namespace: "prod", Registry: "cgr.dev",
	Username: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/0123456789abcdef", Password: password,
	Expires: time.Date(2026, 10, 31, 13, 0, 0, 999, time.FixedZone("", 3600)),
}

// object is a Secret as Kubernetes parses it.
type object struct {
	APIVersion string `json:"apiVersion" yaml:"apiVersion"`
	Kind       string `json:"kind" yaml:"kind"`
	Metadata   struct {
		Name        string            `json:"name" yaml:"name"`
		Namespace   string            `json:"namespace" yaml:"namespace"`
		Annotations map[string]string `json:"annotations" yaml:"annotations"`
	} `json:"metadata" yaml:"metadata"`
	Type string            `json:"type" yaml:"type"`
	Data map[string]string `json:"data" yaml:"data"`
}

// read parses both forms of a secret strictly, and checks that they are equal.
func read(t *testing.T, s Secret) object {
	t.Helper()
	asYAML, err := s.YAML()
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var one, other object
	decoder := yaml.NewDecoder(strings.NewReader(string(asYAML)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&one); err != nil {
		t.Fatalf("%v in:\n%s", err, asYAML)
	}
	strict := json.NewDecoder(strings.NewReader(string(asJSON)))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&other); err != nil {
		t.Fatalf("%v in:\n%s", err, asJSON)
	}
	if !reflect.DeepEqual(one, other) {
		t.Fatalf("got %+v as YAML, %+v as JSON, want the same", one, other)
	}
	return one
}

// check checks that an object is the secret and has nothing else.
func (o object) check(t *testing.T, s Secret) {
	t.Helper()
	if o.APIVersion != "v1" || o.Kind != "Secret" || o.Type != "kubernetes.io/dockerconfigjson" || o.Metadata.Name != s.Name || o.Metadata.Namespace != s.Namespace {
		t.Errorf("got %+v, want the secret %s in %q", o, s.Name, s.Namespace)
	}
	wantNotes := 1
	if !s.Expires.IsZero() {
		wantNotes++
		if got, err := time.Parse(time.RFC3339, o.Metadata.Annotations[ExpiresAnnotation]); err != nil || !got.Equal(s.Expires.Truncate(time.Second)) {
			t.Errorf("got the end %s, %v, want %s", got, err, s.Expires)
		}
	}
	if notes := o.Metadata.Annotations; len(notes) != wantNotes || notes[IdentityAnnotation] != s.Username {
		t.Errorf("got the annotations %q, want the identity %q", notes, s.Username)
	}
	config, err := base64.StdEncoding.DecodeString(o.Data[".dockerconfigjson"])
	if err != nil || len(o.Data) != 1 {
		t.Fatalf("got the data %q, %v, want one key", o.Data, err)
	}
	var file map[string]map[string]map[string]string
	if err := json.Unmarshal(config, &file); err != nil {
		t.Fatal(err)
	}
	if len(file) != 1 || len(file["auths"]) != 1 || len(file["auths"][s.Registry]) != 1 {
		t.Errorf("19 got %s, want only this registry's credential", config)
	}
	pair, err := base64.StdEncoding.DecodeString(file["auths"][s.Registry]["auth"])
	if err != nil || string(pair) != s.Username+":"+s.Password {
		t.Errorf("got another pair (%v), want the given one", err)
	}
}

func TestSecret(t *testing.T) {
	for name, change := range map[string]func(*Secret){
		"all":                        func(*Secret) {},
		"no namespace":               func(s *Secret) { s.Namespace = "" },
		"no end":                     func(s *Secret) { s.Expires = time.Time{} },
		"registry with a port":       func(s *Secret) { s.Registry = "localhost:5000" },
		"I75 name that YAML reads":   func(s *Secret) { s.Name, s.Namespace = "true", "1e3" },
		"I75 user that YAML reads":   func(s *Secret) { s.Username = "null" },
		"I75 user with quotes":       func(s *Secret) { s.Username = `a" 'b' # $(id) {{c}} \n` },
		"I75 user in another script": func(s *Secret) { s.Username = "имя 😀 \u2028\ufeff" },
		"password with a colon":      func(s *Secret) { s.Password = `a:b"c\` },
		"longest names":              func(s *Secret) { s.Name, s.Namespace = strings.Repeat("a.", 126)+"a", strings.Repeat("b", 63) },
	} {
		t.Run(name, func(t *testing.T) {
			s := valid
			change(&s)
			read(t, s).check(t, s)
		})
	}
	t.Run("text", func(t *testing.T) {
		s := valid
		s.Password = "token"
		want := `apiVersion: v1
kind: Secret
metadata:
  name: "cgr-pull"
  namespace: "prod"
  annotations:
    docker-credential-cgr/identity: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/0123456789abcdef"
    docker-credential-cgr/expires: "2026-10-31T12:00:00Z"
type: kubernetes.io/dockerconfigjson
data:
  .dockerconfigjson: eyJhdXRocyI6eyJjZ3IuZGV2Ijp7ImF1dGgiOiJZV0ZoWVdGaFlXRmhZV0ZoWVdGaFlXRmhZV0ZoWVdGaFlXRmhZV0ZoWVdGaFlXRmhZV0ZoWVM4d01USXpORFUyTnpnNVlXSmpaR1ZtT25SdmEyVnUifX19
`
		if got, err := s.YAML(); err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	})
}

func TestSecretRefused(t *testing.T) {
	for name, change := range map[string]func(*Secret){
		"no name":                    func(s *Secret) { s.Name = "" },
		"upper case":                 func(s *Secret) { s.Name = "Pull" },
		"underscore":                 func(s *Secret) { s.Name = "a_b" },
		"hyphen first":               func(s *Secret) { s.Name = "-a" },
		"hyphen last":                func(s *Secret) { s.Name = "a-" },
		"hyphen before a dot":        func(s *Secret) { s.Name = "a-.b" },
		"two dots":                   func(s *Secret) { s.Name = "a..b" },
		"dot last":                   func(s *Secret) { s.Name = "a." },
		"name of 254":                func(s *Secret) { s.Name = strings.Repeat("a", 254) },
		"name of 10 KB":              func(s *Secret) { s.Name = strings.Repeat("A", 10<<10) },
		"I75 newline in the name":    func(s *Secret) { s.Name = "a\nkind: Pod" },
		"I75 $( ) in the name":       func(s *Secret) { s.Name = "$(id)" },
		"another script":             func(s *Secret) { s.Name = "имя" },
		"ESC in the name":            func(s *Secret) { s.Name = "a\x1b[2J" },
		"namespace with a dot":       func(s *Secret) { s.Namespace = "a.b" },
		"namespace of 64":            func(s *Secret) { s.Namespace = strings.Repeat("a", 64) },
		"I75 newline in a namespace": func(s *Secret) { s.Namespace = "a\n" },
		"no user":                    func(s *Secret) { s.Username = "" },
		"colon in the user":          func(s *Secret) { s.Username = "a:b" },
		"newline in the user":        func(s *Secret) { s.Username = "a\nb" },
		"C1 in the user":             func(s *Secret) { s.Username = "a\u009b" },
		"user that is not UTF-8":     func(s *Secret) { s.Username = "\xff" },
		"no password":                func(s *Secret) { s.Password = "" },
		"newline in the password":    func(s *Secret) { s.Password += "\n" },
		"password that is not UTF-8": func(s *Secret) { s.Password += "\xff" },
	} {
		t.Run(name, func(t *testing.T) {
			s := valid
			change(&s)
			asYAML, errYAML := s.YAML()
			asJSON, errJSON := s.JSON()
			if errYAML == nil || errJSON == nil || asYAML != nil || asJSON != nil {
				t.Fatalf("got %q, %v and %q, %v, want only errors", asYAML, errYAML, asJSON, errJSON)
			}
			text := errYAML.Error()
			if strings.ContainsAny(text, "\n\x1b") || strings.Contains(text, password[:16]) || len(text) > 600 {
				t.Errorf("P13 P14 got %q, want one short printable line without the password", text)
			}
			if bad := CheckNames(s.Name, s.Namespace); (bad != nil) != (s.Name != valid.Name || s.Namespace != valid.Namespace) {
				t.Errorf("got %v from CheckNames, want it to check only the names", bad)
			}
		})
	}
}

// Both forms of a secret have all of its values, or it is refused.
func FuzzSecret(f *testing.F) {
	f.Add("cgr-pull", "prod", "cgr.dev", "user", "password", int64(1_800_000_000))
	f.Add("true", "1e3", "localhost:5000", "a\" # {{ $(id)\u2028\U0001f600", "x:y", int64(0))
	f.Add("a\nkind: Pod", "", "cgr.dev", "\xff", "\x00", int64(-1))
	f.Fuzz(func(t *testing.T, name, namespace, registry, username, password string, end int64) {
		s := Secret{Name: name, Namespace: namespace, Registry: registry, Username: username, Password: password}
		if end != 0 {
			s.Expires = time.Unix(end, 0)
		}
		if _, err := s.YAML(); err != nil {
			if text := err.Error(); strings.ContainsAny(text, "\n\r\x1b\x00") {
				t.Errorf("got %q, want one printable line", text)
			}
			return
		}
		read(t, s).check(t, s)
	})
}
