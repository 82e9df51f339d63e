package kube

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/helper"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/kubernetes"
	"docker-credential-cgr/kubernetes/node"
)

// nodeFlags are the flags of the commands that configure the kubelet.
type nodeFlags struct {
	providerFlags
	requireAnnotation bool
}

func (f *nodeFlags) addTo(c *cobra.Command) {
	f.add(c.Flags())
	c.Flags().BoolVar(&f.requireAnnotation, "require-annotation", false,
		"give credentials only to service accounts with the annotation "+helper.IdentityAnnotation)
}

// provider returns how the kubelet runs the program.
func (f *nodeFlags) provider(a *command.App) (node.Provider, error) {
	if err := f.check(); err != nil {
		return node.Provider{}, err
	}
	for flag, path := range map[string]string{"node-token": f.nodeToken, "pull-token-file": f.pullTokenFile} {
		if path != "" && (!strings.HasPrefix(path, "/") || !utf8.ValidString(path)) {
			return node.Provider{}, command.Usagef("--%s %s is not an absolute path on the node", flag, command.Quoted(path))
		}
	}
	p := node.Provider{
		Registry: a.Config.Registry.Host, Audience: a.Config.Issuer.Host, Args: f.args(&a.Config),
		NeedsAnnotation: f.requireAnnotation, ServesNode: f.servesNode(),
	}
	if err := p.Check(); err != nil {
		return p, command.Usagef("--require-annotation: %w", err)
	}
	return p, nil
}

func newProviderConfig(a *command.App) *cobra.Command {
	var f nodeFlags
	var rbac bool
	c := command.Formats(&cobra.Command{
		Use:   "provider-config",
		Short: "Print the kubelet's configuration",
		Long: `Print the CredentialProviderConfig with which a kubelet (Kubernetes 1.34 or newer) runs this
program, and what to do next. With --rbac, print the role that lets nodes request service
account tokens for the issuer.`,
		Example: `  docker-credential-cgr kubernetes provider-config > config.yaml
  docker-credential-cgr kubernetes provider-config --rbac | kubectl apply -f -`,
		Args: command.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			p, err := f.provider(a)
			if err != nil {
				return err
			}
			if rbac {
				return printYAML(a, p.RBACYAML)
			}
			if err := printYAML(a, p.YAML); err != nil {
				return err
			}
			printSteps(a, p)
			return nil
		},
	}, "yaml", "json")
	f.addTo(c)
	c.Flags().BoolVar(&rbac, "rbac", false, "print the ClusterRole for nodes and its binding")
	return c
}

// printYAML prints YAML, as JSON if --output says so.
func printYAML(a *command.App, text func() ([]byte, error)) error {
	out, err := text()
	if err == nil && a.Output == "json" {
		out, err = kubernetes.JSON(out)
	}
	if err != nil {
		return err
	}
	return a.Print("%s", out)
}

// printSteps prints what to do with the configuration.
func printSteps(a *command.App, p node.Provider) {
	steps := fmt.Sprintf(`Next:
1. On each node, put this program into the folder of --image-credential-provider-bin-dir, under the name %s,
   and this configuration into the file of --image-credential-provider-config. Restart the kubelet.
   On kubeadm, kind, k3s and RKE2, %s kubernetes install-node does all of that.
2. %s kubernetes provider-config --rbac | kubectl apply -f -
3. %s identities create NAME --parent=ORGANIZATION --role=registry.pull \
     --identity-issuer="$(kubectl get --raw /.well-known/openid-configuration | jq -r .issuer)" \
     --subject=system:serviceaccount:NAMESPACE:SERVICE_ACCOUNT
   If the platform cannot reach the cluster's issuer, add --issuer-keys="$(kubectl get --raw /openid/v1/jwks)".
4. kubectl annotate serviceaccount --namespace NAMESPACE SERVICE_ACCOUNT %s=IDENTITY_ID`,
		node.ProviderName, command.Name, command.Name, command.Name, helper.IdentityAnnotation)
	fmt.Fprintln(a.Stderr, steps)
}

// installFlags are the flags of kubernetes install-node.
type installFlags struct {
	nodeFlags
	root, system, configFile, binDir string
	remove, restart                  bool
}

func newInstallNode(a *command.App) *cobra.Command {
	var f installFlags
	c := &cobra.Command{
		Use:   "install-node",
		Short: "Install the program on a node as a credential provider of the kubelet",
		Long: `Install the program on a node as a credential provider of the kubelet: copy it into the
kubelet's folder for such programs, add it to the kubelet's configuration, and, with kubeadm
and kind, add the kubelet's flags. Other credential providers are not changed. The kubelet
must be restarted afterwards; --restart does that.

The paths are those that the running kubelet was started with; otherwise those of k3s,
RKE2 or kubeadm, whichever is installed.`,
		Example: `  sudo docker-credential-cgr kubernetes install-node --restart
  docker-credential-cgr kubernetes install-node --root /mnt/image --system k3s
  sudo docker-credential-cgr kubernetes install-node --remove --restart`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return installNode(c.Context(), a, &f) },
	}
	f.addTo(c)
	flags := c.Flags()
	flags.StringVar(&f.root, "root", "/", "`FOLDER` with the node's file system")
	flags.StringVar(&f.system, "system", "", "`SYSTEM` of the node: kubeadm (also for kind and minikube), k3s or rke2 (default: the one that is found)")
	flags.StringVar(&f.configFile, "config-file", "", "the kubelet's --image-credential-provider-config `FILE`")
	flags.StringVar(&f.binDir, "bin-dir", "", "the kubelet's --image-credential-provider-bin-dir `FOLDER`")
	flags.BoolVar(&f.remove, "remove", false, "undo what install-node did")
	flags.BoolVar(&f.restart, "restart", false, "restart the kubelet with systemctl if anything has changed")
	return c
}

// node returns the node to change.
func (f *installFlags) node() (node.Node, error) {
	n := node.Node{Root: f.root}
	if (f.configFile == "") != (f.binDir == "") {
		return n, command.Usagef("--config-file and --bin-dir need each other")
	}
	if f.configFile != "" {
		if f.system != "" {
			return n, command.Usagef("--system does not go with --config-file and --bin-dir")
		}
		if !strings.HasPrefix(f.configFile, "/") || !strings.HasPrefix(f.binDir, "/") {
			return n, command.Usagef("--config-file and --bin-dir must be absolute paths on the node")
		}
		n.Layout = node.CustomLayout(f.configFile, f.binDir)
		return n, nil
	}
	if f.system != "" && !isSystem(f.system) {
		return n, command.Usagef("--system %s: use kubeadm, k3s or rke2", command.Quoted(f.system))
	}
	var err error
	n.Layout, err = node.FindLayout(f.root, f.system)
	return n, err
}

func isSystem(name string) bool {
	for _, layout := range node.Layouts() {
		if layout.System == name {
			return true
		}
	}
	return false
}

func installNode(ctx context.Context, a *command.App, f *installFlags) error {
	p, err := f.provider(a)
	if err != nil {
		return err
	}
	n, err := f.node()
	if err != nil {
		return err
	}
	var changed []string
	if f.remove {
		changed, err = n.Uninstall()
	} else {
		changed, err = install(n, p)
	}
	for _, path := range changed {
		a.Note("Changed %s", path)
	}
	if errors.Is(err, fs.ErrPermission) {
		err = hint.With(err, hint.Text("run it again as root"))
	}
	if err != nil {
		return err
	}
	unit := n.Unit(f.root)
	switch {
	case len(changed) == 0:
		a.Note("Nothing to change on this %s node.", n.System)
		return nil
	case f.restart:
		if err := n.Restart(ctx); err != nil {
			return hint.With(err, hint.Text("systemctl restart %s", unit))
		}
		a.Note("Restarted %s.", unit)
		return nil
	}
	a.Note("Restart the kubelet: systemctl restart %s", unit)
	return nil
}

// install copies this program to the node.
func install(n node.Node, p node.Provider) ([]string, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read this program: %w", err)
	}
	return n.Install(program, p)
}

func newNodeManifest(a *command.App) *cobra.Command {
	var f nodeFlags
	m := node.Manifest{Namespace: "kube-system", PauseImage: "registry.k8s.io/pause:3.10"}
	c := command.Formats(&cobra.Command{
		Use:   "node-manifest --image IMAGE",
		Short: "Print a DaemonSet that installs the program on all nodes",
		Long: `Print a DaemonSet that runs install-node on all nodes, including new ones, and restarts
their kubelets. Its pods are privileged: they write to the node's file system. The nodes
must be able to pull the image before the program is installed.`,
		Example: `  docker-credential-cgr kubernetes node-manifest --image registry.example.com/docker-credential-cgr:1.0.0 | kubectl apply -f -`,
		Args:    command.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			p, err := f.provider(a)
			if err != nil {
				return err
			}
			if m.Image == "" {
				return command.Usagef("--image is missing: an image with this program, in a registry that the nodes can pull from")
			}
			if m.Namespace == "" {
				return command.Usagef("--namespace is empty")
			}
			for _, err := range []error{
				kubernetes.CheckImage(m.Image), kubernetes.CheckImage(m.PauseImage), kubernetes.CheckNames(node.ProviderName, m.Namespace),
			} {
				if err != nil {
					return command.Usagef("%w", err)
				}
			}
			m.Args = p.Args
			if p.NeedsAnnotation {
				m.Args = append(m.Args, "--require-annotation")
			}
			return printYAML(a, m.YAML)
		},
	}, "yaml", "json")
	f.addTo(c)
	flags := c.Flags()
	flags.StringVar(&m.Image, "image", "", "`IMAGE` with this program, in a registry that the nodes can pull from")
	flags.StringVar(&m.PauseImage, "pause-image", m.PauseImage, "`IMAGE` of the container that keeps the pods running")
	flags.StringVarP(&m.Namespace, "namespace", "n", m.Namespace, "`NAMESPACE` of the DaemonSet")
	flags.BoolVar(&m.Remove, "remove", false, "remove the program from the nodes instead")
	return c
}
