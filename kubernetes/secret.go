// Package kubernetes writes pull secrets: the credentials with which a cluster pulls images.
package kubernetes

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"docker-credential-cgr/platform"
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

// What names in Kubernetes consist of, and their lengths, after RFC 1123
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/names).
const (
	label        = `[a-z0-9](?:[-a-z0-9]*[a-z0-9])?`
	subdomain    = label + `(?:\.` + label + `)*`
	maxSubdomain = 253
	maxLabel     = 63
)

// CheckNames checks the names of a secret and its namespace, which may be empty, before
// there is a credential for it.
func CheckNames(name, namespace string) error {
	if len(name) > maxSubdomain || !regexp.MustCompile("^"+subdomain+"$").MatchString(name) {
		return fmt.Errorf("%q is not a valid name for a secret: use a to z, 0 to 9, hyphens and dots, "+
			"with a letter or a digit first, last and on both sides of a dot, and at most %d characters", platform.Printable(name), maxSubdomain)
	}
	if namespace != "" && (len(namespace) > maxLabel || !regexp.MustCompile("^"+label+"$").MatchString(namespace)) {
		return fmt.Errorf("%q is not a valid namespace: use a to z, 0 to 9 and hyphens, "+
			"with a letter or a digit first and last, and at most %d characters", platform.Printable(namespace), maxLabel)
	}
	return nil
}

// check checks s. Its error has nothing of the password.
func (s Secret) check() error {
	if !isText(s.Registry) {
		return fmt.Errorf("%q is not the host of a registry", platform.Printable(s.Registry))
	}
	if year := s.Expires.UTC().Year(); year < 0 || year > 9999 { // RFC 3339, section 1
		return fmt.Errorf("the credential for %s expires in the year %d", s.Registry, year)
	}
	// A colon ends the user name in Basic authentication (RFC 7617, section 2).
	if s.Username == "" || s.Password == "" || strings.Contains(s.Username, ":") || !isText(s.Username) || !isText(s.Password) {
		return fmt.Errorf("the credential for %s cannot be in a secret: its user name or password is empty, "+
			"has control characters or is not UTF-8, or the user name has a colon", s.Registry)
	}
	return CheckNames(s.Name, s.Namespace)
}

func isText(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// Data returns the Docker config for s in base64.
func (s Secret) Data() (string, error) {
	config, err := s.config()
	return base64.StdEncoding.EncodeToString(config), err
}

// config returns the Docker config for s.
func (s Secret) config() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	type auth struct {
		Auth string `json:"auth"`
	}
	pair := base64.StdEncoding.EncodeToString([]byte(s.Username + ":" + s.Password))
	return json.Marshal(map[string]map[string]auth{"auths": {s.Registry: {pair}}})
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
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	annotations := map[string]string{}
	for _, pair := range s.annotations() {
		annotations[pair[0]] = pair[1]
	}
	text, err := json.MarshalIndent(newSecretObject(metadata{Name: s.Name, Namespace: s.Namespace, Annotations: annotations}, config), "", "  ")
	return append(text, '\n'), err
}

// secretObject is a Secret in the Kubernetes API (core/v1).
type secretObject struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   metadata          `json:"metadata"`
	Type       string            `json:"type"`
	Data       map[string][]byte `json:"data"` // in JSON in base64
}

// metadata is what is needed of an ObjectMeta (meta/v1).
type metadata struct {
	Name            string            `json:"name,omitempty"`
	Namespace       string            `json:"namespace,omitempty"`
	ResourceVersion string            `json:"resourceVersion,omitempty"`
	Annotations     map[string]string `json:"annotations,omitempty"`
}

// newSecretObject returns a secret with a Docker config.
func newSecretObject(m metadata, config []byte) secretObject {
	return secretObject{APIVersion: "v1", Kind: "Secret", Metadata: m, Type: kind, Data: map[string][]byte{key: config}}
}

// scalar returns UTF-8 text as a double-quoted YAML scalar in ASCII. Go's escapes mean the
// same in YAML (1.2, section 5.7), except those of bytes that are not UTF-8.
func scalar(text string) string { return strconv.QuoteToASCII(text) }
