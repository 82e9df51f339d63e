package dockerconfig

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Kind is the sort of a Finding.
type Kind string

// The kinds of findings.
const (
	// OtherHelper: the host has a helper, but another one.
	OtherHelper Kind = "other-helper"
	// OtherKey: an entry of credHelpers that means the host and is written in a
	// form that Docker and Podman, which look for the bare host, do not find.
	OtherKey Kind = "other-key"
	// Login: a credential for the host in auths. Docker prefers the helper. Jib
	// prefers the credential, and Podman does where its file comes first.
	Login Kind = "login"
	// Store: a credsStore, which is not asked for hosts that have a helper.
	Store Kind = "store"
)

// Finding is something in a file that a person who registers a helper should
// know. It holds no secret.
type Finding struct {
	Kind   Kind   `json:"kind"`
	Line   int    `json:"line"`             // from 1
	Key    string `json:"key"`              // as it stands in the file
	Helper string `json:"helper,omitempty"` // the one that is named there
	Text   string `json:"text"`             // one line, for people
}

// Findings tells what in the file stands beside or in the way of helper for
// host, in the order of the file's keys.
func (f *File) Findings(host, helper string) []Finding {
	if f.doc.root == nil {
		return nil
	}
	return f.doc.findings(host, helper)
}

func (d *document) findings(host, helper string) (found []Finding) {
	note := func(kind Kind, at member, name, text string) {
		line, _ := position(d.text, at.key)
		found = append(found, Finding{Kind: kind, Line: line, Key: at.name, Helper: name, Text: text})
	}
	for _, m := range d.root.members {
		switch isObject := d.text[m.value] == '{'; {
		case m.name == helpersKey && d.helpers == nil: // null
		case m.name == helpersKey:
			for _, h := range d.helpers.members {
				name := unquote(d.text[h.value:h.valueEnd])
				switch {
				case h.name == host && name != helper:
					note(OtherHelper, h, name, fmt.Sprintf("the helper for %s is %s, not %q", host, describeHelper(name), helper))
				case h.name != host && means(h.name, host):
					note(OtherKey, h, name, fmt.Sprintf("the key %q names %s, and Docker and Podman look for %q alone", h.name, describeHelper(name), host))
				}
			}
		case m.name == "auths" && isObject:
			for _, a := range members(d.text, m.value).members {
				if means(a.name, host) && isLogin(d.text[a.value:a.valueEnd]) {
					note(Login, a, "", fmt.Sprintf("auths holds a credential for %q, which some programs take instead of the helper's", a.name))
				}
			}
		case m.name == "credsStore":
			if name := unquote(d.text[m.value:m.valueEnd]); name != "" {
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

// means says whether a person who wrote key thought of host: as a URL, with a
// path or the port of HTTPS, in capitals, or with a star for what is below it.
func means(key, host string) bool {
	name := strings.ToLower(strings.TrimSpace(key))
	name = strings.TrimPrefix(strings.TrimPrefix(name, "https://"), "http://")
	name, _, _ = strings.Cut(name, "/")
	name = strings.TrimSuffix(name, ":443")
	name = strings.TrimPrefix(name, "*.")
	return name == strings.ToLower(host) || name == "*"
}

// isLogin says whether an entry of auths holds a credential. Docker leaves empty
// entries for hosts whose credential lies elsewhere.
func isLogin(entry []byte) bool {
	var login struct{ Auth, Password, IdentityToken, RegistryToken string }
	_ = json.Unmarshal(entry, &login) // a field of a wrong type is no credential
	return login.Auth+login.Password+login.IdentityToken+login.RegistryToken != ""
}

// Shadow looks through files in the order in which a client does (PodmanFiles),
// and tells what keeps it from asking helper about host: the first of the files
// that knows the host decides. The path is that file's. Without an obstacle, or
// where no file knows the host, ok is false.
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

// EnvLogin says whether value, that of $DOCKER_AUTH_CONFIG, holds a credential
// for host: Docker and testcontainers prefer it to every file.
func EnvLogin(value, host string) bool {
	d, err := parse([]byte(value))
	if err != nil || d.root == nil {
		return false
	}
	for _, found := range d.findings(host, "") {
		if found.Kind == Login {
			return true
		}
	}
	return false
}
