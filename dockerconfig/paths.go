package dockerconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// DockerPath is where Docker's command line keeps its configuration:
// $DOCKER_CONFIG/config.json, else ~/.docker/config.json (docker/cli,
// cli/config). A $DOCKER_CONFIG that is a file is an error. A relative $DOCKER_CONFIG counts from the working folder, as it
// does for Docker.
func DockerPath(getenv func(string) string, home string) (string, error) {
	if dir := getenv("DOCKER_CONFIG"); dir != "" {
		if info, err := os.Stat(dir); err == nil && info.Mode().IsRegular() {
			return "", fmt.Errorf("DOCKER_CONFIG is %s, a file, where Docker wants the directory that holds config.json: set it to %s", dir, filepath.Dir(dir))
		}
		return filepath.Join(dir, "config.json"), nil
	}
	if err := checkHome(home, "DOCKER_CONFIG"); err != nil {
		return "", err
	}
	return filepath.Join(home, ".docker", "config.json"), nil
}

// PodmanPath is the file of Podman, Skopeo and Buildah that outlives a session:
// $XDG_CONFIG_HOME/containers/auth.json, else ~/.config/containers/auth.json
// (containers-auth.json(5)).
func PodmanPath(getenv func(string) string, home string) (string, error) {
	dir := getenv("XDG_CONFIG_HOME")
	switch {
	case dir == "":
		if err := checkHome(home, "XDG_CONFIG_HOME"); err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".config")
	case !filepath.IsAbs(dir):
		// The XDG specification has a relative one ignored, Podman does not: the
		// file would be another in every folder.
		return "", fmt.Errorf("XDG_CONFIG_HOME is %q, want an absolute path: set it to one, or unset it", dir)
	}
	return filepath.Join(dir, "containers", "auth.json"), nil
}

// PodmanFiles lists the files in which Podman, Skopeo and Buildah look for a
// host, in their order; the first that knows it decides. They need not exist.
// $REGISTRY_AUTH_FILE, or a config.json in $DOCKER_CONFIG, is the only one where
// it is set (container-libs, common/pkg/auth and image/pkg/docker/config).
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

// podmanRuntimePath is where `podman login` writes: a file that lasts as long as
// the user is logged in on Linux, the one in the home folder elsewhere ("").
func podmanRuntimePath(getenv func(string) string) string {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return ""
	}
	dir := getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		return filepath.Join("/run/containers", strconv.Itoa(os.Getuid()), "auth.json")
	}
	return filepath.Join(dir, "containers", "auth.json")
}

func checkHome(home, instead string) error {
	if !filepath.IsAbs(home) {
		return fmt.Errorf("the home folder is %q, want an absolute path: set HOME, or %s", home, instead)
	}
	return nil
}
