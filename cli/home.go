package cli

import (
	"errors"
	"os"
	"path/filepath"

	"docker-credential-cgr/dockerconfig"
	"docker-credential-cgr/state"
)

// dockerHome returns the home directory as Docker and Podman find it, or "": $HOME,
// whatever it is, else that of the user database.
func dockerHome() string {
	if home, err := os.UserHomeDir(); err == nil {
		return home
	}
	home, _ := state.Home(os.Getenv) // what needs one says so
	return home
}

// dockerPath returns the path of Docker's configuration, which is to be changed. None
// is made in the root directory, which is HOME where a container's user has no home.
func dockerPath() (string, error) {
	home := dockerHome()
	path, err := dockerconfig.DockerPath(os.Getenv, home)
	if err == nil && os.Getenv("DOCKER_CONFIG") == "" && filepath.Clean(home) == "/" && !exists(path) {
		return "", errors.New("HOME is the root directory, which is no place for Docker's configuration: set HOME, or DOCKER_CONFIG")
	}
	return path, err
}
