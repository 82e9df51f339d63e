package dockerconfig

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Kind is the kind of a Finding.
type Kind string

// The kinds of findings.
const (
	// OtherHelper: the host has another helper.
	OtherHelper Kind = "other-helper"
	// OtherKey: an entry of credHelpers names the host in a form that Docker and
	// Podman, which look for the bare host, do not find.
	OtherKey Kind = "other-key"
	// Login: auths has a credential for the host. Docker prefers the helper. Jib
	// prefers the credential, and so does Podman if its file comes first.
	Login Kind = "login"
	// Store: the file has a credsStore, which is not asked for hosts with a helper.
	Store Kind = "store"
)

// Finding is an entry of a file that matters to a user who registers a helper. It has no
// secret.
type Finding struct {
	Kind   Kind   `json:"kind"`
	Line   int    `json:"line"`             // from 1
	Key    string `json:"key"`              // as in the file
	Helper string `json:"helper,omitempty"` // the helper in the entry
	Text   string `json:"text"`             // one line of text
}

// Findings returns the entries that concern host and are not the one of helper, in the
// order of the file.
func (f *File) Findings(host, helper string) []Finding { return f.doc.findings(host, helper) }

func (d *document) findings(host, helper string) (found []Finding) {
	if d.root == nil {
		return nil
	}
	note := func(kind Kind, at member, name, text string) {
		line, _ := position(d.text, at.key)
		found = append(found, Finding{Kind: kind, Line: line, Key: at.name, Helper: name, Text: text})
	}
	for _, m := range d.root.members {
		switch {
		case m.name == helpersKey && d.helpers != nil:
			for _, h := range d.helpers.members {
				switch name := d.string(h); {
				case h.name == host && name != helper:
					note(OtherHelper, h, name, fmt.Sprintf("the helper for %s is %s, not %q", host, describeHelper(name), helper))
				case h.name != host && means(h.name, host):
					note(OtherKey, h, name, fmt.Sprintf("the key %q names %s, and Docker and Podman look for %q alone", h.name, describeHelper(name), host))
				}
			}
		case m.name == authsKey && d.text[m.value] == '{':
			for _, a := range members(d.text, m.value).members {
				if means(a.name, host) && isLogin(d.text[a.value:a.valueEnd]) {
					note(Login, a, "", fmt.Sprintf("auths holds a credential for %q, which some programs take instead of the helper's", a.name))
				}
			}
		case m.name == "credsStore":
			if name := d.string(m); name != "" {
				note(Store, m, name, fmt.Sprintf("the store is %s, which is not asked for %s once a helper is named for it", describeHelper(name), host))
			}
		}
	}
	return found
}

func describeHelper(name string) string {
	if strings.HasSuffix(strings.ToLower(name), ".exe") {
		return fmt.Sprintf("%q (a Windows program, which WSL may not find)", name)
	}
	return fmt.Sprintf("%q", name)
}

// means reports whether the user who wrote key meant host: a URL, with a path or the port
// of HTTPS, in capitals, or with a star for the hosts below it.
func means(key, host string) bool {
	name := strings.ToLower(strings.TrimSpace(key))
	name = strings.TrimPrefix(strings.TrimPrefix(name, "https://"), "http://")
	name, _, _ = strings.Cut(name, "/")
	name = strings.TrimSuffix(name, ":443")
	name = strings.TrimPrefix(name, "*.")
	return name == strings.ToLower(host) || name == "*"
}

// isLogin reports whether an entry of auths has a credential. Docker leaves empty entries
// for hosts whose credential is stored elsewhere.
func isLogin(entry []byte) bool {
	var login struct{ Auth, Password, IdentityToken, RegistryToken string }
	_ = json.Unmarshal(entry, &login) // a field of a wrong type is skipped
	return login.Auth+login.Password+login.IdentityToken+login.RegistryToken != ""
}

// Shadow looks for host in files in the order in which a client does (PodmanFiles), and
// returns what keeps the client from asking helper, and the path of the file that has
// it. The first file with an entry for the host decides. ok is false if nothing does, or
// no file has an entry.
func Shadow(files []*File, host, helper string) (path string, obstacle Finding, ok bool) {
	for _, f := range files {
		name, named := f.Helper(host)
		if named && name == helper {
			break
		}
		for _, found := range f.Findings(host, helper) {
			if found.Kind == OtherHelper || found.Kind == Login && !named {
				return f.Path, found, true
			}
		}
	}
	return "", Finding{}, false
}

// EnvLogin reports whether value, that of $DOCKER_AUTH_CONFIG, has a credential for host:
// Docker and testcontainers prefer it to every file.
func EnvLogin(value, host string) bool {
	d, err := parse([]byte(value))
	return err == nil && slices.ContainsFunc(d.findings(host, ""), func(f Finding) bool { return f.Kind == Login })
}
