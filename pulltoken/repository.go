package pulltoken

import (
	"fmt"
	"slices"
	"strings"
)

// Repository is a type of repository that a pull token is valid for.
type Repository string

// Types of repository, in chainctl's words. Others of libraries are go, dotnet, ruby and rust, and
// each of these with "_athena" at its end; the platform may have more.
const (
	OCI        Repository = "oci" // images
	APK        Repository = "apk" // packages of the operating system
	Java       Repository = "java"
	Python     Repository = "python"
	JavaScript Repository = "javascript"
)

// Role returns the name of the built-in role that allows pulling from r.
func (r Repository) Role() string {
	switch r {
	case OCI:
		return "registry.pull"
	case APK:
		return "apk.pull"
	}
	return librariesPrefix + string(r) + pullSuffix
}

// The parts of the name of a role that allows pulling libraries.
const librariesPrefix, pullSuffix = "libraries.", ".pull"

// repositoriesOf returns the types of repository that roles allow pulling from, images and
// packages first.
func repositoriesOf(roles []string) []Repository {
	repositories := []Repository{}
	for _, r := range []Repository{OCI, APK} {
		if slices.Contains(roles, r.Role()) {
			repositories = append(repositories, r)
		}
	}
	for _, role := range roles {
		name, ofLibraries := strings.CutPrefix(role, librariesPrefix)
		if name, pulls := strings.CutSuffix(name, pullSuffix); ofLibraries && pulls {
			repositories = append(repositories, Repository(name))
		}
	}
	return repositories
}

// Hosts returns the hosts of repositories, each once, for a registry's host.
func Hosts(registry string, repositories []Repository) []string {
	var hosts []string
	for _, r := range repositories {
		host := "libraries." + registry
		switch r {
		case OCI:
			host = registry
		case APK:
			host = "apk." + registry
		}
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// ParseRepositories parses types of repository that are separated by commas, such as
// "oci,apk". As in chainctl, "all" means these two. It returns each type once.
func ParseRepositories(text string) ([]Repository, error) {
	var parsed []Repository
	for name := range strings.SplitSeq(text, ",") {
		types := []Repository{Repository(strings.TrimSpace(name))}
		if types[0] == "all" {
			types = []Repository{OCI, APK}
		}
		for _, r := range types {
			if err := r.check(); err != nil {
				return nil, err
			}
			if !slices.Contains(parsed, r) {
				parsed = append(parsed, r)
			}
		}
	}
	return parsed, nil
}

// check returns an error if r cannot be a type of repository. The platform knows whether a type
// of libraries has a role.
func (r Repository) check() error {
	const letters, others = "abcdefghijklmnopqrstuvwxyz", "0123456789_-"
	if r != "" && len(r) <= 40 && strings.Trim(string(r[0]), letters) == "" && strings.Trim(string(r), letters+others) == "" {
		return nil
	}
	return fmt.Errorf("%s is not a type of repository, such as oci, apk, java, python or javascript", quote(string(r)))
}
