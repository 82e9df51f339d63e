package dockerconfig

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
)

// Login returns the user name of the credential of host, under the bare host, as
// `docker login` writes it.
func (f *File) Login(host string) (username string, ok bool) {
	for _, m := range f.logins() {
		if m.name == host && isLogin(f.doc.text[m.value:m.valueEnd]) {
			username, _ = f.credential(m)
			return username, true
		}
	}
	return "", false
}

// Pair returns the user name and the password of host, under the bare host or a URL of
// it, as people write it by hand. An identity token is not a password.
func (f *File) Pair(host string) (username, password string, ok bool) {
	for _, bare := range []bool{true, false} {
		for _, m := range f.logins() {
			if m.name != host && (bare || hostOf(m.name) != host) {
				continue
			}
			if username, password = f.credential(m); username != "" && password != "" {
				return username, password, true
			}
		}
	}
	return "", "", false
}

// logins returns the entries of auths. A file whose auths the clients could read in two
// ways has none.
func (f *File) logins() []member {
	_, o, err := f.doc.section(authsKey)
	if err != nil || o == nil {
		return nil
	}
	return o.members
}

// hostOf returns what the clients take for the host in a key of auths.
func hostOf(key string) string {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	host, _, _ := strings.Cut(key, "/")
	return host
}

// credential decodes one entry of auths.
func (f *File) credential(m member) (username, password string) {
	var login struct{ Auth, Username, Password string }
	_ = json.Unmarshal(f.doc.text[m.value:m.valueEnd], &login) // a field of a wrong type is skipped
	if pair, err := base64.StdEncoding.DecodeString(login.Auth); err == nil && len(pair) > 0 {
		login.Username, login.Password, _ = strings.Cut(string(pair), ":")
	}
	return login.Username, strings.TrimRight(login.Password, "\x00")
}

// SetLogin makes a credential the entry of host in auths, in base64 as `docker login`
// writes it, and reports whether that is a change. Anything else in the entry is
// removed. It is an error if the clients could read auths in two ways.
func (f *File) SetLogin(host, username, secret string) (changed bool, err error) {
	switch {
	case username == "" || secret == "":
		return false, errors.New("a login needs a user name and a secret")
	case strings.Contains(username, ":"):
		return false, errors.New("the user name of a login cannot contain a colon, which ends it in the file")
	case strings.ContainsFunc(username+secret, unicode.IsControl):
		return false, errors.New("a login cannot contain control characters")
	}
	auth := base64.StdEncoding.EncodeToString([]byte(username + ":" + secret))
	return f.edit("put it in with: docker login "+host, func(c content) (content, error) { return setLogin(c, host, auth) })
}

// setLogin makes auth the only member of the entry of host in auths.
func setLogin(c content, host, auth string) (content, error) {
	d, err := parse(c.text)
	if err != nil {
		return c, err
	}
	_, logins, err := d.section(authsKey)
	if err != nil {
		return c, err
	}
	if i := logins.index(host); i >= 0 && c.text[logins.members[i].value] == '{' {
		login := members(c.text, logins.members[i].value).members
		if len(login) == 1 && login[0].name == "auth" && d.string(login[0]) == auth {
			return c, nil
		}
	}
	return set(c, authsKey, host, "auth", auth)
}
