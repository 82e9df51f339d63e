package iam

import (
	"fmt"
	"slices"
	"strings"
)

// Repository is a type of repository that a pull token is good for.
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
func Repositories() []Repository { return []Repository{OCI, APK, Java, Python, JavaScript} }

// Role is the name of the built-in role that lets one pull from r.
func (r Repository) Role() string {
	switch r {
	case OCI:
		return "registry.pull"
	case APK:
		return "apk.pull"
	}
	return "libraries." + string(r) + ".pull"
}

// ParseRepositories reads types of repository that are joined by commas, as in
// "oci,apk"; "all" are those two, as chainctl has it. Each is given once.
func ParseRepositories(text string) ([]Repository, error) {
	var parsed []Repository
	for name := range strings.SplitSeq(text, ",") {
		r := Repository(strings.TrimSpace(name))
		several := []Repository{r}
		if r == "all" {
			several = []Repository{OCI, APK}
		}
		for _, r := range several {
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
	if slices.Contains(Repositories(), r) {
		return nil
	}
	return fmt.Errorf("%s is no type of repository that a pull token can be for: use oci, apk, java, python or javascript, several joined by commas", quote(string(r)))
}
