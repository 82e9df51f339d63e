//go:build e2e && linux

package clients

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime"
	kubejson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// TestKubernetesSecret makes pull secrets, reads them as a cluster does, and has
// Skopeo pull with what they hold.
func TestKubernetesSecret(t *testing.T) {
	for _, format := range []string{"yaml", "json"} {
		t.Run(format, func(t *testing.T) {
			p := newSecretOwner(t)
			secret := p.makesPullSecret(format, "-n", "web", "-o", format)
			p.wantCounts("secret", map[string]int{"windows": 0, "api.identities.create": 1})
			if secret.Namespace != "web" {
				t.Errorf("the namespace is %q, want web", secret.Namespace)
			}
			id := p.pullsWithSecret(secret)
			ends := p.keptIdentity(id).GetStatic().GetExpiration().AsTime().Format(time.RFC3339)
			if says := secret.Annotations["docker-credential-cgr/expires"]; says != ends {
				t.Errorf("it says that it ends at %s, its identity ends at %s", says, ends)
			}
			p.must("docker-credential-cgr", "pull-token", "revoke", "--yes", id)
			if r, _ := p.skopeoWith(secret).tryPull(p.elsewhere(), privateImage); r.code == 0 || !strings.Contains(r.stderr, "Forbidden") {
				t.Errorf("the pull after it was revoked: %s", r)
			}
		})
	}

	t.Run("--from-stored", func(t *testing.T) {
		p := newSecretOwner(t)
		saved := p.must("docker-credential-cgr", "pull-token", "create", "--save", "--name", "stored")
		p.platform.ResetCounts()
		secret := p.makesPullSecret("yaml", "--from-stored")
		p.wantCounts("secret", map[string]int{"windows": 0, "issuer": 0, "api": 0})
		if secret.Namespace != "" {
			t.Errorf("the namespace is %q, want none", secret.Namespace)
		}
		if id := p.pullsWithSecret(secret); !strings.Contains(saved.stdout, id) {
			t.Errorf("the secret has the pull token %s; saved was: %s", id, saved)
		}
	})
}

// newSecretOwner is newOwner with Docker configured, for another registry, too.
func newSecretOwner(t *testing.T) *fixture {
	t.Helper()
	p := newOwner(t)
	p.writeConfig(`{"auths": {"registry.example": {"auth": "eDp5"}}}`)
	p.must("docker-credential-cgr", "configure-docker", "--no-login")
	return p
}

// makesPullSecret makes a pull secret, and decodes it as strictly as a cluster can.
func (p *fixture) makesPullSecret(format string, flags ...string) *corev1.Secret {
	p.t.Helper()
	r := p.asks("", append([]string{"docker-credential-cgr", "kubernetes", "secret", "regcred"}, flags...)...)
	if r.code != 0 {
		p.t.Fatalf("no secret: %s", r)
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		p.t.Fatal(err)
	}
	decoder := kubejson.NewSerializerWithOptions(kubejson.DefaultMetaFactory, scheme, scheme,
		kubejson.SerializerOptions{Yaml: format == "yaml", Strict: true})
	decoded, kind, err := decoder.Decode([]byte(r.stdout), nil, nil)
	if err != nil {
		p.t.Fatalf("what was printed is not what a cluster takes: %v", err)
	}
	secret, ok := decoded.(*corev1.Secret)
	if !ok {
		p.t.Fatalf("it is a %s, want a Secret", kind)
	}
	checked := secret.ObjectMeta.DeepCopy()
	if checked.Namespace == "" {
		checked.Namespace = "default" // as kubectl does
	}
	if errs := validation.ValidateObjectMeta(checked, true, validation.NameIsDNSSubdomain, field.NewPath("metadata")); errs != nil {
		p.t.Errorf("a cluster refuses it: %v", errs.ToAggregate())
	}
	if secret.Name != "regcred" {
		p.t.Errorf("the name is %q, want regcred", secret.Name)
	}
	if secret.Type != corev1.SecretTypeDockerConfigJson || len(secret.Data) != 1 || len(secret.StringData) != 0 {
		p.t.Fatalf("the type is %q, with %d and %d keys; want %q, with 1 and 0",
			secret.Type, len(secret.Data), len(secret.StringData), corev1.SecretTypeDockerConfigJson)
	}
	return secret
}

// pullsWithSecret pulls with nothing but what a pull secret holds, and gives whose it
// is.
func (p *fixture) pullsWithSecret(secret *corev1.Secret) (id string) {
	p.t.Helper()
	var config map[string]map[string]map[string]string
	if err := json.Unmarshal(secret.Data[corev1.DockerConfigJsonKey], &config); err != nil {
		p.t.Fatalf("%s: %v", corev1.DockerConfigJsonKey, err)
	}
	id = secret.Annotations["docker-credential-cgr/identity"]
	pair, err := base64.StdEncoding.DecodeString(config["auths"][p.host]["auth"])
	if user, _, _ := strings.Cut(string(pair), ":"); err != nil || id == "" || user != id {
		p.t.Errorf("the user is %q (%v), the annotation says %q", user, err, id)
	}
	// No other login is in it, and no other field.
	if len(config) != 1 || len(config["auths"]) != 1 || len(config["auths"][p.host]) != 1 {
		p.t.Errorf("it holds %q, with %q in auths, want auths with the auth of %s alone",
			slices.Collect(maps.Keys(config)), slices.Collect(maps.Keys(config["auths"])), p.host)
	}
	p.platform.ResetCounts()
	p.skopeoWith(secret).pulls(p.elsewhere(), privateImage)
	p.wantCounts("pull", map[string]int{"windows": 0, "issuer": 0, "api": 0})
	return id
}

// skopeoWith is Skopeo with what a pull secret holds, in a file as a node of a cluster
// has it, and with no other credential.
func (p *fixture) skopeoWith(secret *corev1.Secret) client {
	p.t.Helper()
	file := filepath.Join(p.elsewhere().home, "config.json")
	if err := os.WriteFile(file, secret.Data[corev1.DockerConfigJsonKey], 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = os.Remove(file) }) // nothing else may hold a secret
	c := skopeo
	c.pull = func(p *fixture, ref, to string) []string {
		return append(skopeo.pull(p, ref, to), "--authfile", file)
	}
	return c
}
