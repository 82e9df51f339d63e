package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/e2e/program"
)

// block is a fenced block of a page.
type block struct{ language, text string }

var fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// readBlocks returns the fenced blocks of a page of docs/ci.
func readBlocks(t *testing.T, page string) []block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(program.Root(), "docs", "ci", page))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	for _, found := range fence.FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, block{found[1], found[2]})
	}
	if n := strings.Count(string(text), "```"); n != 2*len(blocks) {
		t.Fatalf("%s has %d fences and %d blocks: one has no language, or no end", page, n, len(blocks))
	}
	return blocks
}

// createsIdentity reports whether a block creates the identity that the job assumes.
func (b block) createsIdentity() bool {
	return strings.HasPrefix(b.text, program.Name+" identities create ")
}

// pipeline is the configuration of a CI system.
type pipeline struct {
	scripts  []string          // each runs in its own shell
	environ  map[string]string // of all of them
	idTokens map[string]string // audiences of the ID tokens asked for, by the variable or path they come in
	// mayAskForIDTokens is the permission that some systems require.
	mayAskForIDTokens bool
}

// decode reads a block of YAML and refuses unknown keys, because the real system ignores misspelled
// keys.
func decode[T any](text string) (file T, err error) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	return file, decoder.Decode(&file)
}

func readShell(text string) (pipeline, error) {
	return pipeline{scripts: []string{text}}, nil
}

func readGitHub(text string) (p pipeline, err error) {
	file, err := decode[struct {
		Name        string
		On          any
		Permissions map[string]string
		Env         map[string]string
		Jobs        map[string]struct {
			RunsOn string `yaml:"runs-on"`
			Steps  []struct {
				Name, Run, Uses string
				With            map[string]string
			}
		}
	}](text)
	p.environ, p.mayAskForIDTokens = file.Env, file.Permissions["id-token"] == "write"
	for _, step := range file.Jobs["pull"].Steps {
		if step.Uses == "" {
			p.scripts = append(p.scripts, step.Run)
			continue
		}
		scripts, readErr := readAction(step.With)
		p.scripts, err = append(p.scripts, scripts...), errors.Join(err, readErr)
	}
	return p, err
}

// readAction returns the scripts of this project's GitHub Action on Linux, with the values of its
// inputs.
func readAction(with map[string]string) (scripts []string, err error) {
	text, err := os.ReadFile(filepath.Join(program.Root(), "action.yml"))
	if err != nil {
		return nil, err
	}
	action, err := decode[struct {
		Name, Description string
		Inputs            map[string]struct{ Description, Default string }
		Runs              struct {
			Using string
			Steps []struct {
				Name, If, Shell, Run string
				Env                  map[string]string
			}
		}
	}](string(text))
	for name := range with {
		if _, found := action.Inputs[name]; !found {
			err = errors.Join(err, fmt.Errorf("the action has no input %s", name))
		}
	}
	for _, step := range action.Runs.Steps {
		if step.Shell != "bash" {
			continue
		}
		script := ""
		for variable, value := range step.Env {
			for name, input := range action.Inputs {
				value = strings.ReplaceAll(value, "${{ inputs."+name+" }}", cmp.Or(with[name], input.Default))
			}
			script += "export " + variable + "='" + value + "'\n"
		}
		scripts = append(scripts, script+step.Run)
	}
	return scripts, err
}

func readGitLab(text string) (p pipeline, err error) {
	file, err := decode[map[string]struct {
		Image        string
		Services     []string
		IDTokens     map[string]struct{ Aud string } `yaml:"id_tokens"`
		Variables    map[string]string
		BeforeScript []string `yaml:"before_script"`
		Script       []string
	}](text)
	job := file["pull"]
	p.environ, p.idTokens = job.Variables, map[string]string{}
	for variable, token := range job.IDTokens {
		p.idTokens[variable] = token.Aud
	}
	p.scripts = []string{strings.Join(append(job.BeforeScript, job.Script...), "\n")}
	return p, err
}

func readCircleCI(text string) (p pipeline, err error) {
	file, err := decode[struct {
		Version string
		Jobs    map[string]struct {
			Machine     any
			Environment map[string]string
			Steps       []struct {
				Run struct{ Name, Command string }
			}
		}
		Workflows map[string]struct{ Jobs []string }
	}](text)
	for _, workflow := range file.Workflows {
		for _, name := range workflow.Jobs {
			p.environ = file.Jobs[name].Environment
			for _, step := range file.Jobs[name].Steps {
				p.scripts = append(p.scripts, step.Run.Command)
			}
		}
	}
	return p, err
}

func readBitbucket(text string) (p pipeline, err error) {
	file, err := decode[struct {
		Image     string
		Pipelines struct {
			Default []struct {
				Step struct {
					OIDC     bool
					Services []string
					Script   []string
				}
			}
		}
	}](text)
	for _, s := range file.Pipelines.Default {
		p.mayAskForIDTokens = s.Step.OIDC
		p.scripts = append(p.scripts, strings.Join(s.Step.Script, "\n"))
	}
	return p, err
}

func readBuildkite(text string) (p pipeline, err error) {
	file, err := decode[struct {
		Env   map[string]string
		Steps []struct {
			Label   string
			Command []string
		}
	}](text)
	p.environ = file.Env
	for _, step := range file.Steps {
		p.scripts = append(p.scripts, strings.Join(step.Command, "\n"))
	}
	return p, err
}

func readCloudBuild(text string) (p pipeline, err error) {
	file, err := decode[struct {
		ServiceAccount string `yaml:"serviceAccount"`
		Options        map[string]string
		Steps          []struct {
			Name   string
			Env    []string
			Script string
		}
	}](text)
	p.environ = map[string]string{}
	for _, step := range file.Steps {
		for _, entry := range step.Env {
			name, value, _ := strings.Cut(entry, "=")
			p.environ[name] = value
		}
		p.scripts = append(p.scripts, step.Script)
	}
	return p, err
}

var (
	jenkinsVariable = regexp.MustCompile(`(?m)^ +([A-Z_]+) = '([^']*)'`)
	jenkinsToken    = regexp.MustCompile(`withCredentials\(\[string\(credentialsId: '[^']+', variable: '([A-Z_]+)'\)\]\)`)
	jenkinsScript   = regexp.MustCompile(`(?s)sh '''(.*?)'''`)
)

// readJenkins reads the Jenkinsfile of the page. It is not a parser for all Jenkinsfiles.
func readJenkins(text string) (p pipeline, err error) {
	token, script := jenkinsToken.FindStringSubmatch(text), jenkinsScript.FindStringSubmatch(text)
	if token == nil || script == nil || strings.Count(text, "{") != strings.Count(text, "}") {
		return p, fmt.Errorf("a Jenkinsfile with no credential, no script or unpaired braces")
	}
	p.environ = map[string]string{}
	for _, found := range jenkinsVariable.FindAllStringSubmatch(text, -1) {
		p.environ[found[1]] = found[2]
	}
	p.idTokens = map[string]string{token[1]: ""} // the plugin's credential has the audience
	p.scripts = []string{script[1]}
	return p, nil
}

func readPod(text string) (p pipeline, err error) {
	type variable struct{ Name, Value string }
	type mount struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	}
	type volume struct {
		Name      string
		EmptyDir  map[string]string `yaml:"emptyDir"`
		Projected struct {
			Sources []struct {
				ServiceAccountToken struct {
					Path, Audience    string
					ExpirationSeconds int `yaml:"expirationSeconds"`
				} `yaml:"serviceAccountToken"`
			}
		}
	}
	type container struct {
		Name, Image  string
		Command      []string
		Args         []string
		Env          []variable
		VolumeMounts []mount `yaml:"volumeMounts"`
	}
	file, err := decode[struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   map[string]string
		Spec       struct {
			ServiceAccountName string      `yaml:"serviceAccountName"`
			RestartPolicy      string      `yaml:"restartPolicy"`
			InitContainers     []container `yaml:"initContainers"`
			Containers         []container
			Volumes            []volume
		}
	}](text)
	p.environ, p.idTokens = map[string]string{}, map[string]string{}
	volumes := map[string]volume{}
	for _, v := range file.Spec.Volumes {
		volumes[v.Name] = v
	}
	for _, container := range file.Spec.InitContainers { // of the program's own image
		p.scripts = append(p.scripts, program.Name+" "+strings.Join(container.Args, " "))
	}
	for _, container := range file.Spec.Containers {
		for _, v := range container.Env {
			p.environ[v.Name] = v.Value
		}
		for _, m := range container.VolumeMounts {
			for _, source := range volumes[m.Name].Projected.Sources {
				token := source.ServiceAccountToken
				p.idTokens[m.MountPath+"/"+token.Path] = token.Audience
			}
		}
		p.scripts = append(p.scripts, container.Args...)
	}
	return p, err
}

// and returns a pipeline with the scripts and settings of both.
func (p pipeline) and(next pipeline) pipeline {
	p.scripts = append(p.scripts, next.scripts...)
	p.environ, p.idTokens = merge(p.environ, next.environ), merge(p.idTokens, next.idTokens)
	p.mayAskForIDTokens = p.mayAskForIDTokens || next.mayAskForIDTokens
	return p
}

func merge(a, b map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

var pulls = regexp.MustCompile(`(?m)^.*\b(docker pull|crane digest) .*$`)

// pulls returns the lines that pull.
func (p pipeline) pulls() []string {
	return pulls.FindAllString(strings.Join(p.scripts, "\n"), -1)
}

// withoutPulls returns the scripts without those lines.
func (p pipeline) withoutPulls() (scripts []string) {
	for _, script := range p.scripts {
		scripts = append(scripts, pulls.ReplaceAllString(script, ""))
	}
	return scripts
}
