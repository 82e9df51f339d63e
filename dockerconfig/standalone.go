package dockerconfig

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// Standalone returns the text of a configuration that has a credential for host, in base64 as
// `docker login` writes it, for clients that run no credential helper. Everything else is that
// of files, the first of which decides: logins and helpers of other registries of all files,
// and the other settings of the first one.
//
// Docker asks a credsStore for every registry, so there is none in the text: it becomes the
// helper of the registries that are logged in to.
func Standalone(host, username, secret string, files ...*File) ([]byte, error) {
	if username == "" || secret == "" || strings.Contains(username, ":") {
		return nil, fmt.Errorf("the credential for %s cannot be written as a login", host)
	}
	all := map[string]json.RawMessage{}
	logins, helpers := map[string]json.RawMessage{}, map[string]string{}
	for i, f := range files {
		var root map[string]json.RawMessage
		var sections struct {
			Auths       map[string]json.RawMessage `json:"auths"`
			CredHelpers map[string]string          `json:"credHelpers"`
			CredsStore  string                     `json:"credsStore"`
		}
		if _, _, err := f.doc.section(authsKey); err != nil {
			return nil, f.locate(f.new, err)
		}
		if f.doc.root != nil {
			for _, into := range []any{&root, &sections} {
				if err := json.Unmarshal(f.doc.text, into); err != nil {
					return nil, fmt.Errorf("cannot copy %s: %w", f.Path, err)
				}
			}
		}
		if i == 0 {
			for _, key := range []string{authsKey, helpersKey, "credsStore"} {
				delete(root, key)
			}
			maps.Copy(all, root)
		}
		// What an earlier file has for a registry wins, whether it is a login or a helper.
		known := func(key string) bool {
			_, isLogin := logins[key]
			_, isHelper := helpers[key]
			return isLogin || isHelper || hostOf(key) == host
		}
		newHelpers, newLogins := map[string]string{}, map[string]json.RawMessage{}
		for key, helper := range sections.CredHelpers {
			if !known(key) {
				newHelpers[key] = helper
			}
		}
		for key, login := range sections.Auths {
			switch _, hasHelper := sections.CredHelpers[key]; {
			case known(key):
			case sections.CredsStore != "" && !hasHelper:
				newHelpers[key] = sections.CredsStore
			default:
				newLogins[key] = login
			}
		}
		maps.Copy(helpers, newHelpers)
		maps.Copy(logins, newLogins)
	}
	auth := base64.StdEncoding.EncodeToString([]byte(username + ":" + secret))
	logins[host] = json.RawMessage(`{"auth":` + quote(auth) + `}`)
	var err error
	if all[authsKey], err = json.Marshal(logins); err != nil {
		return nil, err
	}
	if len(helpers) > 0 {
		if all[helpersKey], err = json.Marshal(helpers); err != nil {
			return nil, err
		}
	}
	text, err := json.MarshalIndent(all, "", "\t")
	return append(text, '\n'), err
}
