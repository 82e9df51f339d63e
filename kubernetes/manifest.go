package kubernetes

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/workload"
)

// DefaultJobNamespace is the namespace of the job if none is given. Its manifest creates it.
const DefaultJobNamespace = "cgr-refresher"

// Manifest is a job that keeps pull secrets fresh, with what it needs: a service account
// with the least rights, and an ID token of it.
type Manifest struct {
	Name            string   // of the secrets
	Namespaces      []string // of the secrets; not empty, or else Selector is not
	Selector        string   // for the labels of these namespaces
	ServiceAccounts []string // that get the secret
	Force           bool

	JobNamespace string   // "" for DefaultJobNamespace
	Image        string   // with this program in PATH
	Schedule     string   // of a CronJob; "" for a Deployment that keeps running
	Identity     string   // id; "" for the one that the ID token matches
	Issuer       string   // host of the platform's issuer, the audience of the ID token
	Env          []EnvVar // of the container
}

// EnvVar is an environment variable.
type EnvVar struct{ Name, Value string }

// maxCronJob is the longest name of a CronJob: its jobs add 11 characters to it
// (https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs).
const maxCronJob = 52

// jobName returns the name of all objects of the manifest.
func (m Manifest) jobName() string { return "refresh-" + m.Name }

// Check checks m, before something is printed.
func (m Manifest) Check() error {
	names := slices.Concat(m.Namespaces, []string{m.JobNamespace})
	if err := CheckTargets(m.Name, names, m.ServiceAccounts, m.Selector); err != nil {
		return err
	}
	switch name := m.jobName(); {
	case len(name) > maxCronJob:
		return fmt.Errorf("the name of the secret is too long for a job called %s: use at most %d characters", name, maxCronJob-len(name)+len(m.Name))
	case len(m.Namespaces) == 0 && m.Selector == "":
		return errors.New("no namespace for the secrets")
	case CheckImage(m.Image) != nil:
		return CheckImage(m.Image)
	case !isText(m.Schedule):
		return fmt.Errorf("%q is not a schedule", platform.Printable(m.Schedule))
	}
	return nil
}

// CheckImage checks that a text can be the name of an image. It does not check all of the
// rules.
func CheckImage(image string) error {
	if image == "" || !isText(image) || strings.Contains(image, " ") {
		return fmt.Errorf("%q is not the name of an image", platform.Printable(image))
	}
	return nil
}

// CheckTargets checks the name of the secrets, and where they are to be.
func CheckTargets(name string, namespaces, accounts []string, selector string) error {
	for _, namespace := range namespaces {
		if err := CheckNames(name, namespace); err != nil {
			return err
		}
	}
	for _, account := range accounts {
		if CheckNames(account, "") != nil {
			return fmt.Errorf("%q is not the name of a service account", platform.Printable(account))
		}
	}
	// What selectors consist of
	// (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels).
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=!,() "
	if strings.Trim(selector, letters) != "" || strings.TrimSpace(selector) == "" && selector != "" {
		return fmt.Errorf("%q is not a label selector, such as pull=cgr", platform.Printable(selector))
	}
	return CheckNames(name, "")
}

// YAML returns the manifest for kubectl apply -f. It begins with comments: how to create the
// identity for the job's service account.
func (m Manifest) YAML() ([]byte, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	var documents []string
	namespace := m.JobNamespace
	if namespace == "" {
		namespace = DefaultJobNamespace
		documents = append(documents, namespaceYAML)
	}
	documents = append(documents, accountYAML)
	if len(m.Namespaces) == 0 {
		documents = append(documents, clusterRoleYAML)
	}
	for _, target := range m.Namespaces {
		documents = append(documents, strings.ReplaceAll(roleYAML, "{target}", scalar(target)))
	}
	if m.Schedule == "" {
		documents = append(documents, strings.ReplaceAll(deploymentYAML, "{pod}", indent(podYAML, "    ")))
	} else {
		documents = append(documents, strings.ReplaceAll(cronJobYAML, "{pod}", indent(podYAML, "        ")))
	}
	text := commentYAML + strings.Join(documents, "---\n")
	return []byte(strings.NewReplacer(
		"{rules}", m.rules(), "{args}", m.args(), "{env}", m.env(),
		"{name}", scalar(m.jobName()),
		"{cluster-role}", scalar(namespace+":"+m.jobName()),
		"{namespace}", scalar(namespace),
		"{schedule}", scalar(m.Schedule),
		"{image}", scalar(m.Image),
		"{audience}", scalar(m.Issuer),
		"{create}", m.createIdentity(namespace),
	).Replace(text)), nil
}

// createIdentity returns the command that creates the identity for the service account.
func (m Manifest) createIdentity(namespace string) string {
	return "docker-credential-cgr identities create " + hint.POSIX.Quote(m.jobName()) +
		" --identity-issuer=ISSUER_URL --subject=" + workload.KubernetesSubject(namespace, m.jobName()) +
		" --role=registry.pull --parent=ORGANIZATION"
}

// rules returns the rules of a role: what the refresher does, and nothing else. A secret that
// does not exist is created by applying it, a request that has its name: so create can be
// limited to the name too (k8s.io/apiserver, endpoints/handlers/patch.go).
func (m Manifest) rules() string {
	text := "  - apiGroups: [\"\"]\n    resources: [\"secrets\"]\n    resourceNames: [" + scalar(m.Name) + "]\n    verbs: [\"get\", \"create\", \"patch\"]\n"
	if len(m.ServiceAccounts) > 0 {
		text += "  - apiGroups: [\"\"]\n    resources: [\"serviceaccounts\"]\n    resourceNames: [" + scalars(m.ServiceAccounts) + "]\n    verbs: [\"get\", \"patch\"]\n"
	}
	return text
}

// args returns the arguments of the container, each as an item of a list.
func (m Manifest) args() string {
	args := []string{"kubernetes", "refresh-secret", m.Name}
	if len(m.Namespaces) > 0 {
		args = append(args, "--namespace="+strings.Join(m.Namespaces, ","))
	} else {
		args = append(args, "--selector="+m.Selector)
	}
	if len(m.ServiceAccounts) > 0 {
		args = append(args, "--service-account="+strings.Join(m.ServiceAccounts, ","))
	}
	if m.Identity != "" {
		args = append(args, "--identity="+m.Identity)
	}
	if m.Force {
		args = append(args, "--force")
	}
	if m.Schedule == "" {
		args = append(args, "--watch")
	}
	return scalars(args)
}

func (m Manifest) env() string {
	if len(m.Env) == 0 {
		return "[]"
	}
	items := make([]string, len(m.Env))
	for i, variable := range m.Env {
		items[i] = "{name: " + scalar(variable.Name) + ", value: " + scalar(variable.Value) + "}"
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// scalars returns texts as the items of a flow sequence.
func scalars(texts []string) string {
	items := make([]string, len(texts))
	for i, text := range texts {
		items[i] = scalar(text)
	}
	return strings.Join(items, ", ")
}

// indent returns text with a prefix before each line.
func indent(text, prefix string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(prefix + line)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
