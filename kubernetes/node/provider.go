// Package node makes the kubelet of a node run the program as a credential provider.
package node

import (
	"bytes"
	"errors"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/helper"
)

// ProviderName is the name of the program as a credential provider of the kubelet: of its
// file, and in the kubelet's configuration.
const ProviderName = "cgr-credential-provider"

// Provider describes how a kubelet runs the program.
type Provider struct {
	Registry string   // host, with its port if it has one
	Audience string   // of the tokens of service accounts: the issuer's host
	Args     []string // of `kubernetes provider`
	// NeedsAnnotation is set if only pods whose service account has helper.IdentityAnnotation
	// get a credential.
	NeedsAnnotation bool
	// ServesNode is set if pods without a service account, such as static pods, get a
	// credential too.
	ServesNode bool
}

// The kubelet's configuration of credential providers
// (https://kubernetes.io/docs/reference/config-api/kubelet-config.v1).
const (
	configAPI  = "kubelet.config.k8s.io/v1"
	configKind = "CredentialProviderConfig"
)

type providerConfig struct {
	APIVersion string          `yaml:"apiVersion"`
	Kind       string          `yaml:"kind"`
	Providers  []providerEntry `yaml:"providers"`
}

type providerEntry struct {
	Name                 string          `yaml:"name"`
	APIVersion           string          `yaml:"apiVersion"`
	MatchImages          []string        `yaml:"matchImages"`
	DefaultCacheDuration string          `yaml:"defaultCacheDuration"`
	Args                 []string        `yaml:"args,omitempty"`
	TokenAttributes      tokenAttributes `yaml:"tokenAttributes"`
}

type tokenAttributes struct {
	Audience              string   `yaml:"serviceAccountTokenAudience"`
	CacheType             string   `yaml:"cacheType"`
	RequireServiceAccount bool     `yaml:"requireServiceAccount"`
	RequiredAnnotations   []string `yaml:"requiredServiceAccountAnnotationKeys,omitempty"`
	OptionalAnnotations   []string `yaml:"optionalServiceAccountAnnotationKeys,omitempty"`
}

// entry returns the kubelet's configuration of p. Its matchImages is the host alone: a path
// there is a literal prefix, so that HOST/* would match no image (kubelet, URLsMatch).
func (p Provider) entry() providerEntry {
	e := providerEntry{
		Name:                 ProviderName,
		APIVersion:           helper.KubeletAPI,
		MatchImages:          []string{p.Registry},
		DefaultCacheDuration: "0s", // each response has its own
		Args:                 p.Args,
		TokenAttributes: tokenAttributes{
			Audience: p.Audience,
			// An access token depends on the service account and its annotation, and not on the
			// pod.
			CacheType:             "ServiceAccount",
			RequireServiceAccount: !p.ServesNode,
		},
	}
	annotations := []string{helper.IdentityAnnotation}
	if p.NeedsAnnotation {
		e.TokenAttributes.RequiredAnnotations = annotations
	} else {
		e.TokenAttributes.OptionalAnnotations = annotations
	}
	return e
}

// Check checks that the kubelet accepts p.
func (p Provider) Check() error {
	if p.NeedsAnnotation && p.ServesNode {
		return errors.New("pods without a service account have no annotation, so they cannot be served where the annotation is required")
	}
	return nil
}

// YAML returns a CredentialProviderConfig with p alone.
func (p Provider) YAML() ([]byte, error) {
	return marshalYAML(providerConfig{configAPI, configKind, []providerEntry{p.entry()}})
}

// RBACYAML returns the role that lets nodes request tokens of service accounts for the
// issuer (https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction).
func (p Provider) RBACYAML() ([]byte, error) {
	metadata := map[string]string{"name": ProviderName}
	const group = "rbac.authorization.k8s.io"
	return marshalYAML(
		map[string]any{
			"apiVersion": group + "/v1", "kind": "ClusterRole", "metadata": metadata,
			"rules": []any{map[string]any{
				"apiGroups": []string{""},
				"resources": []string{p.Audience},
				"verbs":     []string{"request-serviceaccounts-token-audience"},
			}},
		},
		map[string]any{
			"apiVersion": group + "/v1", "kind": "ClusterRoleBinding", "metadata": metadata,
			"roleRef":  map[string]string{"apiGroup": group, "kind": "ClusterRole", "name": ProviderName},
			"subjects": []any{map[string]string{"apiGroup": group, "kind": "Group", "name": "system:nodes"}},
		})
}

// marshalYAML returns documents as YAML, with the indentation of Kubernetes.
func marshalYAML(documents ...any) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	for _, document := range documents {
		if err := e.Encode(document); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), e.Close()
}
