package references

import (
	"strings"
	"testing"
)

func TestKindOf(t *testing.T) {
	for _, test := range []struct {
		want  Kind
		names string // with spaces between
	}{
		{Dockerfile, "Dockerfile dockerfile Containerfile containerfile DOCKERFILE"},
		{Dockerfile, "a/b/Dockerfile ./Dockerfile /srv/Containerfile"},
		{Dockerfile, "Dockerfile.dev Dockerfile-dev dockerfile.prod.arm64 Containerfile.web Containerfile-ci Dockerfile_old"},
		{Dockerfile, "web.Dockerfile web.dockerfile api.prod.Containerfile"},
		{Dockerfile, "Dockerfile.go Dockerfile.js Dockerfile.py Dockerfile.rs"}, // which part they build
		{Dockerfile, "Dockerfile.yaml.tmpl"},
		{None, "dockerfile.go dockerfile.js dockerfile.py dockerfile.rs dockerfile.json containerfile.ts"}, // programs
		{None, "Dockerfile.dockerignore web.Dockerfile.dockerignore Dockerfile.md dockerfile.md"},
		{None, "Dockerfiles mydockerfile Dockerfile~ dockerfile/main.go Dockerfile/notes.txt"},
		{YAML, "compose.yaml compose.yml docker-compose.override.yml values.yaml pod.YAML a/b/c.Yml"},
		{YAML, ".gitlab-ci.yml .circleci/config.yml .yaml dockerfile.yaml dockerfile-lint.yml"},
		{YAML, "k8s/workflows/deep/x.yaml workflows.yaml my-action.yml actions.yaml"},
		{Workflow, ".github/workflows/ci.yml .github/workflows/ci.yaml a/.github/workflows/x.YML .github/workflows/dockerfile-lint.yml"},
		{Workflow, "action.yml action.yaml tools/setup/action.yml Action.yml"},
		{None, "compose.json compose.yaml.tmpl yaml yml README.md main.go workflows/run.sh action.ts"},
		{None, ". /"},
	} {
		for name := range strings.FieldsSeq(test.names) {
			t.Run(name, func(t *testing.T) {
				if got := KindOf(name); got != test.want {
					t.Errorf("got %d, want %d", got, test.want)
				}
			})
		}
	}
	t.Run("no name", func(t *testing.T) {
		if got := KindOf(""); got != None {
			t.Errorf("got %d, want none", got)
		}
	})
}

// Each kind is read by its own rules, and what is of no kind is not read.
func TestFind(t *testing.T) {
	const (
		dockerfile = "FROM cgr.dev/org/python:3.13\n"
		compose    = "image: cgr.dev/org/python:3.13\n"
		workflow   = "uses: docker://cgr.dev/org/python:3.13\n"
	)
	for _, test := range []struct {
		name string
		kind Kind
		text string
		want int
	}{
		{"a Dockerfile", Dockerfile, dockerfile, 1},
		{"YAML as a Dockerfile", Dockerfile, compose, 0},
		{"YAML", YAML, compose, 1},
		{"a workflow as other YAML", YAML, workflow, 0},
		{"a workflow", Workflow, workflow, 1},
		{"other YAML as a workflow", Workflow, compose, 1},
		{"no kind: a Dockerfile", None, dockerfile, 0},
		{"no kind: YAML", None, compose, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			found, _, err := Find(test.kind, []byte(test.text), "cgr.dev")
			if len(found) != test.want || err != nil && test.want > 0 {
				t.Fatalf("got %+v, %v, want %d of them", found, err, test.want)
			}
			for _, f := range found {
				if got := test.text[f.Start:f.End]; got != "cgr.dev/org/python:3.13" || f.Image.String() != "org/python:3.13" || f.Line != 1 {
					t.Errorf("got %q, %+v, want the reference in line 1", got, f)
				}
			}
		})
	}
}
