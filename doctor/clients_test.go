package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// clients is somebody with files of Docker's and Podman's, by their path below HOME,
// in which HOST stands for the registry.
func clients(t *testing.T, files, env map[string]string) *Checker {
	t.Helper()
	p := newChecker(t)
	p.Config.Registry = parse(t, "https://cgr.dev")
	for path, text := range files {
		path = filepath.Join(p.Home, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	values := map[string]string{"HOME": p.Home, "XDG_RUNTIME_DIR": filepath.Join(p.Home, "run")}
	for name, value := range env {
		values[name] = strings.ReplaceAll(value, "HOME", p.Home)
	}
	p.Getenv = getenv(values)
	return p
}

const (
	dockerFile  = ".docker/config.json"
	ownFile     = ".config/containers/auth.json"
	runtimeFile = "run/containers/auth.json"

	registered = `{"credHelpers":{"cgr.dev":"cgr"}}`
	withLogin  = `{"auths":{"cgr.dev":{"auth":"YTpi"}}}`
)

func TestDocker(t *testing.T) {
	for _, test := range []struct {
		name, file   string
		env          map[string]string
		status       Status // of the worst
		message, fix string // of the worst
	}{
		{"registered", registered, nil, OK, "registers docker-credential-cgr for cgr.dev", ""},
		{"not registered", `{}`, nil, Failure, "does not register docker-credential-cgr for cgr.dev", configure},
		{"I37 a key of another form", `{"credHelpers":{"https://cgr.dev/v1/":"cgr"}}`, nil, Failure, `on line 1 the key "https://cgr.dev/v1/" names "cgr"`, configure},
		{"I37 beside, by another helper", `{"credHelpers":{"cgr.dev":"cgr","https://cgr.dev":"chainctl"}}`, nil, Warning, `the key "https://cgr.dev" names "chainctl"`, `remove "https://cgr.dev" from credHelpers`},
		{"I37 beside, by us", `{"credHelpers":{"cgr.dev":"cgr","https://cgr.dev":"cgr"}}`, nil, OK, "registers", ""},
		{"I37 another helper", `{"credHelpers":{"cgr.dev":"desktop.exe"}}`, nil, Failure, `"desktop.exe" (a Windows program, which WSL may not find), not "cgr"`, configure + " --replace"},
		{"I13 the store for all", `{"credsStore":"cgr","credHelpers":{"cgr.dev":"cgr"}}`, nil, Warning, `credsStore is "cgr"`, "remove credsStore from "},
		{"I13 the store for all, alone", `{"credsStore":"cgr"}`, nil, Warning, `credsStore is "cgr"`, "remove credsStore from "},
		{"another store, alone", `{"credsStore":"desktop"}`, nil, Failure, "does not register docker-credential-cgr for cgr.dev", configure},
		{"I13 the store for all, another helper for us", `{"credsStore":"cgr","credHelpers":{"cgr.dev":"chainctl"}}`, nil, Failure, `is "chainctl", not "cgr"`, configure + " --replace"},
		{"another store", `{"credsStore":"desktop","credHelpers":{"cgr.dev":"cgr"}}`, nil, OK, "registers", ""},
		{"I29 a login", `{"auths":{"cgr.dev":{"auth":"YTpi"}},"credHelpers":{"cgr.dev":"cgr"}}`, nil, Warning, `auths holds a credential for "cgr.dev"`, `remove "cgr.dev" from auths in `},
		{"I29 the environment's", registered, map[string]string{"DOCKER_AUTH_CONFIG": withLogin}, Warning, "DOCKER_AUTH_CONFIG has a credential", "unset DOCKER_AUTH_CONFIG"},
		{"I30 a comma too many", "{\n\"a\": 1,\n}", nil, Failure, "config.json:3:1: invalid JSON", "correct or remove "},
		{"I30 a list", `[]`, nil, Failure, "config.json:1:1: ", "correct or remove "},
		{"P14 a key that drives terminals", `{"credHelpers":{"cgr.dev":"cgr","https://cgr.dev/\u001b[31m":"x"}}`, nil, Warning, `\x1b[31m`, `\x1b[31m`},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := clients(t, map[string]string{dockerFile: test.file}, test.env)
			var got Result
			for _, r := range p.checkDocker() {
				sound(t, r)
				if got.Check == "" || r.Status != OK && got.Status != Failure {
					got = r
				}
			}
			want(t, got, test.status, test.message, test.fix)
			if strings.Contains(got.Message+fixText(got), "YTpi") {
				t.Errorf("P13 got %+v, want no credential in it", got)
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		want(t, clients(t, nil, nil).checkDocker()[0], Failure, "there is no ", configure)
	})
	t.Run("I24 no home", func(t *testing.T) {
		p := clients(t, nil, nil)
		p.Home = ""
		want(t, p.checkDocker()[0], Failure, "the home folder is", "set HOME to your home directory, or DOCKER_CONFIG")
	})
	t.Run("a folder", func(t *testing.T) {
		p := clients(t, map[string]string{dockerFile + "/x": ""}, nil)
		want(t, p.checkDocker()[0], Failure, "is not a regular file", "correct or remove ")
	})
	if os.Geteuid() != 0 && os.PathSeparator == '/' {
		t.Run("unreadable", func(t *testing.T) {
			p := clients(t, map[string]string{dockerFile: registered}, nil)
			path := filepath.Join(p.Home, dockerFile)
			if err := os.Chmod(path, 0); err != nil {
				t.Fatal(err)
			}
			want(t, p.checkDocker()[0], Failure, "permission denied", "chmod u+r "+path)
		})
	}
}

func TestPodman(t *testing.T) {
	for _, test := range []struct {
		name         string
		files, env   map[string]string
		status       Status
		message, fix string
	}{
		{"Docker's file", map[string]string{dockerFile: registered, ownFile: `{}`}, nil, OK, "config.json registers", ""},
		{"its own file", map[string]string{ownFile: registered}, nil, OK, "auth.json registers", ""},
		{"nowhere", map[string]string{ownFile: `{}`}, nil, Warning, "none of the files that Podman reads", configure},
		{"I29 a login in its own file", map[string]string{dockerFile: registered, ownFile: withLogin}, nil, Failure, "auth.json:1: auths holds a credential", configure},
		{"I29 a login in the session's file", map[string]string{dockerFile: registered, runtimeFile: withLogin}, nil, Failure, "Podman looks there first", `remove "cgr.dev" from auths in `},
		{"I37 another helper in its own file", map[string]string{ownFile: `{"credHelpers":{"cgr.dev":"gcloud"}}`}, nil, Failure, `is "gcloud", not "cgr"`, configure + " --replace"},
		{"I37 another helper in the session's", map[string]string{runtimeFile: `{"credHelpers":{"cgr.dev":"gcloud"}}`}, nil, Failure, `is "gcloud", not "cgr"`, `line 1, write "cgr" in place of "gcloud"`},
		{"I37 another helper in Docker's file", map[string]string{ownFile: `{}`, dockerFile: `{"credHelpers":{"cgr.dev":"gcloud"}}`}, nil, Failure, `is "gcloud", not "cgr"`, configure + " --replace"},
		{"a helper beats a login in the same file", map[string]string{ownFile: `{"auths":{"cgr.dev":{"auth":"YTpi"}},"credHelpers":{"cgr.dev":"cgr"}}`}, nil, OK, "auth.json registers", ""},
		{"one chosen for all", map[string]string{dockerFile: registered, "mine.json": `{}`}, map[string]string{"REGISTRY_AUTH_FILE": "HOME/mine.json"}, Warning, "(REGISTRY_AUTH_FILE)", "unset REGISTRY_AUTH_FILE"},
		{"I30 broken", map[string]string{ownFile: `{`}, nil, Failure, "auth.json:1:1: invalid JSON", "correct or remove "},
	} {
		t.Run(test.name, func(t *testing.T) {
			want(t, only(t, clients(t, test.files, test.env).checkPodman(), "podman"), test.status, test.message, test.fix)
		})
	}
	t.Run("no sign of it", func(t *testing.T) {
		if got := clients(t, map[string]string{dockerFile: registered}, nil).checkPodman(); got != nil {
			t.Errorf("got %+v, want nothing", got)
		}
		p := clients(t, nil, nil)
		p.Home = ""
		if got := p.checkPodman(); got != nil {
			t.Errorf("got %+v without a home, want nothing", got)
		}
	})
	t.Run("in PATH alone", func(t *testing.T) {
		p := clients(t, map[string]string{dockerFile: registered}, nil)
		p.LookPath = func(program string) (string, error) {
			if program == "skopeo" {
				return "/usr/bin/skopeo", nil
			}
			return "", errors.New("not found")
		}
		want(t, only(t, p.checkPodman(), "podman"), OK, "config.json registers", "")
		p.Home = ""
		want(t, only(t, p.checkPodman(), "podman"), Failure, "the home folder is", "set HOME to your home directory")
	})
}

// Where Docker reads another file than the one that is there, the right command is
// named.
func TestDockerElsewhere(t *testing.T) {
	p := clients(t, map[string]string{dockerFile: registered}, map[string]string{"DOCKER_CONFIG": "HOME/" + dockerFile})
	got := p.checkDocker()
	if len(got) != 1 || got[0].Status != Failure || !strings.Contains(got[0].Message, "a file and not the directory") || fixText(got[0]) != "export DOCKER_CONFIG="+filepath.Join(p.Home, ".docker") {
		t.Errorf("DOCKER_CONFIG is a file: got %+v, want a failure with the directory", got)
	}

	p = clients(t, map[string]string{dockerFile: registered}, nil)
	p.LookPath = func(string) (string, error) { return "/snap/bin/docker", nil }
	if got := p.checkDocker(); got[0].Status != Failure || !strings.Contains(got[0].Message, "docker is a snap (/snap/bin/docker): it reads "+p.Home+"/snap/docker/current/.docker/config.json") {
		t.Errorf("Docker is a snap: got %+v, want a failure that says what it reads", got)
	}

	p = clients(t, map[string]string{dockerFile: registered}, map[string]string{"XDG_RUNTIME_DIR": "HOME/other"})
	dir := filepath.Join(p.Home, "other")
	// A directory in the file's place, so that it cannot be read by root either.
	if err := os.MkdirAll(filepath.Join(dir, "containers", "auth.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 12345, 12345); err != nil {
		t.Skipf("only root can give a directory away: %v", err)
	}
	if got := p.checkPodman(); len(got) != 1 || got[0].Status != Warning || fixText(got[0]) != "unset XDG_RUNTIME_DIR" {
		t.Errorf("XDG_RUNTIME_DIR of another user: got %+v, want the advice to unset it", got)
	}
}
