package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"docker-credential-cgr/dockerconfig"
)

const configure = name + " configure-docker"

// docker checks that Docker asks this program about the registry.
func (p *Patient) docker() []Result {
	const check = "docker"
	host := p.Config.Registry.Host
	path, err := dockerconfig.DockerPath(p.Getenv, p.Home)
	if err != nil {
		mend := "set HOME to your home directory, or DOCKER_CONFIG"
		if dir := p.Getenv("DOCKER_CONFIG"); dir != "" {
			mend = "export DOCKER_CONFIG=" + quoted(filepath.Dir(dir))
		}
		return []Result{failure(check, mend, "%v", err)}
	}
	file, err := dockerconfig.Load(path)
	if err != nil {
		return []Result{unreadable(check, path, err)}
	}
	results := []Result{p.registration(check, file)}
	if snap, err := p.LookPath("docker"); err == nil && strings.HasPrefix(snap, "/snap/") {
		// https://snapcraft.io/docs/snap-confinement: it sees neither this file nor PATH.
		results[0] = failure(check, "install Docker from its own packages (https://docs.docker.com/engine/install), and run: sudo snap remove docker",
			"docker is a snap (%s): it reads %s, not %s, and cannot run programs from outside", snap, filepath.Join(p.Home, "snap/docker/current/.docker/config.json"), path)
	}
	registered := results[0].Status == OK
	for _, f := range file.Findings(host, helper) {
		at := fmt.Sprintf("%s:%d", path, f.Line)
		switch {
		case f.Kind == dockerconfig.Login:
			results = append(results, warning(check, removeLogin(path, f), "%s: %s", at, f.Text))
		case f.Kind == dockerconfig.OtherKey && registered && f.Helper != helper:
			results = append(results, warning(check, fmt.Sprintf("remove %q from credHelpers in %s (line %d)", f.Key, path, f.Line), "%s: %s", at, f.Text))
		case f.Kind == dockerconfig.Store && f.Helper == helper:
			results = append(results, warning(check, fmt.Sprintf("remove credsStore from %s (line %d), then run: %s", path, f.Line, configure),
				"%s: credsStore is %q, so Docker brings every registry's credentials here, where only those for %s are kept", at, helper, host))
		}
	}
	if dockerconfig.EnvLogin(p.Getenv("DOCKER_AUTH_CONFIG"), host) {
		results = append(results, warning(check, "unset DOCKER_AUTH_CONFIG", "DOCKER_AUTH_CONFIG holds a credential for %s, which Docker takes in place of any helper's", host))
	}
	return results
}

// registration checks that file names this program for the registry.
func (p *Patient) registration(check string, file *dockerconfig.File) Result {
	host := p.Config.Registry.Host
	named, there := file.Helper(host)
	switch {
	case there && named == helper:
		return ok(check, "%s registers "+name+" for %s", file.Path, host)
	case there:
		for _, f := range file.Findings(host, helper) {
			if f.Kind == dockerconfig.OtherHelper {
				return failure(check, configure+" --replace", "%s:%d: %s", file.Path, f.Line, f.Text)
			}
		}
	}
	if !there && isStore(file, host) {
		return ok(check, "%s names "+name+" for every registry (credsStore)", file.Path)
	}
	says := fmt.Sprintf("%s does not register %s for %s", file.Path, name, host)
	if !file.Exists() {
		says = fmt.Sprintf("there is no %s to register %s for %s", file.Path, name, host)
	}
	for _, f := range file.Findings(host, helper) {
		if f.Kind == dockerconfig.OtherKey {
			says += fmt.Sprintf("; on line %d %s", f.Line, f.Text)
		}
	}
	return failure(check, configure, "%s", says)
}

// isStore reports whether file names this program as the store of every registry's
// credentials.
func isStore(file *dockerconfig.File, host string) bool {
	return slices.ContainsFunc(file.Findings(host, helper), func(f dockerconfig.Finding) bool {
		return f.Kind == dockerconfig.Store && f.Helper == helper
	})
}

// unreadable returns the failure for a client's file that cannot be read, or whose text
// is not a configuration.
func unreadable(check, path string, err error) Result {
	if errors.Is(err, fs.ErrPermission) {
		return fromError(check, err, "make "+quoted(path)+" readable for you")
	}
	return failure(check, "correct or remove "+quoted(path)+", then run: "+configure, "%v", err)
}

// removeLogin says how to take out the credential that f found.
func removeLogin(path string, f dockerconfig.Finding) string {
	return fmt.Sprintf("remove %q from auths in %s (line %d)", f.Key, path, f.Line)
}

// podman checks that Podman, Skopeo and Buildah ask this program about the registry.
// Where there is no sign of them it finds nothing.
func (p *Patient) podman() []Result {
	const check = "podman"
	host := p.Config.Registry.Host
	paths, err := dockerconfig.PodmanFiles(p.Getenv, p.Home)
	if err != nil {
		if !p.hasPodman() {
			return nil
		}
		return []Result{failure(check, "set HOME to your home folder", "%v", err)}
	}
	if docker, err := dockerconfig.DockerPath(p.Getenv, p.Home); !p.hasPodman() && err == nil {
		own := slices.DeleteFunc(slices.Clone(paths), func(path string) bool { return path == docker || !exists(path) })
		if len(own) == 0 {
			return nil
		}
	}
	var files []*dockerconfig.File
	for _, path := range paths {
		file, err := dockerconfig.Load(path)
		if dir := p.Getenv("XDG_RUNTIME_DIR"); err != nil && dir != "" && strings.HasPrefix(path, dir) {
			if owner, known := ownerOf(dir); known && owner != p.EUID {
				return []Result{warning(check, "unset XDG_RUNTIME_DIR",
					"XDG_RUNTIME_DIR is %s, which belongs to another user (left over from su?): Podman cannot read its files there", dir)}
			}
		}
		if err != nil {
			return []Result{unreadable(check, path, err)}
		}
		files = append(files, file)
	}
	if path, obstacle, found := dockerconfig.Shadow(files, host, helper); found {
		return []Result{failure(check, p.pastObstacle(path, obstacle), "%s:%d: %s; Podman looks there first", path, obstacle.Line, obstacle.Text)}
	}
	for _, file := range files {
		if named, there := file.Helper(host); there && named == helper {
			return []Result{ok(check, "%s registers "+name+" for %s", file.Path, host)}
		}
	}
	if path := p.Getenv("REGISTRY_AUTH_FILE"); path != "" {
		return []Result{warning(check, "unset REGISTRY_AUTH_FILE",
			"Podman reads %s alone (REGISTRY_AUTH_FILE), which does not register %s for %s", path, name, host)}
	}
	return []Result{warning(check, configure, "none of the files that Podman reads registers %s for %s", name, host)}
}

// pastObstacle says what to do about what keeps Podman from asking.
func (p *Patient) pastObstacle(path string, f dockerconfig.Finding) string {
	own, err := dockerconfig.PodmanPath(p.Getenv, p.Home)
	switch {
	case f.Kind == dockerconfig.Login && (err != nil || path != own):
		return removeLogin(path, f)
	case f.Kind == dockerconfig.Login:
		return configure // within one file a helper comes before a credential
	case err == nil && path == own, !strings.HasSuffix(path, "auth.json"):
		return configure + " --replace"
	}
	return fmt.Sprintf("in %s, line %d, write %q in place of %q", path, f.Line, helper, f.Helper)
}

// hasPodman says whether a program that reads Podman's files is in PATH.
func (p *Patient) hasPodman() bool {
	return slices.ContainsFunc([]string{"podman", "skopeo", "buildah"}, func(program string) bool {
		_, err := p.LookPath(program)
		return err == nil
	})
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
