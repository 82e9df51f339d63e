package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Organization is an organization that has a session or an identity of its own.
type Organization struct {
	Name     string // as in the names of its images
	Identity string // UIDP of the identity to assume for its images, or "" for a person's session
}

// organizationsName is the name of the setting.
const organizationsName = "auth.organizations"

// Organizations is the value of auth.organizations.
type Organizations []Organization

// FindOrganization returns the organization with a name, and reports whether there is one.
func (c *Config) FindOrganization(name string) (Organization, bool) {
	for _, o := range c.Organizations {
		if o.Name == name {
			return o, true
		}
	}
	return Organization{}, false
}

// AddOrganization adds o to the settings file at path, in place of the one with its name. The
// organizations that other processes added since the file was read stay.
func AddOrganization(path string, o Organization) error {
	return updateOrganizations(path, true, func(all Organizations) Organizations { return append(all.without(o.Name), o) })
}

// RemoveOrganization removes the organization with a name from the settings file at path, if
// it is there.
func RemoveOrganization(path, name string) error {
	return updateOrganizations(path, false, func(all Organizations) Organizations { return all.without(name) })
}

func updateOrganizations(path string, create bool, change func(Organizations) Organizations) error {
	return update(path, create, func(text string) (map[string]string, error) {
		old, err := values(text)
		if err != nil {
			return nil, nil // apply reports it
		}
		all, err := parseOrganizations(old[organizationsName])
		if err != nil {
			return nil, fmt.Errorf("%s: %s %w", plain(path), organizationsName, err)
		}
		return map[string]string{organizationsName: change(all).String()}, nil
	})
}

func (all Organizations) without(name string) Organizations {
	return slices.DeleteFunc(slices.Clone(all), func(o Organization) bool { return o.Name == name })
}

// String returns the organizations as the setting has them.
func (all Organizations) String() string {
	items := make([]string, len(all))
	for i, o := range all {
		items[i] = o.Name
		if o.Identity != "" {
			items[i] += "=" + o.Identity
		}
	}
	return strings.Join(items, ",")
}

// parseOrganizations parses the value of auth.organizations: NAME or NAME=IDENTITY, separated
// by commas.
func parseOrganizations(text string) (Organizations, error) {
	var all Organizations
	for item := range strings.SplitSeq(text, ",") {
		if item == "" && text == "" {
			break
		}
		name, identity, hasIdentity := strings.Cut(item, "=")
		if err := CheckOrganization(name); err != nil {
			return nil, err
		}
		if hasIdentity && !ValidUIDP(identity) {
			return nil, fmt.Errorf("must have the ID of an identity behind %s=", name)
		}
		if slices.ContainsFunc(all, func(o Organization) bool { return o.Name == name }) {
			return nil, fmt.Errorf("must not have %s twice", name)
		}
		all = append(all, Organization{name, identity})
	}
	return all, nil
}

// CheckOrganization checks the name of an organization. It is a part of the names of files
// and of entries in the keychain, so it has only what a repository's name can have
// (https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests).
func CheckOrganization(name string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789"
	switch {
	case name == "":
		return errors.New("must not have an empty name")
	case len(name) > maxName:
		return fmt.Errorf("must have names of at most %d bytes", maxName)
	case strings.Trim(name, allowed+"._-") != "", !strings.ContainsAny(name[:1], allowed), !strings.ContainsAny(name[len(name)-1:], allowed):
		return errors.New("must have names as in images: lower-case letters, digits, and . _ - between them")
	}
	return nil
}
