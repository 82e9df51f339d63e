package dockerconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"docker-credential-cgr/hint"
)

// DockerPath returns the path of the configuration file of Docker's command line:
// $DOCKER_CONFIG/config.json, else ~/.docker/config.json (docker/cli, cli/config). A
// $DOCKER_CONFIG that is a file is an error. A relative one counts from the current
// folder, as it does for Docker.
func DockerPath(getenv func(string) string, home string) (string, error) {
	if dir := getenv("DOCKER_CONFIG"); dir != "" {
		if info, err := os.Stat(dir); err == nil && info.Mode().IsRegular() {
			return "", hint.With(fmt.Errorf("DOCKER_CONFIG is %s, which is a file and not the directory of config.json", dir),
				hint.Set("DOCKER_CONFIG", filepath.Dir(dir)))
		}
		return filepath.Join(dir, "config.json"), nil
	}
	if err := checkHome(home, "DOCKER_CONFIG"); err != nil {
		return "", err
	}
	return filepath.Join(home, ".docker", "config.json"), nil
}

// PodmanPath returns the path of the file in which Podman, Skopeo and Buildah keep
// credentials beyond a session: $XDG_CONFIG_HOME/containers/auth.json, else
// ~/.config/containers/auth.json (containers-auth.json(5)).
func PodmanPath(getenv func(string) string, home string) (string, error) {
	dir := getenv("XDG_CONFIG_HOME")
	switch {
	case dir == "":
		if err := checkHome(home, "XDG_CONFIG_HOME"); err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".config")
	case !filepath.IsAbs(dir):
		// The XDG specification ignores a relative path, and Podman does not: the
		// file would depend on the current folder.
		return "", hint.With(fmt.Errorf("XDG_CONFIG_HOME is %q, want an absolute path", dir), hint.Unset("XDG_CONFIG_HOME"))
	}
	return filepath.Join(dir, "containers", "auth.json"), nil
}

// PodmanFiles returns the paths of the files in which Podman, Skopeo and Buildah look for
// a host, in their order. They need not exist. The first with an entry for the host
// decides. $REGISTRY_AUTH_FILE, or an existing config.json in $DOCKER_CONFIG, is the only
// one (container-libs, common/pkg/auth and image/pkg/docker/config).
func PodmanFiles(getenv func(string) string, home string) ([]string, error) {
	if path := getenv("REGISTRY_AUTH_FILE"); path != "" {
		return []string{path}, nil
	}
	docker, err := DockerPath(getenv, home)
	if err != nil {
		return nil, err
	}
	if getenv("DOCKER_CONFIG") != "" {
		if _, err := os.Stat(docker); err == nil {
			return []string{docker}, nil
		}
	}
	own, err := PodmanPath(getenv, home)
	if err != nil {
		return nil, err
	}
	if path := podmanRuntimePath(getenv); path != "" {
		return []string{path, own, docker}, nil
	}
	return []string{own, docker}, nil
}

// podmanRuntimePath returns the path of the file that `podman login` writes on Linux,
// which lasts as long as the user is logged in to the system. Elsewhere it is "".
func podmanRuntimePath(getenv func(string) string) string {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return ""
	}
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "containers", "auth.json")
	}
	path := filepath.Join(systemRunDir, strconv.Itoa(os.Getuid()), "auth.json")
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrPermission) {
		return "" // root made the folder for itself, so this user has no file in it
	}
	return path
}

// systemRunDir is where Podman has a folder for each user without XDG_RUNTIME_DIR. Tests
// change it.
var systemRunDir = "/run/containers"

func checkHome(home, instead string) error {
	if !filepath.IsAbs(home) {
		return hint.With(fmt.Errorf("the home folder is %q, want an absolute path", home), hint.Text("set HOME, or %s", instead))
	}
	return nil
}
