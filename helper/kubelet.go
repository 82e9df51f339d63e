package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

// The names of the kubelet's protocol
// (https://kubernetes.io/docs/reference/config-api/kubelet-credentialprovider.v1).
const (
	KubeletAPI   = "credentialprovider.kubelet.k8s.io/v1"
	requestKind  = "CredentialProviderRequest"
	responseKind = "CredentialProviderResponse"
)

// IdentityAnnotation is the annotation of a service account that has the ID of the identity
// that its pods assume.
const IdentityAnnotation = "cgr.dev/identity"

// kubeletTimeout bounds an answer. The kubelet kills the program after a minute.
const kubeletTimeout = 50 * time.Second

// kubeletRequest is what the kubelet writes for an image that it is about to pull.
type kubeletRequest struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Image      string `json:"image"` // without tag and digest
	// Both are empty for a pod without a service account, such as a static pod.
	ServiceAccountToken       string            `json:"serviceAccountToken"`
	ServiceAccountAnnotations map[string]string `json:"serviceAccountAnnotations"`
}

// kubeletResponse is the answer. The kubelet rejects one with other fields.
type kubeletResponse struct {
	APIVersion    string                 `json:"apiVersion"`
	Kind          string                 `json:"kind"`
	CacheKeyType  string                 `json:"cacheKeyType"`
	CacheDuration string                 `json:"cacheDuration"` // as time.Duration writes it; 0s: do not cache
	Auth          map[string]kubeletAuth `json:"auth"`          // by host
}

type kubeletAuth struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// Kubelet answers a kubelet that pulls images: it runs the program as a credential provider
// plugin. It stores nothing, and needs no home.
type Kubelet struct {
	Registry *url.URL
	STS      *platform.STS
	// Identity is the ID of the identity for pods whose service account has no
	// IdentityAnnotation, or "" for the one that matches the token.
	Identity string

	// NodeToken returns an ID token for pods without a service account token; nil: there is
	// none. NodeIdentity is the ID of the identity that it is for, or "" for the one that
	// matches the token.
	NodeToken    func(context.Context) (string, error)
	NodeIdentity string
	// PullToken returns a pull token for pods without a service account token; nil: there is
	// none. It goes before NodeToken.
	PullToken func() (token.Credential, error)
}

// Answer reads a request from in, which must end within a few seconds, and writes the
// response to out. For an image of another registry, the response has no credential. Errors
// name the service account, and contain no token.
func (k *Kubelet) Answer(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, kubeletTimeout)
	defer cancel()
	input, err := readInput(in, inputTimeout)
	if err != nil {
		return err
	}
	request, err := parseKubeletRequest(input)
	if err != nil {
		return err
	}
	response := kubeletResponse{
		APIVersion: KubeletAPI, Kind: responseKind, CacheKeyType: "Registry",
		CacheDuration: time.Duration(0).String(), Auth: map[string]kubeletAuth{},
	}
	if host, _ := registryHost(k.Registry, request.Image); host == k.Registry.Host {
		c, err := k.credential(ctx, request)
		if err != nil {
			return err
		}
		response.Auth[host] = kubeletAuth{c.Username, c.Secret}
		response.CacheDuration = cacheDuration(c.Expires, k.STS.Now()).String()
	}
	text, err := json.Marshal(response)
	if err != nil {
		return err
	}
	_, err = out.Write(append(text, '\n'))
	return err
}

// parseKubeletRequest parses a request. It ignores unknown fields, which a newer kubelet may
// send.
func parseKubeletRequest(input []byte) (kubeletRequest, error) {
	var r kubeletRequest
	if err := json.Unmarshal(input, &r); err != nil {
		return r, hint.With(fmt.Errorf("standard input is not a %s in JSON", requestKind),
			hint.Text("a kubelet runs this: see docker-credential-cgr kubernetes provider-config --help"))
	}
	switch {
	case r.Kind != requestKind:
		return r, fmt.Errorf("the request is of kind %q, not %s", platform.Printable(r.Kind), requestKind)
	case r.APIVersion != KubeletAPI:
		return r, hint.With(fmt.Errorf("the request has apiVersion %q, not %s", platform.Printable(r.APIVersion), KubeletAPI),
			hint.Text("set apiVersion: %s for this provider in the kubelet's CredentialProviderConfig", KubeletAPI))
	case r.Image == "":
		return r, errors.New("the request names no image")
	}
	return r, nil
}

// cacheDuration returns how long the kubelet may cache a credential: for its remaining life,
// less the time that a pull may take.
func cacheDuration(expires, now time.Time) time.Duration {
	const longestPull = 5 * time.Minute
	life := expires.Sub(now)
	if expires.IsZero() || life <= 0 {
		return 0
	}
	return (life - min(longestPull, life/5)).Truncate(time.Second)
}

// credential returns the credential for a pod.
func (k *Kubelet) credential(ctx context.Context, r kubeletRequest) (token.Credential, error) {
	if r.ServiceAccountToken == "" {
		return k.nodeCredential(ctx)
	}
	account := "the pod's service account"
	if claims, err := platform.ParseClaims(r.ServiceAccountToken); err == nil && claims.Subject != "" {
		account = platform.Printable(claims.Subject, r.ServiceAccountToken)
	}
	identity, annotated := r.ServiceAccountAnnotations[IdentityAnnotation]
	identity = strings.TrimSpace(identity) // from a file, it ends with a line end
	switch {
	case !annotated:
		identity = k.Identity
	case !config.ValidUIDP(identity):
		return token.Credential{}, fmt.Errorf("the annotation %s of %s is %q, which is not the ID of an identity",
			IdentityAnnotation, account, platform.Printable(identity, r.ServiceAccountToken))
	}
	return k.exchange(ctx, "the token of "+account, r.ServiceAccountToken, identity)
}

// nodeCredential returns the credential for a pod without a service account token.
func (k *Kubelet) nodeCredential(ctx context.Context) (token.Credential, error) {
	switch {
	case k.PullToken != nil:
		return k.PullToken()
	case k.NodeToken == nil:
		return token.Credential{}, hint.With(errors.New("the request has no service account token, and no token for the node is configured"),
			hint.Text("set tokenAttributes as docker-credential-cgr kubernetes provider-config prints them"),
			hint.Text("for static pods, add --node-token, --node-ambient or --pull-token-file to args"))
	}
	idToken, err := k.NodeToken(ctx)
	if err != nil {
		return token.Credential{}, err
	}
	return k.exchange(ctx, "the node's ID token", idToken, k.NodeIdentity)
}

// exchange exchanges an ID token for an access token for the registry. name is what errors
// call the ID token.
func (k *Kubelet) exchange(ctx context.Context, name, idToken, identity string) (token.Credential, error) {
	// With the timeout of each request and the time for the input, these end in time.
	const tries = 3
	request := platform.TokenRequest{Audiences: []string{k.Registry.Host}, Identity: identity}
	t, err := token.Exchange(ctx, k.STS, idToken, request, tries)
	var noIdentity *token.NotSignedInError
	if errors.As(err, &noIdentity) { // its hint is for a job
		err = hint.With(errors.New(noIdentity.Err.Error()), hint.Text("annotate the service account with %s, or set --identity or --node-identity", IdentityAnnotation))
	}
	if err != nil {
		return token.Credential{}, fmt.Errorf("cannot exchange %s: %w", name, err)
	}
	return token.Credential{Username: token.Username, Secret: t.AccessToken, Expires: t.Expiry}, nil
}
