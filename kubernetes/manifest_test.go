package kubernetes

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// kinds returns the kinds of the documents in a manifest.
func kinds(t *testing.T, text string) []string {
	t.Helper()
	var list []string
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var object struct {
			Kind string
		}
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		list = append(list, object.Kind)
	}
}

func validManifest() Manifest {
	return Manifest{Name: "cgr-pull", Namespaces: []string{"web", "shop"}, Image: "registry.example/cgr:1", Schedule: "*/20 * * * *", Issuer: "issuer.enforce.dev"}
}

// The types of all fields are checked in e2e, against k8s.io/api.
func TestManifest(t *testing.T) {
	for _, test := range []struct {
		name         string
		change       func(*Manifest)
		kinds        string
		with, hasNot []string
	}{
		{"namespaces", func(*Manifest) {}, "Namespace ServiceAccount Role RoleBinding Role RoleBinding CronJob",
			[]string{`resourceNames: ["cgr-pull"]`, `args: ["kubernetes", "refresh-secret", "cgr-pull", "--namespace=web,shop"]`, `audience: "issuer.enforce.dev"`,
				`schedule: "*/20 * * * *"`, "--subject=system:serviceaccount:cgr-refresher:refresh-cgr-pull "}, []string{"Cluster", "serviceaccounts"}},
		{"selector", func(m *Manifest) { m.Namespaces, m.Selector = nil, "pull in (cgr, x),!y" }, "Namespace ServiceAccount ClusterRole ClusterRoleBinding CronJob",
			[]string{`"--selector=pull in (cgr, x),!y"`, `resources: ["namespaces"]`, `name: "cgr-refresher:refresh-cgr-pull"`}, nil},
		{"service accounts", func(m *Manifest) { m.ServiceAccounts = []string{"default", "ci"} }, "Namespace ServiceAccount Role RoleBinding Role RoleBinding CronJob",
			[]string{`resourceNames: ["default", "ci"]`, `"--service-account=default,ci"`}, nil},
		{"a Deployment", func(m *Manifest) { m.Schedule = "" }, "Namespace ServiceAccount Role RoleBinding Role RoleBinding Deployment", []string{`"--watch"]`}, []string{"restartPolicy"}},
		{"an existing namespace", func(m *Manifest) { m.JobNamespace = "ops" }, "ServiceAccount Role RoleBinding Role RoleBinding CronJob",
			[]string{"--subject=system:serviceaccount:ops:refresh-cgr-pull "}, []string{"cgr-refresher", "kind: Namespace"}},
		{"all else", func(m *Manifest) {
			m.Identity, m.Force, m.Env = identity, true, []EnvVar{{"CHAINGUARD_PLATFORM_ISSUER", "https://i.example"}}
		}, "Namespace ServiceAccount Role RoleBinding Role RoleBinding CronJob",
			[]string{`"--identity=` + identity + `", "--force"]`, `env: [{name: "CHAINGUARD_PLATFORM_ISSUER", value: "https://i.example"}]`}, nil},
		{"I75 names that YAML reads", func(m *Manifest) {
			m.Name, m.Namespaces, m.Image, m.Schedule = "true", []string{"1e3"}, `a"b{name}\n`, "# x: {{y}}"
		},
			"Namespace ServiceAccount Role RoleBinding CronJob", []string{`image: "a\"b{name}\\n"`, `schedule: "# x: {{y}}"`}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := validManifest()
			test.change(&m)
			yaml, err := m.YAML()
			if err != nil {
				t.Fatal(err)
			}
			text := string(yaml)
			if got := strings.Join(kinds(t, text), " "); got != test.kinds {
				t.Errorf("got %s, want %s", got, test.kinds)
			}
			for _, part := range test.with {
				if !strings.Contains(text, part) {
					t.Errorf("got no %s in:\n%s", part, text)
				}
			}
			for _, part := range test.hasNot {
				if strings.Contains(text, part) {
					t.Errorf("got %s in:\n%s", part, text)
				}
			}
		})
	}
}

func TestManifestRefused(t *testing.T) {
	for name, change := range map[string]func(*Manifest){
		"no namespace":         func(m *Manifest) { m.Namespaces = nil },
		"no name":              func(m *Manifest) { m.Name = "" },
		"a long name":          func(m *Manifest) { m.Name = strings.Repeat("a", 45) },
		"a bad namespace":      func(m *Manifest) { m.Namespaces = []string{"web", "a.b"} },
		"a bad job namespace":  func(m *Manifest) { m.JobNamespace = "A" },
		"a bad account":        func(m *Manifest) { m.ServiceAccounts = []string{"a\nb"} },
		"an empty account":     func(m *Manifest) { m.ServiceAccounts = []string{""} },
		"I75 a bad selector":   func(m *Manifest) { m.Selector = "a=$(id)" },
		"a blank selector":     func(m *Manifest) { m.Selector = " " },
		"no image":             func(m *Manifest) { m.Image = "" },
		"I75 line in an image": func(m *Manifest) { m.Image = "a\nb" },
		"blank in an image":    func(m *Manifest) { m.Image = "a b" },
		"line in a schedule":   func(m *Manifest) { m.Schedule = "a\x1b" },
	} {
		t.Run(name, func(t *testing.T) {
			m := validManifest()
			change(&m)
			text, err := m.YAML()
			if err == nil || text != nil || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("got %q, %v, want a printable error", text, err)
			}
		})
	}
	m := validManifest()
	if m.Name = strings.Repeat("a", 44); m.Check() != nil {
		t.Errorf("got %v, want the longest name accepted", m.Check())
	}
}

// Whatever is accepted is YAML of the same objects.
func FuzzManifest(f *testing.F) {
	f.Add("cgr-pull", "web", "pull=cgr", "default", "image", "* * * * *", "id", "issuer")
	f.Add("true", "1e3", "", "", "a\"b", "{name}\u2028", "\"", "{rules}")
	f.Fuzz(func(t *testing.T, name, namespace, selector, account, image, schedule, id, issuer string) {
		m := Manifest{Name: name, Namespaces: []string{namespace}, Selector: selector, Image: image, Schedule: schedule, Identity: id, Issuer: issuer}
		if account != "" {
			m.ServiceAccounts = []string{account}
		}
		text, err := m.YAML()
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b\x00") {
				t.Errorf("got %q, want one printable line", err)
			}
			return
		}
		if got := kinds(t, string(text)); !slices.Contains(got, "Role") || len(got) != 5 {
			t.Errorf("got %q, want five objects", got)
		}
	})
}
