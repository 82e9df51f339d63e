package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// installer runs install.sh as a user with a home of their own.
type installer struct {
	t        *testing.T
	home     string
	releases string
	path     string // PATH
}

func newInstaller(t *testing.T, releases string) *installer {
	if hostTarget.os == "windows" {
		t.Skip("install.ps1 is for Windows")
	}
	home := t.TempDir()
	return &installer{t, home, releases, filepath.Join(home, ".local/bin") + ":" + os.Getenv("PATH")}
}

func (i *installer) run(args ...string) (output string, err error) {
	install := exec.Command("sh", append([]string{"../install.sh"}, args...)...)
	install.Env = []string{"HOME=" + i.home, "PATH=" + i.path, "RELEASES=" + i.releases}
	out, err := install.CombinedOutput()
	return string(out), err
}

// fails runs install.sh, which must print want, and leave no file of its own.
func (i *installer) fails(want string, args ...string) {
	i.t.Helper()
	output, err := i.run(args...)
	if err == nil || !strings.Contains(output, want) {
		i.t.Errorf("got %q, %v, want an error with %q", output, err, want)
	}
	err = filepath.WalkDir(i.home, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			i.t.Errorf("%s was left behind", path)
		}
		return err
	})
	if err != nil {
		i.t.Error(err)
	}
}

// installed are the files in a home directory after an installation.
var installed = []string{
	".local/bin/" + program, ".local/share/man/man1/" + program + ".1", ".local/share/bash-completion/completions/" + program,
	".local/share/fish/vendor_completions.d/" + program + ".fish", ".local/share/zsh/site-functions/_" + program, ".docker/cli-plugins/docker-cgr",
}

func testInstall(t *testing.T, releases string) {
	i := newInstaller(t, releases)
	if os.Geteuid() == 0 { // for root, the folder would be /usr/local/bin
		t.Log("as root, with --dir")
	}
	dir := filepath.Join(i.home, ".local/bin")
	output, err := i.run("--dir", dir)
	if err != nil || !strings.Contains(output, "Installed "+program+" "+testVersion+" in "+dir) {
		t.Fatalf("got %q, %v", output, err)
	}
	for _, name := range installed {
		if _, err := os.Stat(filepath.Join(i.home, name)); err != nil {
			t.Error(err)
		}
	}
	version, err := exec.Command(filepath.Join(dir, program), "version").Output()
	if err != nil || !strings.Contains(string(version), testVersion) {
		t.Errorf("version: got %q, %v", version, err)
	}
	if output, err := i.run("--dir", dir); err != nil {
		t.Errorf("a second time: got %q, %v", output, err)
	}
	config := filepath.Join(i.home, ".docker", "config.json")
	if err := os.WriteFile(config, []byte(`{"credHelpers": {"cgr.dev": "cgr"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := i.run("--dir", dir, "--uninstall"); err != nil || !strings.Contains(output, config+" still names the helper") {
		t.Errorf("--uninstall: got %q, %v", output, err)
	}
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	i.fails("does not exist", "--dir", dir, "--uninstall")
}

func TestInstallFromServer(t *testing.T) {
	server := httptest.NewServer(http.FileServer(http.Dir(hostRelease(t))))
	defer server.Close()
	testInstall(t, server.URL+"/")
}

func TestInstallFromFolder(t *testing.T) { testInstall(t, hostRelease(t)) }

// served returns an installer for the release of this machine as change makes it.
func served(t *testing.T, change func(name string, data []byte) (changed []byte, found bool)) *installer {
	folder := hostRelease(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := filepath.Base(r.URL.Path)
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err == nil && change != nil {
			var found bool
			if data, found = change(name, data); !found {
				err = os.ErrNotExist
			}
		}
		if err != nil {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(data)
	}))
	t.Cleanup(server.Close)
	return newInstaller(t, server.URL)
}

// only changes one file.
func only(changed string, change func([]byte) ([]byte, bool)) func(string, []byte) ([]byte, bool) {
	return func(name string, data []byte) ([]byte, bool) {
		if name != changed {
			return data, true
		}
		return change(data)
	}
}

func TestInstallRefuses(t *testing.T) {
	missing := func([]byte) ([]byte, bool) { return nil, false }
	cut := func(data []byte) ([]byte, bool) { return data[:len(data)/2], true }
	for _, test := range []struct {
		name, want string
		change     func(string, []byte) ([]byte, bool)
	}{
		{"a missing list", "cannot download", only("checksums.txt", missing)},
		{"a list that was cut", "names no archive", only("checksums.txt", func(data []byte) ([]byte, bool) {
			at := bytes.Index(data, []byte(hostArchive()))
			return data[:at+10], true
		})},
		{"a page instead of the list", "names no archive", only("checksums.txt", func([]byte) ([]byte, bool) {
			return []byte("<html>sign in</html>"), true
		})},
		{"two versions in the list", "names several archives", only("checksums.txt", func(data []byte) ([]byte, bool) {
			return append(data, bytes.ReplaceAll(data, []byte(testVersion), []byte("0.1.3"))...), true
		})},
		{"a missing archive", "cannot download", only(hostArchive(), missing)},
		{"an archive that was cut", "wrong checksum", only(hostArchive(), cut)},
		{"another archive", "wrong checksum", only(hostArchive(), func(data []byte) ([]byte, bool) {
			data[len(data)/2] ^= 1
			return data, true
		})},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := served(t, test.change)
			i.fails(test.want, "--dir", filepath.Join(i.home, "bin"))
		})
	}
	t.Run("another version", func(t *testing.T) {
		i := served(t, nil)
		i.fails("has version "+testVersion+", want 9.9.9", "--version", "v9.9.9", "--dir", filepath.Join(i.home, "bin"))
	})
	t.Run("no releases", func(t *testing.T) {
		i := newInstaller(t, "")
		i.fails("RELEASES is not set", "--dir", filepath.Join(i.home, "bin"))
	})
	t.Run("wrong arguments", func(t *testing.T) {
		i := newInstaller(t, "")
		i.fails("unknown argument: --frob", "--frob")
		i.fails("invalid version", "--version", "../x")
		i.fails("--dir needs a value", "--dir")
	})
}

// A script that was cut anywhere does nothing.
func TestInstallCut(t *testing.T) {
	script, err := os.ReadFile("../install.sh")
	if err != nil {
		t.Fatal(err)
	}
	i := newInstaller(t, hostRelease(t))
	dir := filepath.Join(i.home, "bin")
	for end := 0; end < len(script)-len("main \"$@\"\n"); end += 97 {
		install := exec.Command("sh", "-s", "--", "--dir", dir)
		install.Env = []string{"HOME=" + i.home, "PATH=" + i.path, "RELEASES=" + i.releases}
		install.Stdin = bytes.NewReader(script[:end])
		_ = install.Run()
		if _, err := os.Stat(dir); err == nil {
			t.Fatalf("the first %d bytes installed the program", end)
		}
	}
}

// A folder that is not in PATH, and another program in front of it, are said.
func TestInstallWarns(t *testing.T) {
	i := newInstaller(t, hostRelease(t))
	i.path = os.Getenv("PATH")
	dir := filepath.Join(i.home, "bin")
	if output, err := i.run("--dir", dir); err != nil || !strings.Contains(output, dir+" is not in PATH") {
		t.Errorf("got %q, %v", output, err)
	}
	other := filepath.Join(i.home, "other")
	if err := os.MkdirAll(other, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/bin/true", filepath.Join(other, program)); err != nil {
		t.Fatal(err)
	}
	i.path = other + ":" + dir + ":" + i.path
	if output, err := i.run("--dir", dir); err != nil || !strings.Contains(output, other+"/"+program+" comes first in PATH") {
		t.Errorf("got %q, %v", output, err)
	}
}

// The scripts of the CircleCI orb, the GitLab component and the dev container feature install
// the program.
func TestIntegrations(t *testing.T) {
	server := httptest.NewServer(http.FileServer(http.Dir(hostRelease(t))))
	defer server.Close()
	var orb struct {
		Commands struct {
			Setup struct {
				Steps []struct {
					Run struct {
						Command     string
						Environment map[string]string
					}
				}
			}
		}
	}
	unmarshal(t, read(t, "../integrations/circleci/orb.yml"), &orb)
	_, component, _ := strings.Cut(string(read(t, "../templates/docker-credential-cgr.yml")), "\n---\n")
	var jobs map[string]struct {
		BeforeScript []string `yaml:"before_script"`
	}
	unmarshal(t, []byte(component), &jobs)
	lines := jobs["."+program].BeforeScript
	if !strings.HasPrefix(lines[len(lines)-1], program+" configure-docker --identity") {
		t.Errorf("got the last line %q of the component", lines[len(lines)-1])
	}
	gitlab := strings.NewReplacer("$[[ inputs.releases ]]", server.URL, "$[[ inputs.version ]]", "").Replace(strings.Join(lines[:len(lines)-1], "\n"))

	for name, script := range map[string]string{
		"CircleCI":      orb.Commands.Setup.Steps[0].Run.Command,
		"GitLab":        gitlab,
		"dev container": string(read(t, "../integrations/devcontainer/docker-credential-cgr/install.sh")),
	} {
		t.Run(name, func(t *testing.T) {
			i := newInstaller(t, server.URL)
			dir := filepath.Join(i.home, ".local/bin")
			command := exec.Command("bash", "-eu", "-o", "pipefail", "-c", script)
			command.Env = []string{
				"HOME=" + i.home, "PATH=" + i.path, "RELEASES=" + i.releases, "VERSION=", "IDENTITY=", "DIR=" + dir,
				"BASH_ENV=" + filepath.Join(i.home, "bash_env"),
			}
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
				t.Error(err)
			}
		})
	}
	for _, variable := range []string{"RELEASES", "VERSION", "IDENTITY"} {
		if value := orb.Commands.Setup.Steps[0].Run.Environment[variable]; value != "<< parameters."+strings.ToLower(variable)+" >>" {
			t.Errorf("the orb's %s is %q", variable, value)
		}
	}
}

func unmarshal(t *testing.T, text []byte, value any) {
	t.Helper()
	if err := yaml.Unmarshal(text, value); err != nil {
		t.Fatal(err)
	}
}
