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
	"docker-credential-cgr/hint"
)

// helper is the name of this program in the clients' configuration.
func (c *Checker) helper() string { return strings.TrimPrefix(c.Name, "docker-credential-") }

// checkDocker checks that Docker uses this program for the registry.
func (c *Checker) checkDocker() []Result {
	const check = "docker"
	host, helper := c.Config.Registry.Host, c.helper()
	path, err := dockerconfig.DockerPath(c.Getenv, c.Home)
	if err != nil {
		fix := hint.Text("set HOME to your home directory, or DOCKER_CONFIG")
		if dir := c.Getenv("DOCKER_CONFIG"); dir != "" {
			fix = hint.Set("DOCKER_CONFIG", filepath.Dir(dir))
		}
		return []Result{failure(check, err.Error(), fix)}
	}
	file, err := dockerconfig.Load(path)
	if err != nil {
		return []Result{unreadable(check, path, err)}
	}
	results := []Result{c.checkRegistration(check, file)}
	if snap, err := c.LookPath("docker"); err == nil && strings.HasPrefix(snap, "/snap/") {
		// https://snapcraft.io/docs/snap-confinement: it can read neither this file nor PATH.
		results[0] = failure(check, fmt.Sprintf("docker is a snap (%s): it reads %s, not %s, and cannot run programs from outside",
			snap, filepath.Join(c.Home, "snap/docker/current/.docker/config.json"), path),
			hint.Text("install Docker from its own packages (https://docs.docker.com/engine/install), and run: sudo snap remove docker"))
	}
	registered := results[0].Status == OK
	for _, f := range file.Findings(host, helper) {
		message := fmt.Sprintf("%s:%d: %s", path, f.Line, f.Text)
		switch {
		case f.Kind == dockerconfig.Login:
			results = append(results, warning(check, message, removeLogin(path, f)))
		case f.Kind == dockerconfig.OtherKey && registered && f.Helper != helper:
			results = append(results, warning(check, message, hint.Text("remove %q from credHelpers in %s (line %d)", f.Key, path, f.Line)))
		case f.Kind == dockerconfig.Store && f.Helper == helper:
			message = fmt.Sprintf("%s:%d: credsStore is %q, so Docker uses this program for all registries, and it stores credentials for %s only",
				path, f.Line, helper, host)
			results = append(results, warning(check, message,
				hint.Text("remove credsStore from %s (line %d)", path, f.Line), hint.Do(hint.ConfigureDocker)))
		}
	}
	if dockerconfig.EnvLogin(c.Getenv("DOCKER_AUTH_CONFIG"), host) {
		results = append(results, warning(check, "DOCKER_AUTH_CONFIG has a credential for "+host+", which Docker uses instead of a helper's",
			hint.Unset("DOCKER_AUTH_CONFIG")))
	}
	return results
}

// checkRegistration checks that file names this program for the registry.
func (c *Checker) checkRegistration(check string, file *dockerconfig.File) Result {
	host, helper := c.Config.Registry.Host, c.helper()
	findings := file.Findings(host, helper)
	named, found := file.Helper(host)
	isStore := slices.ContainsFunc(findings, func(f dockerconfig.Finding) bool {
		return f.Kind == dockerconfig.Store && f.Helper == helper
	})
	switch {
	case found && named == helper:
		return ok(check, "%s registers %s for %s", file.Path, c.Name, host)
	case !found && isStore:
		return ok(check, "%s names %s for every registry (credsStore)", file.Path, c.Name)
	}
	message := fmt.Sprintf("%s does not register %s for %s", file.Path, c.Name, host)
	if !file.Exists() {
		message = fmt.Sprintf("there is no %s to register %s for %s", file.Path, c.Name, host)
	}
	for _, f := range findings {
		switch {
		case found && f.Kind == dockerconfig.OtherHelper:
			return failure(check, fmt.Sprintf("%s:%d: %s", file.Path, f.Line, f.Text), hint.Do(hint.ReplaceHelper))
		case f.Kind == dockerconfig.OtherKey:
			message += fmt.Sprintf("; on line %d %s", f.Line, f.Text)
		}
	}
	return failure(check, message, hint.Do(hint.ConfigureDocker))
}

// unreadable returns the failure for a client's file that cannot be read or is not a
// configuration.
func unreadable(check, path string, err error) Result {
	if errors.Is(err, fs.ErrPermission) {
		return failed(check, err, hint.Text("chmod u+r %s", hint.Quote(path)))
	}
	return failure(check, err.Error(), hint.Text("correct or remove %s", hint.Quote(path)), hint.Do(hint.ConfigureDocker))
}

// removeLogin returns how to remove the credential in a finding.
func removeLogin(path string, f dockerconfig.Finding) hint.Hint {
	return hint.Text("remove %q from auths in %s (line %d)", f.Key, path, f.Line)
}

// checkPodman checks that Podman, Skopeo and Buildah use this program for the registry. It
// returns no result if none of them seems to be installed.
func (c *Checker) checkPodman() []Result {
	const check = "podman"
	host, helper := c.Config.Registry.Host, c.helper()
	paths, err := dockerconfig.PodmanFiles(c.Getenv, c.Home)
	if err != nil {
		if !c.hasPodman() {
			return nil
		}
		return []Result{failure(check, err.Error(), hint.Text("set HOME to your home directory"))}
	}
	if docker, err := dockerconfig.DockerPath(c.Getenv, c.Home); !c.hasPodman() && err == nil {
		if !slices.ContainsFunc(paths, func(path string) bool { return path != docker && exists(path) }) {
			return nil
		}
	}
	var files []*dockerconfig.File
	for _, path := range paths {
		file, err := dockerconfig.Load(path)
		if dir := c.Getenv("XDG_RUNTIME_DIR"); err != nil && dir != "" && strings.HasPrefix(path, dir) {
			if owner, known := ownerOf(dir); known && owner != c.EUID {
				return []Result{warning(check, "XDG_RUNTIME_DIR is "+dir+", which belongs to another user (after su?): Podman cannot read its files there",
					hint.Unset("XDG_RUNTIME_DIR"))}
			}
		}
		if err != nil {
			return []Result{unreadable(check, path, err)}
		}
		files = append(files, file)
	}
	if path, f, found := dockerconfig.Shadow(files, host, helper); found {
		return []Result{failure(check, fmt.Sprintf("%s:%d: %s; Podman looks there first", path, f.Line, f.Text), c.unshadow(path, f))}
	}
	for _, file := range files {
		if named, found := file.Helper(host); found && named == helper {
			return []Result{ok(check, "%s registers %s for %s", file.Path, c.Name, host)}
		}
	}
	if path := c.Getenv("REGISTRY_AUTH_FILE"); path != "" {
		return []Result{warning(check, fmt.Sprintf("Podman reads only %s (REGISTRY_AUTH_FILE), which does not register %s for %s", path, c.Name, host),
			hint.Unset("REGISTRY_AUTH_FILE"))}
	}
	return []Result{warning(check, fmt.Sprintf("none of the files that Podman reads registers %s for %s", c.Name, host), hint.Do(hint.ConfigureDocker))}
}

// unshadow returns how to fix a finding that keeps Podman from using this program.
func (c *Checker) unshadow(path string, f dockerconfig.Finding) hint.Hint {
	own, err := dockerconfig.PodmanPath(c.Getenv, c.Home)
	switch {
	case f.Kind == dockerconfig.Login && (err != nil || path != own):
		return removeLogin(path, f)
	case f.Kind == dockerconfig.Login:
		return hint.Do(hint.ConfigureDocker) // in one file, a helper has precedence over a credential
	case err == nil && path == own, !strings.HasSuffix(path, "auth.json"):
		return hint.Do(hint.ReplaceHelper)
	}
	return hint.Text("in %s, line %d, write %q in place of %q", path, f.Line, c.helper(), f.Helper)
}

// hasPodman reports whether a program that reads Podman's files is in PATH.
func (c *Checker) hasPodman() bool {
	return slices.ContainsFunc([]string{"podman", "skopeo", "buildah"}, func(program string) bool {
		_, err := c.LookPath(program)
		return err == nil
	})
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
