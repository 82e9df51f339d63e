package helper

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

const testIdentity = "89fe8d4ef086da7ca570fb69a3f02392e3fd389c/0123456789abcdef"

// unsigned returns a JWT with these claims.
func unsigned(t *testing.T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode(payload) + "." + encode([]byte("signature"))
}

// kubelet is a fixture: a Kubelet with an issuer that accepts every token, unless refuse is set.
type kubelet struct {
	*Kubelet
	requests atomic.Int32
	identity string // that was asked for last
	refuse   string // the issuer's error
	life     time.Duration
}

func newKubelet(t *testing.T) *kubelet {
	t.Helper()
	k := &kubelet{life: time.Hour}
	var issuer *httptest.Server
	issuer = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.requests.Add(1)
		k.identity = r.FormValue("identity")
		if aud := r.FormValue("aud"); aud != "cgr.dev" {
			t.Errorf("got a request for the audience %q, want cgr.dev", aud)
		}
		w.Header().Set("Content-Type", "application/json")
		if k.refuse != "" {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"code":7,"message":%q,"details":[]}`, k.refuse)
			return
		}
		sub := k.identity
		if sub == "" {
			sub = testIdentity
		}
		access := unsigned(t, map[string]any{"iss": issuer.URL, "sub": sub, "aud": "cgr.dev", "exp": time.Now().Add(k.life).Unix()})
		fmt.Fprintf(w, `{"token":%q,"refreshToken":"","expiry":null}`, access)
	}))
	t.Cleanup(issuer.Close)
	registry, err := url.Parse("https://cgr.dev")
	if err != nil {
		t.Fatal(err)
	}
	k.Kubelet = &Kubelet{
		Registry: registry,
		STS: &platform.STS{
			Issuer: issuer.URL, Transport: platform.NewTransport(), Now: time.Now,
			Warn: func(err error) { t.Errorf("unexpected warning: %v", err) }, Debug: func(string, ...any) {},
		},
	}
	return k
}

func (k *kubelet) answers(t *testing.T, request map[string]any) (response kubeletResponse, err error) {
	t.Helper()
	all := map[string]any{"apiVersion": KubeletAPI, "kind": requestKind, "image": "cgr.dev/example.com/python"}
	for name, value := range request {
		all[name] = value
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := k.Answer(t.Context(), strings.NewReader(string(text)), &out); err != nil {
		if out.Len() != 0 {
			t.Errorf("got %q on standard output besides an error", out.String())
		}
		return response, err
	}
	decoder := json.NewDecoder(strings.NewReader(out.String()))
	decoder.DisallowUnknownFields() // as the kubelet
	if err := decoder.Decode(&response); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	if response.APIVersion != KubeletAPI || response.Kind != responseKind || response.CacheKeyType != "Registry" || response.Auth == nil {
		t.Errorf("got %s, which the kubelet would not accept", out.String())
	}
	return response, nil
}

func (k *kubelet) podToken(t *testing.T) string {
	return unsigned(t, map[string]any{"iss": "https://cluster.example", "sub": "system:serviceaccount:web:app", "aud": "issuer.enforce.dev"})
}

func TestKubeletExchanges(t *testing.T) {
	const other = "89fe8d4ef086da7ca570fb69a3f02392e3fd389c/fedcba9876543210"
	for _, test := range []struct {
		name, flag  string
		annotations map[string]string
		want        string
	}{
		{"the annotation", other, map[string]string{IdentityAnnotation: testIdentity}, testIdentity},
		{"the annotation, from a file", other, map[string]string{IdentityAnnotation: testIdentity + "\n"}, testIdentity},
		{"the flag", testIdentity, map[string]string{"other": "x"}, testIdentity},
		{"neither", "", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newKubelet(t)
			k.Identity = test.flag
			response, err := k.answers(t, map[string]any{"serviceAccountToken": k.podToken(t), "serviceAccountAnnotations": test.annotations, "unknown": 1})
			if err != nil {
				t.Fatal(err)
			}
			if k.identity != test.want || k.requests.Load() != 1 {
				t.Errorf("got %d requests, the last for the identity %q; want 1 for %q", k.requests.Load(), k.identity, test.want)
			}
			auth := response.Auth["cgr.dev"]
			if len(response.Auth) != 1 || auth.Username != token.Username || strings.Count(auth.Password, ".") != 2 {
				t.Errorf("got the credentials %v, want an access token for cgr.dev alone", response.Auth)
			}
			cached, err := time.ParseDuration(response.CacheDuration)
			if err != nil || cached < 54*time.Minute || cached > 55*time.Minute {
				t.Errorf("I80: got cacheDuration %q, want the token's life less five minutes", response.CacheDuration)
			}
		})
	}
}

func TestCacheDuration(t *testing.T) {
	now := time.Now()
	for _, test := range []struct{ life, want time.Duration }{
		{-time.Minute, 0},
		{0, 0},
		{10 * time.Second, 8 * time.Second},
		{time.Hour, 55 * time.Minute},
		{24 * time.Hour, 24*time.Hour - 5*time.Minute},
	} {
		if got := cacheDuration(now.Add(test.life), now); got != test.want {
			t.Errorf("a life of %s: got %s, want %s", test.life, got, test.want)
		}
	}
	if got := cacheDuration(time.Time{}, now); got != 0 {
		t.Errorf("an unknown life: got %s, want 0", got)
	}
}

func TestKubeletForeignImages(t *testing.T) {
	k := newKubelet(t)
	for _, image := range []string{
		"docker.io/library/python", "python", "cgr.dev.evil.example/python", "evil.example/cgr.dev/python",
		"cgr.dev@evil.example/python", "apk.cgr.dev/python", "cgr.dev:8443/python", "*",
	} {
		response, err := k.answers(t, map[string]any{"image": image, "serviceAccountToken": k.podToken(t)})
		if err != nil || len(response.Auth) != 0 || response.CacheDuration != "0s" {
			t.Errorf("I79 %s: got %v, %v; want an empty answer", image, response, err)
		}
	}
	if n := k.requests.Load(); n != 0 {
		t.Errorf("got %d requests, want none", n)
	}
}

// A pod without a service account token gets what the node's administrator configured.
func TestKubeletNode(t *testing.T) {
	k := newKubelet(t)
	if _, err := k.answers(t, nil); err == nil || !strings.Contains(err.Error(), "no service account token") {
		t.Errorf("I79 nothing configured: got %v", err)
	}
	k.PullToken = func() (token.Credential, error) {
		return token.Credential{Username: testIdentity, Secret: "pull-token", Expires: time.Now().Add(30 * 24 * time.Hour)}, nil
	}
	response, err := k.answers(t, nil)
	if err != nil || response.Auth["cgr.dev"] != (kubeletAuth{testIdentity, "pull-token"}) {
		t.Errorf("pull token: got %v, %v", response, err)
	}
	if n := k.requests.Load(); n != 0 {
		t.Errorf("pull token: got %d requests, want none", n)
	}
}

func TestKubeletErrors(t *testing.T) {
	k := newKubelet(t)
	secret := k.podToken(t)
	for _, test := range []struct {
		name    string
		request map[string]any
		want    []string
	}{
		{"I79 v1alpha1", map[string]any{"apiVersion": "credentialprovider.kubelet.k8s.io/v1alpha1"}, []string{"v1alpha1", KubeletAPI}},
		{"I79 v1beta1", map[string]any{"apiVersion": "credentialprovider.kubelet.k8s.io/v1beta1"}, []string{"v1beta1", KubeletAPI}},
		{"I79 kind", map[string]any{"kind": "TokenReview"}, []string{"TokenReview"}},
		{"I79 no image", map[string]any{"image": ""}, []string{"no image"}},
		{"I79 an annotation that is no ID", map[string]any{"serviceAccountAnnotations": map[string]string{IdentityAnnotation: "puller\n"}},
			[]string{"system:serviceaccount:web:app", IdentityAnnotation, "puller"}},
		{"I79 an empty annotation", map[string]any{"serviceAccountAnnotations": map[string]string{IdentityAnnotation: ""}}, []string{IdentityAnnotation}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.request["serviceAccountToken"] = secret
			_, err := k.answers(t, test.request)
			checkKubeletError(t, err, secret, test.want...)
		})
	}
	t.Run("I79 refused", func(t *testing.T) {
		k.refuse = "verifying token: " + secret
		_, err := k.answers(t, map[string]any{"serviceAccountToken": secret, "serviceAccountAnnotations": map[string]string{IdentityAnnotation: testIdentity}})
		checkKubeletError(t, err, secret, "system:serviceaccount:web:app", testIdentity, "verifying token", `aud "issuer.enforce.dev"`)
	})
	t.Run("an issuer that is down", func(t *testing.T) {
		k := newKubelet(t)
		k.STS.Issuer = "http://127.0.0.1:1"
		_, err := k.answers(t, map[string]any{"serviceAccountToken": secret})
		checkKubeletError(t, err, secret, "cannot exchange the token of system:serviceaccount:web:app: cannot reach 127.0.0.1:1: ")
	})
	for name, input := range map[string]string{"nothing": "", "no JSON": "cgr.dev\n", "an array": "[]", "10 MB": strings.Repeat(" ", 10<<20)} {
		if err := k.Answer(t.Context(), strings.NewReader(input), &strings.Builder{}); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// checkKubeletError checks that an error is one line without the token.
func checkKubeletError(t *testing.T, err error, secret string, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error")
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in the error: %v", part, err)
		}
	}
	if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has the token, or a line end: %q", err)
	}
}

func FuzzKubeletRequest(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderRequest","image":"cgr.dev/a/b","serviceAccountToken":"t","serviceAccountAnnotations":{"cgr.dev/identity":"x"}}`))
	f.Add([]byte(`{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderRequest","image":1}`))
	f.Fuzz(func(t *testing.T, input []byte) {
		r, err := parseKubeletRequest(input)
		if err == nil && (r.Image == "" || r.APIVersion != KubeletAPI || r.Kind != requestKind) {
			t.Errorf("accepted %+v", r)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("the error has several lines: %q", err)
		}
	})
}
