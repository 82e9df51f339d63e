// Package manifests reads what the program prints for Kubernetes as a cluster does.
package manifests

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	kubejson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/yaml"

	"docker-credential-cgr/kubernetes"
	"docker-credential-cgr/kubernetes/node"
)

// decode decodes the documents of a manifest, and refuses fields that are not in k8s.io/api.
func decode(t *testing.T, text string) []runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, rbacv1.AddToScheme, batchv1.AddToScheme, appsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := kubejson.NewSerializerWithOptions(kubejson.DefaultMetaFactory, scheme, scheme, kubejson.SerializerOptions{Yaml: true, Strict: true})
	var objects []runtime.Object
	for documents := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		objects = append(objects, object)
	}
}

// find returns the object of a type in a manifest.
func find[T runtime.Object](t *testing.T, objects []runtime.Object) (found T) {
	t.Helper()
	for _, object := range objects {
		if typed, ok := object.(T); ok {
			return typed
		}
	}
	t.Fatalf("got no %T", found)
	return found
}

func manifest(t *testing.T, change func(*kubernetes.Manifest)) []runtime.Object {
	t.Helper()
	m := kubernetes.Manifest{
		Name: "cgr-pull", Namespaces: []string{"web", "shop"}, ServiceAccounts: []string{"default"},
		Image: "registry.example/cgr@sha256:" + strings.Repeat("0", 64), Schedule: "*/20 * * * *", Issuer: "issuer.enforce.dev",
		Env: []kubernetes.EnvVar{{Name: "CHAINGUARD_PLATFORM_ISSUER", Value: "https://issuer.example"}},
	}
	change(&m)
	text, err := m.YAML()
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, string(text))
}

func TestCronJob(t *testing.T) {
	objects := manifest(t, func(*kubernetes.Manifest) {})
	if len(objects) != 7 {
		t.Errorf("got %d objects, want 7", len(objects))
	}
	namespace, account := find[*corev1.Namespace](t, objects), find[*corev1.ServiceAccount](t, objects)
	role, binding := find[*rbacv1.Role](t, objects), find[*rbacv1.RoleBinding](t, objects)
	if namespace.Name != account.Namespace || *account.AutomountServiceAccountToken {
		t.Errorf("got %+v in %s, want the account in its namespace", account, namespace.Name)
	}
	if role.Namespace != "web" || binding.Namespace != "web" || binding.RoleRef.Name != role.Name || binding.RoleRef.Kind != "Role" {
		t.Errorf("got %+v for %+v, want a binding of the role", binding, role)
	}
	checkSubjects(t, binding.Subjects, account)
	checkRules(t, role.Rules)
	job := find[*batchv1.CronJob](t, objects)
	if job.Spec.Schedule != "*/20 * * * *" || job.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent || job.Namespace != account.Namespace {
		t.Errorf("got %+v", job)
	}
	if errs := validation.IsDNS1123Subdomain(job.Name); len(errs) > 0 {
		t.Errorf("got the name %s: %q", job.Name, errs)
	}
	if policy := job.Spec.JobTemplate.Spec.Template.Spec.RestartPolicy; policy != corev1.RestartPolicyNever {
		t.Errorf("got the restart policy %s, want Never", policy)
	}
	checkPod(t, job.Spec.JobTemplate.Spec.Template, account, "--namespace=web,shop")
}

func TestDeployment(t *testing.T) {
	objects := manifest(t, func(m *kubernetes.Manifest) {
		m.Namespaces, m.Selector, m.Schedule, m.JobNamespace, m.Env = nil, "pull in (cgr)", "", "ops", nil
	})
	if len(objects) != 4 {
		t.Errorf("got %d objects, want 4", len(objects))
	}
	account := find[*corev1.ServiceAccount](t, objects)
	role, binding := find[*rbacv1.ClusterRole](t, objects), find[*rbacv1.ClusterRoleBinding](t, objects)
	if binding.RoleRef.Name != role.Name || binding.RoleRef.Kind != "ClusterRole" {
		t.Errorf("got %+v for %+v, want a binding of the role", binding, role)
	}
	checkSubjects(t, binding.Subjects, account)
	list := role.Rules[0]
	if !slices.Equal(list.Resources, []string{"namespaces"}) || !slices.Equal(list.Verbs, []string{"list"}) {
		t.Errorf("got %+v, want only a list of the namespaces", list)
	}
	checkRules(t, role.Rules[1:])
	deployment := find[*appsv1.Deployment](t, objects)
	template := deployment.Spec.Template
	if !labels.SelectorFromSet(deployment.Spec.Selector.MatchLabels).Matches(labels.Set(template.Labels)) {
		t.Errorf("got the labels %v, want those that are selected, %v", template.Labels, deployment.Spec.Selector)
	}
	checkPod(t, template, account, "--selector=pull in (cgr)")
	if args := template.Spec.Containers[0].Args; args[len(args)-1] != "--watch" {
		t.Errorf("got the arguments %q, want --watch", args)
	}
}

// Whatever the values are, they are values in the manifest, and nothing else of it changes.
func TestOddValues(t *testing.T) {
	const odd = `{args}": 'x' # é 😀 ${X} {{ .Y }} %s`
	image := strings.ReplaceAll(odd, " ", "-")
	t.Run("refresh-manifest", func(t *testing.T) {
		objects := manifest(t, func(m *kubernetes.Manifest) {
			m.Image, m.Schedule, m.Identity, m.Issuer = image, odd, odd, odd
			m.Env = []kubernetes.EnvVar{{Name: "X", Value: odd}}
		})
		job := find[*batchv1.CronJob](t, objects)
		pod := job.Spec.JobTemplate.Spec.Template.Spec
		container := pod.Containers[0]
		audience := pod.Volumes[0].Projected.Sources[0].ServiceAccountToken.Audience
		if len(objects) != 7 || job.Spec.Schedule != odd || container.Image != image || container.Args[5] != "--identity="+odd || container.Env[0].Value != odd || audience != odd {
			t.Errorf("got %d objects and %+v", len(objects), job.Spec)
		}
	})
	t.Run("node-manifest", func(t *testing.T) {
		text, err := node.Manifest{Namespace: "kube-system", Image: image, PauseImage: odd, Args: []string{"--node-token=" + odd, "{image}"}}.YAML()
		if err != nil {
			t.Fatal(err)
		}
		set := find[*appsv1.DaemonSet](t, decode(t, string(text)))
		pod := set.Spec.Template.Spec
		install, pause := pod.InitContainers[0], pod.Containers[0]
		want := []string{"kubernetes", "install-node", "--root=/host", "--restart", "--node-token=" + odd, "{image}"}
		if install.Image != image || pause.Image != odd || !slices.Equal(install.Args, want) {
			t.Errorf("got %+v and %+v", install, pause)
		}
		if !*install.SecurityContext.Privileged || install.VolumeMounts[0].Name != pod.Volumes[0].Name || pod.Volumes[0].HostPath.Path != "/" {
			t.Errorf("got %+v, want the node's file system", pod)
		}
		if !labels.SelectorFromSet(set.Spec.Selector.MatchLabels).Matches(labels.Set(set.Spec.Template.Labels)) {
			t.Errorf("got the labels %v, want those that are selected", set.Spec.Template.Labels)
		}
	})
	t.Run("provider-config --rbac", func(t *testing.T) {
		text, err := node.Provider{Audience: "[::1]:8443"}.RBACYAML()
		if err != nil {
			t.Fatal(err)
		}
		objects := decode(t, string(text))
		role, binding := find[*rbacv1.ClusterRole](t, objects), find[*rbacv1.ClusterRoleBinding](t, objects)
		if role.Rules[0].Resources[0] != "[::1]:8443" || binding.RoleRef.Name != role.Name || binding.Subjects[0].Name != "system:nodes" {
			t.Errorf("got %+v and %+v", role, binding)
		}
	})
}

func checkSubjects(t *testing.T, subjects []rbacv1.Subject, account *corev1.ServiceAccount) {
	t.Helper()
	if want := (rbacv1.Subject{Kind: "ServiceAccount", Name: account.Name, Namespace: account.Namespace}); len(subjects) != 1 || subjects[0] != want {
		t.Errorf("got the subjects %+v, want %+v", subjects, want)
	}
}

// checkRules checks that nothing is allowed but one secret and one service account by name.
func checkRules(t *testing.T, rules []rbacv1.PolicyRule) {
	t.Helper()
	want := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"cgr-pull"}, Verbs: []string{"get", "create", "patch"}},
		{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, ResourceNames: []string{"default"}, Verbs: []string{"get", "patch"}},
	}
	if !slices.EqualFunc(rules, want, func(a, b rbacv1.PolicyRule) bool { return a.String() == b.String() }) {
		t.Errorf("got the rules %+v, want %+v", rules, want)
	}
}

// checkPod checks a pod by the Pod Security Standard "restricted", and its token.
func checkPod(t *testing.T, template corev1.PodTemplateSpec, account *corev1.ServiceAccount, target string) {
	t.Helper()
	pod := template.Spec
	if pod.ServiceAccountName != account.Name || !*pod.AutomountServiceAccountToken || len(pod.Containers) != 1 || len(pod.Volumes) != 1 {
		t.Fatalf("got %+v, want one container with the account %s", pod, account.Name)
	}
	container := pod.Containers[0]
	security := container.SecurityContext
	if !*pod.SecurityContext.RunAsNonRoot || *pod.SecurityContext.RunAsUser == 0 || pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault ||
		*security.AllowPrivilegeEscalation || !*security.ReadOnlyRootFilesystem || !slices.Equal(security.Capabilities.Drop, []corev1.Capability{"ALL"}) {
		t.Errorf("got %+v and %+v, want the least rights", pod.SecurityContext, security)
	}
	if limit := container.Resources.Limits.Memory(); limit.String() != "64Mi" {
		t.Errorf("got the memory limit %s, want 64Mi", limit)
	}
	if want := []string{"kubernetes", "refresh-secret", "cgr-pull", target}; len(container.Args) < 4 || !slices.Equal(container.Args[:4], want) {
		t.Errorf("got the arguments %q, want %q first", container.Args, want)
	}
	token := pod.Volumes[0].Projected.Sources[0].ServiceAccountToken
	mount := container.VolumeMounts[0]
	if token.Audience != "issuer.enforce.dev" || *token.ExpirationSeconds < 600 || mount.Name != pod.Volumes[0].Name || mount.MountPath+"/"+token.Path != "/var/run/chainguard/oidc/oidc-token" {
		t.Errorf("got the token %+v at %+v, want one for the issuer where the program looks for it", token, mount)
	}
}
