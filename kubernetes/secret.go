// Package kubernetes writes pull secrets: the credentials with which a cluster pulls images.
package kubernetes

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The annotations of a Secret that describe it to users who may not read its data.
const (
	IdentityAnnotation = "docker-credential-cgr/identity" // Secret.Username
	ExpiresAnnotation  = "docker-credential-cgr/expires"  // Secret.Expires, RFC 3339, UTC
)

// Secret is a pull secret: a Secret of type kubernetes.io/dockerconfigjson with the
// credential for one registry
// (https://kubernetes.io/docs/concepts/configuration/secret/#docker-config-secrets).
type Secret struct {
	Name      string
	Namespace string    // empty for the current one of kubectl
	Registry  string    // host, with its port if it has one
	Username  string    // the id of an identity
	Password  string    // a pull token
	Expires   time.Time // when Password expires; zero if unknown
}

// The length limits of names in Kubernetes, after RFC 1123
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/names).
const (
	maxSubdomain = 253
	maxLabel     = 63
)

// maxCredential is the size limit of the user name and the password, in bytes. A Secret can
// have 1 MiB.
const maxCredential = 64 << 10

// CheckNames checks the names of a secret and its namespace, which may be empty, before
// there is a credential for it.
func CheckNames(name, namespace string) error {
	if !isSubdomain(name) {
		return fmt.Errorf("%s is not a valid name for a secret: use a to z, 0 to 9, hyphens and dots, "+
			"with a letter or a digit first, last and on both sides of a dot, and at most %d characters", quote(name), maxSubdomain)
	}
	if namespace != "" && !isLabel(namespace) {
		return fmt.Errorf("%s is not a valid namespace: use a to z, 0 to 9 and hyphens, "+
			"with a letter or a digit first and last, and at most %d characters", quote(namespace), maxLabel)
	}
	return nil
}

// check checks s. Its error has nothing of the password.
func (s Secret) check() error {
	if err := CheckNames(s.Name, s.Namespace); err != nil {
		return err
	}
	if !isRegistry(s.Registry) {
		return fmt.Errorf("%s is not the host of a registry", quote(s.Registry))
	}
	for _, half := range []struct{ name, text string }{{"user name", s.Username}, {"password", s.Password}} {
		switch {
		case half.text == "":
			return fmt.Errorf("the %s for %s is empty", half.name, s.Registry)
		case len(half.text) > maxCredential:
			return fmt.Errorf("the %s for %s is too long: %d bytes, at most %d are allowed", half.name, s.Registry, len(half.text), maxCredential)
		case !utf8.ValidString(half.text), strings.ContainsFunc(half.text, unicode.IsControl):
			return fmt.Errorf("the %s for %s has control characters or is not UTF-8", half.name, s.Registry)
		}
	}
	if strings.Contains(s.Username, ":") {
		// RFC 7617, section 2.
		return fmt.Errorf("the user name for %s has a colon, which ends it in Basic authentication", s.Registry)
	}
	if year := s.Expires.UTC().Year(); year > 9999 || year < 0 {
		return errors.New("the credential's expiry has no year from 0 to 9999")
	}
	return nil
}

// Data returns the Docker config for s in base64.
func (s Secret) Data() (string, error) {
	if err := s.check(); err != nil {
		return "", err
	}
	type auth struct {
		Auth string `json:"auth"`
	}
	pair := base64.StdEncoding.EncodeToString([]byte(s.Username + ":" + s.Password))
	config, err := json.Marshal(map[string]map[string]auth{"auths": {s.Registry: {pair}}})
	return base64.StdEncoding.EncodeToString(config), err
}

// annotations returns names and values, in order.
func (s Secret) annotations() [][2]string {
	pairs := [][2]string{{IdentityAnnotation, s.Username}}
	if !s.Expires.IsZero() {
		pairs = append(pairs, [2]string{ExpiresAnnotation, s.Expires.UTC().Format(time.RFC3339)})
	}
	return pairs
}

// The type of a secret with a Docker config, and the key of its data.
const (
	kind = "kubernetes.io/dockerconfigjson"
	key  = ".dockerconfigjson"
)

// YAML returns s as a document for kubectl apply -f, with the password.
func (s Secret) YAML() ([]byte, error) {
	data, err := s.Data()
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: Secret\nmetadata:\n  name: " + scalar(s.Name) + "\n")
	if s.Namespace != "" {
		b.WriteString("  namespace: " + scalar(s.Namespace) + "\n")
	}
	b.WriteString("  annotations:\n")
	for _, pair := range s.annotations() {
		b.WriteString("    " + pair[0] + ": " + scalar(pair[1]) + "\n")
	}
	b.WriteString("type: " + kind + "\ndata:\n  " + key + ": " + data + "\n")
	return []byte(b.String()), nil
}

// JSON returns what YAML does, as indented JSON.
func (s Secret) JSON() ([]byte, error) {
	data, err := s.Data()
	if err != nil {
		return nil, err
	}
	type metadata struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace,omitempty"`
		Annotations map[string]string `json:"annotations"`
	}
	annotations := map[string]string{}
	for _, pair := range s.annotations() {
		annotations[pair[0]] = pair[1]
	}
	text, err := json.MarshalIndent(struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   metadata          `json:"metadata"`
		Type       string            `json:"type"`
		Data       map[string]string `json:"data"`
	}{"v1", "Secret", metadata{s.Name, s.Namespace, annotations}, kind, map[string]string{key: data}}, "", "  ")
	return append(text, '\n'), err
}

// scalar returns UTF-8 text as a double-quoted YAML scalar in ASCII. Go's escapes mean the
// same in YAML (1.2, section 5.7), except those of bytes that are not UTF-8.
func scalar(text string) string { return strconv.QuoteToASCII(text) }

// isSubdomain reports whether text is a subdomain in lower case (RFC 1123).
func isSubdomain(text string) bool {
	for label := range strings.SplitSeq(text, ".") {
		if !isName(label) {
			return false
		}
	}
	return len(text) <= maxSubdomain
}

// isLabel reports whether text is a label in lower case (RFC 1123).
func isLabel(text string) bool { return len(text) <= maxLabel && isName(text) }

func isName(text string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-"
	return text != "" && strings.Trim(text, allowed) == "" && !strings.HasPrefix(text, "-") && !strings.HasSuffix(text, "-")
}

// isRegistry reports whether text is a host, with or without a port.
func isRegistry(text string) bool {
	host, port, found := strings.Cut(text, ":")
	number, err := strconv.ParseUint(port, 10, 16)
	return isSubdomain(host) && (!found || err == nil && number > 0)
}

// quote returns text for an error: escaped, and cut if it is long.
func quote(text string) string {
	const most = 100
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}
