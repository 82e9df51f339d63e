package command

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"docker-credential-cgr/state"
)

// Without HOME, Docker uses the home directory in the user database.
func TestDockerPathWithoutHOME(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not use HOME")
	}
	t.Setenv("DOCKER_CONFIG", "")
	t.Setenv("HOME", "")
	want, err := state.Home(os.Getenv)
	if err != nil {
		t.Skipf("this user has no home: %v", err)
	}
	if got, err := DockerPath(); err != nil || got != filepath.Join(want, ".docker", "config.json") {
		t.Errorf("got %q, %v, want it below %s", got, err, want)
	}
}

func TestDockerPathInTheRootDirectory(t *testing.T) {
	if runtime.GOOS == "windows" || Exists("/.docker/config.json") {
		t.Skip("there is a file already")
	}
	t.Setenv("DOCKER_CONFIG", "")
	t.Setenv("HOME", "/")
	if got, err := DockerPath(); err == nil || !strings.Contains(new(App).OneLine(err), "DOCKER_CONFIG") {
		t.Errorf("got %q, %v, want an error that names DOCKER_CONFIG", got, err)
	}
	t.Setenv("DOCKER_CONFIG", "/.docker") // as a user may set it
	if got, err := DockerPath(); err != nil || got != "/.docker/config.json" {
		t.Errorf("got %q, %v, want what DOCKER_CONFIG names", got, err)
	}
}
