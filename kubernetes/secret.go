// Package kubernetes writes what a cluster pulls images with.
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

// The annotations of a Secret that say what is in it, for those who may not read it.
const (
	IdentityAnnotation = "docker-credential-cgr/identity" // Secret.Username
	ExpiresAnnotation  = "docker-credential-cgr/expires"  // Secret.Expires, RFC 3339, UTC
)

// Secret is a pull secret: a Secret of type kubernetes.io/dockerconfigjson that holds
// the credential for one registry and no other
// (https://kubernetes.io/docs/concepts/configuration/secret/#docker-config-secrets).
type Secret struct {
	Name      string
	Namespace string    // empty for the one that kubectl is in
	Registry  string    // host, with its port where it has one
	Username  string    // an identity's id
	Password  string    // a pull token
	Expires   time.Time // when Password ends; zero where that is not known
}

// The limits of a name: RFC 1123, as Kubernetes has it
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/names).
const (
	maxSubdomain = 253
	maxLabel     = 63
)

// maxCredential bounds each half of the pair, in bytes. Kubernetes takes secrets up to
// 1 MiB; no token comes near.
const maxCredential = 64 << 10

// CheckNames says what is wrong with the names of a secret and its namespace, which may
// be empty, before there is anything to put into it.
func CheckNames(name, namespace string) error {
	if !isSubdomain(name) {
		return fmt.Errorf("%s cannot be a secret's name: it has a to z, 0 to 9, hyphens and dots, a letter or a digit first and last and on both sides of a dot, and at most %d characters", quote(name), maxSubdomain)
	}
	if namespace != "" && !isLabel(namespace) {
		return fmt.Errorf("%s cannot be a namespace: it has a to z, 0 to 9 and hyphens, a letter or a digit first and last, and at most %d characters", quote(namespace), maxLabel)
	}
	return nil
}

// check says what is wrong with s. It shows nothing of the password.
func (s Secret) check() error {
	if err := CheckNames(s.Name, s.Namespace); err != nil {
		return err
	}
	if !isRegistry(s.Registry) {
		return fmt.Errorf("%s is no registry's host", quote(s.Registry))
	}
	for _, half := range []struct{ name, text string }{{"user name", s.Username}, {"password", s.Password}} {
		switch {
		case half.text == "":
			return fmt.Errorf("the %s for %s is empty", half.name, s.Registry)
		case len(half.text) > maxCredential:
			return fmt.Errorf("the %s for %s has %d bytes, which is too long: at most %d", half.name, s.Registry, len(half.text), maxCredential)
		case !utf8.ValidString(half.text), strings.ContainsFunc(half.text, unicode.IsControl):
			return fmt.Errorf("the %s for %s holds control characters, or is not UTF-8", half.name, s.Registry)
		}
	}
	if strings.Contains(s.Username, ":") {
		// Basic authentication ends the name there (RFC 7617, section 2).
		return fmt.Errorf("the user name for %s holds a colon, which cannot be told from the one in front of the password", s.Registry)
	}
	if year := s.Expires.UTC().Year(); year > 9999 || year < 0 {
		return errors.New("the end of the credential is no time that can be written")
	}
	return nil
}

// dockerConfig is the text of the file that Docker would have for s.
func (s Secret) dockerConfig() ([]byte, error) {
	type auth struct {
		Auth string `json:"auth"`
	}
	pair := base64.StdEncoding.EncodeToString([]byte(s.Username + ":" + s.Password))
	return json.Marshal(map[string]map[string]auth{"auths": {s.Registry: {pair}}})
}

// annotations are names and values, in order.
func (s Secret) annotations() [][2]string {
	pairs := [][2]string{{IdentityAnnotation, s.Username}}
	if !s.Expires.IsZero() {
		pairs = append(pairs, [2]string{ExpiresAnnotation, s.Expires.UTC().Format(time.RFC3339)})
	}
	return pairs
}

// kind is the type of a secret that holds a Docker config, and the key of its data.
const (
	kind = "kubernetes.io/dockerconfigjson"
	key  = ".dockerconfigjson"
)

// YAML gives s as a document for kubectl apply -f. It holds the password.
func (s Secret) YAML() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	config, err := s.dockerConfig()
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
	b.WriteString("type: " + kind + "\ndata:\n  " + key + ": " + base64.StdEncoding.EncodeToString(config) + "\n")
	return []byte(b.String()), nil
}

// JSON is YAML in JSON, indented.
func (s Secret) JSON() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	config, err := s.dockerConfig()
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
		Data       map[string][]byte `json:"data"`
	}{"v1", "Secret", metadata{s.Name, s.Namespace, annotations}, kind, map[string][]byte{key: config}}, "", "  ")
	return append(text, '\n'), err
}

// scalar writes UTF-8 text as a double-quoted YAML scalar, in ASCII. Go's escapes mean
// the same in YAML (1.2, section 5.7), but for those of bytes that are not UTF-8.
func scalar(text string) string { return strconv.QuoteToASCII(text) }

// isSubdomain says whether text is a subdomain as RFC 1123 has it, in lower case.
func isSubdomain(text string) bool {
	for label := range strings.SplitSeq(text, ".") {
		if !isName(label) {
			return false
		}
	}
	return len(text) <= maxSubdomain
}

// isLabel says whether text is a label as RFC 1123 has it, in lower case.
func isLabel(text string) bool { return len(text) <= maxLabel && isName(text) }

func isName(text string) bool {
	return text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && !strings.HasPrefix(text, "-") && !strings.HasSuffix(text, "-")
}

// isRegistry says whether text is a host as Docker's file has one, with or without a
// port.
func isRegistry(text string) bool {
	host, port, found := strings.Cut(text, ":")
	number, err := strconv.ParseUint(port, 10, 16)
	return isSubdomain(host) && (!found || err == nil && number > 0)
}

// quote shows what somebody typed, escaped and not too long.
func quote(text string) string {
	const most = 100
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}
