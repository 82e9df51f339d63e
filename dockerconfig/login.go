package dockerconfig

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// authsKey is the key under which the clients keep credentials by host.
const authsKey = "auths"

// Login gives the user name of the credential that the file holds for host, under
// the bare host as `docker login` writes it.
func (f *File) Login(host string) (username string, ok bool) {
	logins, err := f.doc.logins()
	if err != nil {
		return "", false
	}
	m, i := logins.find(host)
	if i < 0 || !isLogin(f.doc.text[m.value:m.valueEnd]) {
		return "", false
	}
	username, _ = f.pair(m)
	return username, true
}

// Pair gives the user name and the password that the file holds for host, under that
// name or as a URL of it, as people write it by hand. An identity token is no password.
func (f *File) Pair(host string) (username, password string, ok bool) {
	logins, err := f.doc.logins()
	if err != nil || logins == nil {
		return "", "", false
	}
	for _, bare := range []bool{true, false} {
		for _, m := range logins.members {
			if m.name != host && (bare || hostOf(m.name) != host) {
				continue
			}
			if username, password = f.pair(m); username != "" && password != "" {
				return username, password, true
			}
		}
	}
	return "", "", false
}

// hostOf is what the clients take for the host of a key of auths.
func hostOf(key string) string {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	host, _, _ := strings.Cut(key, "/")
	return host
}

// pair reads one entry of auths.
func (f *File) pair(m member) (username, password string) {
	var login struct{ Auth, Username, Password string }
	_ = json.Unmarshal(f.doc.text[m.value:m.valueEnd], &login) // a field of a wrong type is none
	if pair, err := base64.StdEncoding.DecodeString(login.Auth); err == nil && len(pair) > 0 {
		login.Username, login.Password, _ = strings.Cut(string(pair), ":")
	}
	return login.Username, strings.TrimRight(login.Password, "\x00")
}

// SetLogin puts a credential for host into auths, in base64 as `docker login` writes
// it and without whatever else the entry held, and says whether that is a change. It
// is an error where auths, or a spelling of it, is not as the clients write it.
func (f *File) SetLogin(host, username, secret string) (changed bool, err error) {
	switch {
	case username == "" || secret == "":
		return false, errors.New("a login needs a user name and a secret")
	case strings.Contains(username, ":"):
		return false, errors.New("a login's user name cannot hold a colon, which ends it in the file")
	case strings.ContainsFunc(username+secret, unicode.IsControl):
		return false, errors.New("a login cannot hold control characters")
	}
	auth := base64.StdEncoding.EncodeToString([]byte(username + ":" + secret))
	return f.edit(func(c content) (content, error) { return setLogin(c, host, auth) },
		"put it in with: docker login "+host)
}

// setLogin puts auth into the entry of auths for host.
func setLogin(c content, host, auth string) (content, error) {
	d, err := parse(c.text)
	if err != nil {
		return c, err
	}
	logins, err := d.logins()
	if err != nil {
		return c, err
	}
	value := func(g gap, colon string) string { return loginValue(auth, g, colon) }
	m, i := logins.find(host)
	if i < 0 {
		return insert(c, d, logins, entry{authsKey, host, value}), nil
	}
	start, end, added := m.value, m.valueEnd, ""
	if c.text[m.value] == '{' {
		if login := members(c.text, m.value).members; len(login) == 1 && login[0].name == "auth" {
			start, end, added = login[0].value, login[0].valueEnd, quote(auth)
		}
	}
	switch {
	case added == "":
		added = value(d.gap(logins), d.colon(m))
	case c.text[start] == '"' && unquote(c.text[start:end]) == auth:
		return c, nil
	}
	return c.with(c.text[:start], []byte(added), c.text[end:]), nil
}

// loginValue is an entry of auths, for one that is laid out like g.
func loginValue(auth string, g gap, colon string) string {
	inner, closing := "", ""
	if g.newline != "" {
		// An entry is two levels deep.
		inner, closing = g.newline+g.indent+g.indent[:len(g.indent)/2], g.newline+g.indent
	}
	return "{" + inner + quote("auth") + colon + quote(auth) + closing + "}"
}

// logins gives the value of auths, nil where there is none.
func (d *document) logins() (*object, error) {
	if d.root == nil {
		return nil, nil
	}
	var logins *object
	for _, m := range d.root.members {
		switch {
		case m.name == authsKey && d.text[m.value] != '{':
			return nil, &flaw{m.value, authsKey + " holds " + kind(d.text[m.value]) + ", want an object"}
		case m.name == authsKey:
			var err error
			if logins, err = uniqueMembers(d.text, m.value); err != nil {
				return nil, err
			}
		case strings.EqualFold(m.name, authsKey):
			return nil, &flaw{m.key, fmt.Sprintf("some programs take the key %q for %q and some do not, want the latter", m.name, authsKey)}
		}
	}
	return logins, nil
}
