package node

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// Layout is where the kubelet of a node looks for credential providers. Its paths are those
// that the kubelet sees.
type Layout struct {
	System string // kubeadm, k3s, rke2 or kubelet
	// Config is the CredentialProviderConfig, or a folder of them, and Bin the folder of the
	// programs.
	Config, Bin string
	// Flags is the file with the kubelet's flags, or "" if the kubelet knows the paths.
	Flags string
	// Units are the systemd units that run the kubelet; a node has one of them.
	Units []string
}

// The kubelet's flags for credential providers
// (https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/).
const (
	configFlag = "--image-credential-provider-config="
	binFlag    = "--image-credential-provider-bin-dir="
)

// Layouts returns the layouts of distributions, without those that only a node knows. k3s and
// RKE2 pass these paths to the kubelet if they exist (their documentation of the agent's
// flags). The files of flags are those of kubeadm's packages and of kind's nodes.
func Layouts() []Layout {
	const rancher = "/var/lib/rancher/credentialprovider/"
	const kubeadm = "/etc/kubernetes/credential-provider/"
	return []Layout{
		{System: "k3s", Config: rancher + "config.yaml", Bin: rancher + "bin", Units: []string{"k3s", "k3s-agent"}},
		{System: "rke2", Config: rancher + "config.yaml", Bin: rancher + "bin", Units: []string{"rke2-server", "rke2-agent"}},
		{System: "kubeadm", Config: kubeadm + "config.yaml", Bin: kubeadm + "bin", Flags: "/etc/default/kubelet", Units: []string{"kubelet"}},
	}
}

// sysconfig is the file of flags in kubeadm's RPM package, which contains it.
const sysconfig = "/etc/sysconfig/kubelet"

// otherSystem is the System of a CustomLayout.
const otherSystem = "kubelet"

// CustomLayout returns the layout of a kubelet whose flags have these paths. Where the flags
// are set is unknown, so they are not changed.
func CustomLayout(config, bin string) Layout {
	return Layout{System: otherSystem, Config: path.Clean(config), Bin: path.Clean(bin), Units: []string{"kubelet"}}
}

// FindLayout returns the layout of the node whose file system is at root: the one of a
// system, or, if that is "", what the running kubelet was started with or what is installed.
func FindLayout(root, system string) (Layout, error) {
	layouts := Layouts()
	at := slices.IndexFunc(layouts, func(l Layout) bool { return l.System == system })
	if at < 0 && system != "" {
		return Layout{}, fmt.Errorf("unknown system %q", system)
	}
	if at < 0 {
		config, bin, err := runningPaths(root)
		if err != nil {
			return Layout{}, err
		}
		at = slices.IndexFunc(layouts, func(l Layout) bool {
			if config != "" {
				return l.Config == config && l.Bin == bin && isInstalled(root, l.System)
			}
			return isInstalled(root, l.System)
		})
		switch {
		case at >= 0:
		case config != "":
			if !path.IsAbs(config) || !path.IsAbs(bin) {
				return Layout{}, hint.With(fmt.Errorf("the kubelet was started with relative paths, %s and %s", platform.Printable(config), platform.Printable(bin)),
					hint.Text("set --config-file and --bin-dir to the absolute paths"))
			}
			return CustomLayout(config, bin), nil
		default:
			return Layout{}, hint.With(fmt.Errorf("found no kubelet in %s", root),
				hint.Text("set --system, or --config-file and --bin-dir to what the kubelet is started with"))
		}
	}
	layout := layouts[at]
	if layout.Flags != "" && exists(root, sysconfig) {
		layout.Flags = sysconfig
	}
	return layout, nil
}

// isInstalled reports whether a system has files on the node.
func isInstalled(root, system string) bool {
	switch system {
	case "k3s", "rke2":
		return exists(root, "/var/lib/rancher/"+system)
	}
	return exists(root, "/etc/kubernetes/kubelet.conf") || exists(root, "/etc/kubernetes/bootstrap-kubelet.conf")
}

// runningPaths returns the paths that the running kubelet was started with, or "" if none
// runs, or it has none.
func runningPaths(root string) (config, bin string, err error) {
	files, _ := filepath.Glob(filepath.Join(root, "proc", "[0-9]*", "cmdline"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the process has ended
		}
		args := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
		if filepath.Base(args[0]) != "kubelet" || hasOtherRoot(root, filepath.Dir(file)) {
			continue
		}
		itsConfig, itsBin := flagValue(args, configFlag), flagValue(args, binFlag)
		if config != "" && (config != itsConfig || bin != itsBin) {
			return "", "", hint.With(errors.New("several kubelets run here"), hint.Text("set --system, or --config-file and --bin-dir"))
		}
		config, bin = itsConfig, itsBin
	}
	if config == "" || bin == "" {
		return "", "", nil
	}
	return config, bin, nil
}

// hasOtherRoot reports whether a process, with this folder in /proc, sees another file system
// than root, as one in a container does: a node of kind on this machine.
func hasOtherRoot(root, process string) bool {
	its, err := os.Stat(filepath.Join(process, "root"))
	if err != nil {
		return false // only the superuser may look
	}
	ours, err := os.Stat(root)
	return err == nil && !os.SameFile(its, ours)
}

// flagValue returns the value of a flag, which ends in "=", in either of its forms, or "". The
// last one counts, as for the kubelet.
func flagValue(args []string, flag string) string {
	for i, arg := range slices.Backward(args) {
		if value, ok := strings.CutPrefix(arg, flag); ok {
			return value
		}
		if arg == strings.TrimSuffix(flag, "=") && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// Unit returns the systemd unit that has to be restarted.
func (l Layout) Unit(root string) string {
	for _, unit := range l.Units[1:] {
		for _, dir := range []string{"/etc/systemd/system/", "/usr/local/lib/systemd/system/", "/usr/lib/systemd/system/"} {
			if exists(root, dir+unit+".service") {
				return unit
			}
		}
	}
	return l.Units[0]
}
