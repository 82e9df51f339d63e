package dockerconfig

import (
	"path/filepath"
	"strings"
	"testing"

	"docker-credential-cgr/hint"
)

func TestPaths(t *testing.T) {
	unixOnly(t)
	const runtimeDir = "/run/user/1000"
	existing := filepath.Dir(writeFile(t, "{}"))
	tests := []struct {
		name string
		env  map[string]string
		home string
		got  func(func(string) string, string) (string, error)
		want string // a path, several with spaces, or part of an error
	}{
		{"Docker", nil, "/home/me", DockerPath, "/home/me/.docker/config.json"},
		{"Docker, DOCKER_CONFIG", map[string]string{"DOCKER_CONFIG": "/d"}, "", DockerPath, "/d/config.json"},
		{"Docker, relative DOCKER_CONFIG", map[string]string{"DOCKER_CONFIG": "d"}, "/home/me", DockerPath, "d/config.json"},
		{"I24 Docker, no home", nil, "", DockerPath, "set HOME, or DOCKER_CONFIG"},
		{"I24 Docker, relative home", nil, "me", DockerPath, "set HOME, or DOCKER_CONFIG"},
		{"Podman", nil, "/home/me", PodmanPath, "/home/me/.config/containers/auth.json"},
		{"Podman, XDG_CONFIG_HOME", map[string]string{"XDG_CONFIG_HOME": "/x"}, "", PodmanPath, "/x/containers/auth.json"},
		{"I24 Podman, relative XDG_CONFIG_HOME", map[string]string{"XDG_CONFIG_HOME": "x"}, "/home/me", PodmanPath, "XDG_CONFIG_HOME is"},
		{"I24 Podman, no home", nil, "", PodmanPath, "set HOME, or XDG_CONFIG_HOME"},
		{"I29 files", map[string]string{"XDG_RUNTIME_DIR": runtimeDir}, "/home/me", podmanFiles, runtimeDir + "/containers/auth.json /home/me/.config/containers/auth.json /home/me/.docker/config.json"},
		{"I29 files, REGISTRY_AUTH_FILE", map[string]string{"REGISTRY_AUTH_FILE": "/a.json", "DOCKER_CONFIG": existing}, "/home/me", podmanFiles, "/a.json"},
		{"I29 files, DOCKER_CONFIG", map[string]string{"XDG_RUNTIME_DIR": runtimeDir, "DOCKER_CONFIG": existing}, "/home/me", podmanFiles, existing + "/config.json"},
		{"I29 files, empty DOCKER_CONFIG", map[string]string{"XDG_RUNTIME_DIR": runtimeDir, "DOCKER_CONFIG": "/none"}, "/home/me", podmanFiles, runtimeDir + "/containers/auth.json /home/me/.config/containers/auth.json /none/config.json"},
		{"I24 files, no home", nil, "", podmanFiles, "set HOME"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.got(func(name string) string { return test.env[name] }, test.home)
			if err != nil {
				got = err.Error() + "; " + hint.Of(err)[0].Text
			}
			if got != test.want && (err == nil || !strings.Contains(got, test.want)) {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// podmanFiles joins the result of PodmanFiles, with a runtime file also on systems that
// have none.
func podmanFiles(getenv func(string) string, home string) (string, error) {
	files, err := PodmanFiles(getenv, home)
	if err == nil && len(files) == 2 {
		files = append([]string{filepath.Join(getenv("XDG_RUNTIME_DIR"), "containers", "auth.json")}, files...)
	}
	return strings.Join(files, " "), err
}
