package tempconfig

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"docker-credential-cgr/dockerconfig"
	"docker-credential-cgr/state"
)

// Config is the configuration of a command: a copy of the user's, with a credential.
type Config struct {
	Folder *Folder
	Host   string // of the registry

	docker, podman, helm []*dockerconfig.File
}

// The files in a folder. Docker requires the name of the first one.
const (
	dockerFile = "config.json"
	podmanFile = "auth.json"
	helmFile   = "helm.json"
)

// New reads the configurations of Docker, Podman and Helm, whose environment getenv returns.
// home is the user's home directory; without one, only what the environment names is read. The
// rest of Docker's folder, such as contexts and plugins, is linked into the folder.
func New(folder *Folder, host string, getenv func(string) string, home string) (*Config, error) {
	c := &Config{Folder: folder, Host: host}
	if !filepath.IsAbs(home) { // a container whose user has no entry in the user database
		home = filepath.Join(folder.Path, "home") // does not exist
	}
	path, err := dockerconfig.DockerPath(getenv, home)
	if err != nil {
		return nil, err
	}
	podman, err := dockerconfig.PodmanFiles(getenv, home)
	if err != nil {
		return nil, err
	}
	for _, load := range []struct {
		into  *[]*dockerconfig.File
		paths []string
	}{{&c.docker, []string{path}}, {&c.podman, podman}, {&c.helm, []string{helmPath(getenv, home), path}}} {
		for _, path := range load.paths {
			f, err := dockerconfig.Load(path)
			if err != nil {
				return nil, err
			}
			*load.into = append(*load.into, f)
		}
	}
	return c, linkOthers(filepath.Dir(path), folder.Path)
}

// linkOthers links all files of Docker's folder but those whose names are needed.
func linkOthers(from, into string) error {
	from, err := filepath.Abs(from)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if slices.Contains([]string{dockerFile, podmanFile, helmFile, npmFile, netrcFile, bundleFile}, entry.Name()) {
			continue
		}
		if linkErr := os.Symlink(filepath.Join(from, entry.Name()), filepath.Join(into, entry.Name())); linkErr != nil {
			if runtime.GOOS == "windows" {
				return nil // a link may need a right that few users have
			}
			err = errors.Join(err, linkErr)
		}
	}
	return err
}

// helmPath returns the path of the file in which Helm stores logins to registries
// (https://helm.sh/docs/helm/helm/).
func helmPath(getenv func(string) string, home string) string {
	dir := getenv("HELM_CONFIG_HOME")
	switch path := getenv("HELM_REGISTRY_CONFIG"); {
	case path != "":
		return path
	case dir != "":
	case getenv("XDG_CONFIG_HOME") != "":
		dir = filepath.Join(getenv("XDG_CONFIG_HOME"), "helm")
	case runtime.GOOS == "windows":
		dir = filepath.Join(getenv("APPDATA"), "helm")
	case runtime.GOOS == "darwin":
		dir = filepath.Join(home, "Library", "Preferences", "helm")
	default:
		dir = filepath.Join(home, ".config", "helm")
	}
	return filepath.Join(dir, "registry", "config.json")
}

// Login is a credential for the registry, or for the host of packages.
type Login struct {
	Username, Secret string
	IsToken          bool      // the secret is an access token, which tools may send as Bearer
	Due              time.Time // when to replace it; zero: never
}

// Write writes the files with a credential, in place of an earlier one.
func (c *Config) Write(login Login) error {
	for name, files := range map[string][]*dockerconfig.File{dockerFile: c.docker, podmanFile: c.podman, helmFile: c.helm} {
		text, err := dockerconfig.Standalone(c.Host, login.Username, login.Secret, files...)
		if err != nil {
			return err
		}
		if err := state.WriteFile(filepath.Join(c.Folder.Path, name), text); err != nil {
			return err
		}
	}
	return nil
}

// renewalCheck is how often it is checked whether the credential is due. A timer for the whole
// time would not count the time that a laptop sleeps.
const renewalCheck = 30 * time.Second

// Renew calls write with the credential that fetch returns whenever the last one is due, until
// ctx ends. After an error it tries again. Without a time it is never due.
func Renew(ctx context.Context, due time.Time, fetch func(context.Context) (Login, error), write func(Login) error) {
	tick := time.NewTicker(renewalCheck)
	defer tick.Stop()
	for !due.IsZero() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if time.Now().Round(0).Before(due) {
			continue
		}
		login, err := fetch(ctx)
		if err == nil && write(login) == nil {
			due = login.Due
		}
	}
}

// Environ returns the variables that make clients use the configuration.
func (c *Config) Environ() []string {
	return []string{
		"DOCKER_CONFIG=" + c.Folder.Path,
		"REGISTRY_AUTH_FILE=" + filepath.Join(c.Folder.Path, podmanFile),
		"HELM_REGISTRY_CONFIG=" + filepath.Join(c.Folder.Path, helmFile),
	}
}
