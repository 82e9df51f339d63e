package pulltoken

import (
	"fmt"
	"slices"
	"strings"
)

// Repository is a type of repository that a pull token is valid for.
type Repository string

// The types of repository, in chainctl's words.
const (
	OCI        Repository = "oci" // images
	APK        Repository = "apk" // packages of the operating system
	Java       Repository = "java"
	Python     Repository = "python"
	JavaScript Repository = "javascript"
)

// Repositories are all types of repository.
var Repositories = []Repository{OCI, APK, Java, Python, JavaScript}

// Role returns the name of the built-in role that allows pulling from r.
func (r Repository) Role() string {
	switch r {
	case OCI:
		return "registry.pull"
	case APK:
		return "apk.pull"
	}
	return "libraries." + string(r) + ".pull"
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

func (r Repository) check() error {
	if slices.Contains(Repositories, r) {
		return nil
	}
	return fmt.Errorf("%s is not a type of repository, such as oci, apk, java, python or javascript", quote(string(r)))
}
