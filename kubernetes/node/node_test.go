package node

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/helper"
	"docker-credential-cgr/hint"
)

var testProvider = Provider{Registry: "cgr.dev", Audience: "issuer.enforce.dev", Args: []string{"--identity=a b"}}

// newNode returns a node with files.
func newNode(t *testing.T, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// contents returns the regular files below root.
func contents(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		files[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Installing twice changes nothing the second time, and removing restores what was there.
func TestInstall(t *testing.T) {
	const eks = `{"apiVersion":"kubelet.config.k8s.io/v1","kind":"CredentialProviderConfig","providers":[{"name":"ecr-credential-provider","matchImages":["*.dkr.ecr.*.amazonaws.com"],"defaultCacheDuration":"12h","apiVersion":"credentialprovider.kubelet.k8s.io/v1"}]}`
	for _, test := range []struct {
		name   string
		files  map[string]string
		config string // the file with the configuration
		bin    string
		flags  string // the line in the file of flags
	}{
		{"k3s", map[string]string{"var/lib/rancher/k3s/x": ""},
			"var/lib/rancher/credentialprovider/config.yaml", "var/lib/rancher/credentialprovider/bin", ""},
		{"RKE2", map[string]string{"var/lib/rancher/rke2/x": ""},
			"var/lib/rancher/credentialprovider/config.yaml", "var/lib/rancher/credentialprovider/bin", ""},
		{"kubeadm", map[string]string{"etc/kubernetes/kubelet.conf": ""},
			"etc/kubernetes/credential-provider/config.yaml", "etc/kubernetes/credential-provider/bin",
			"KUBELET_EXTRA_ARGS=--image-credential-provider-config=/etc/kubernetes/credential-provider/config.yaml --image-credential-provider-bin-dir=/etc/kubernetes/credential-provider/bin\n"},
		{"kind", map[string]string{"etc/kubernetes/kubelet.conf": "", "etc/default/kubelet": "KUBELET_EXTRA_ARGS=--runtime-cgroups=/system.slice/containerd.service\n"},
			"etc/kubernetes/credential-provider/config.yaml", "etc/kubernetes/credential-provider/bin",
			"KUBELET_EXTRA_ARGS=--runtime-cgroups=/system.slice/containerd.service --image-credential-provider-config=/etc/kubernetes/credential-provider/config.yaml --image-credential-provider-bin-dir=/etc/kubernetes/credential-provider/bin\n"},
		{"kubeadm's RPM package", map[string]string{"etc/kubernetes/kubelet.conf": "", "etc/sysconfig/kubelet": "KUBELET_EXTRA_ARGS=\n"},
			"etc/kubernetes/credential-provider/config.yaml", "etc/kubernetes/credential-provider/bin",
			"KUBELET_EXTRA_ARGS=--image-credential-provider-config=/etc/kubernetes/credential-provider/config.yaml --image-credential-provider-bin-dir=/etc/kubernetes/credential-provider/bin\n"},
		{"a kubelet that runs with another provider", map[string]string{
			"proc/1/cmdline":      "/sbin/init\x00",
			"proc/977/cmdline":    "/usr/bin/kubelet\x00--image-credential-provider-config\x00/etc/eks/config.json\x00--image-credential-provider-bin-dir=/etc/eks\x00",
			"etc/eks/config.json": eks, "etc/eks/ecr-credential-provider": "x"},
			"etc/eks/config.json", "etc/eks", ""},
		{"a folder of configurations", map[string]string{
			"proc/977/cmdline":            "/usr/bin/kubelet\x00--image-credential-provider-config=/etc/providers\x00--image-credential-provider-bin-dir=/opt/bin\x00",
			"etc/providers/10-other.yaml": "x"},
			"etc/providers/cgr-credential-provider.yaml", "opt/bin", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := newNode(t, test.files)
			layout, err := FindLayout(root, "")
			if err != nil {
				t.Fatal(err)
			}
			n := Node{Root: root, Layout: layout}
			before := contents(t, root)
			if _, err := n.Install([]byte("program"), testProvider); err != nil {
				t.Fatal(err)
			}
			installed := contents(t, root)
			if got := installed[test.bin+"/"+ProviderName]; got != "program" {
				t.Errorf("got the program %q in %s", got, test.bin)
			}
			if got := installed[strings.TrimPrefix(layout.Flags, "/")]; layout.Flags != "" && got != test.flags {
				t.Errorf("got the flags %q, want %q", got, test.flags)
			}
			var config providerConfig
			if err := yaml.Unmarshal([]byte(installed[test.config]), &config); err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(config.Providers, func(p providerEntry) bool { return p.Name == ProviderName })
			if at < 0 || !slices.Equal(config.Providers[at].Args, testProvider.Args) || config.Providers[at].MatchImages[0] != "cgr.dev" {
				t.Errorf("got the configuration %s", installed[test.config])
			}
			if strings.HasSuffix(test.config, ".json") && (!strings.HasPrefix(installed[test.config], "{") || len(config.Providers) != 2) {
				t.Errorf("got %s, want JSON with both providers", installed[test.config])
			}

			if changed, err := n.Install([]byte("program"), testProvider); err != nil || len(changed) != 0 {
				t.Errorf("the second time: changed %v, %v; want nothing", changed, err)
			}
			if changed, err := n.Install([]byte("newer program"), testProvider); err != nil || len(changed) != 1 {
				t.Errorf("an update: changed %v, %v; want the program alone", changed, err)
			}
			if _, err := n.Uninstall(); err != nil {
				t.Fatal(err)
			}
			after := contents(t, root)
			if strings.HasSuffix(test.config, ".json") { // the same value, indented
				if !isSameYAML(t, before[test.config], after[test.config]) {
					t.Errorf("got %s after the removal", after[test.config])
				}
				delete(before, test.config)
				delete(after, test.config)
			}
			for name, text := range before {
				if after[name] != text {
					t.Errorf("%s is %q after the removal, was %q", name, after[name], text)
				}
			}
			if len(after) != len(before) {
				t.Errorf("files after the removal: %v, before: %v", after, before)
			}
		})
	}
}

// A link on the node leads to where it leads there, and nowhere else.
func TestLinks(t *testing.T) {
	outside := t.TempDir()
	root := newNode(t, map[string]string{
		"etc/kubernetes/kubelet.conf": "", "data/flags": "KUBELET_EXTRA_ARGS=--v=2\n", "data/kubernetes/kept": "",
	})
	for link, target := range map[string]string{
		"etc/default":                        "../../../data", // of the node, not of the machine
		"etc/kubernetes/credential-provider": "/data/kubernetes",
		"data/kubelet":                       "/data/flags",
		"data/kubernetes/bin":                filepath.ToSlash(outside),
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Skip("cannot make links here: ", err)
		}
	}
	if err := os.Chmod(filepath.Join(root, "data/flags"), 0o600); err != nil {
		t.Fatal(err)
	}
	layout, err := FindLayout(root, "")
	if err != nil {
		t.Fatal(err)
	}
	n := Node{root, layout}
	if _, err := n.Install([]byte("program"), testProvider); err != nil {
		t.Fatal(err)
	}
	if files := contents(t, outside); len(files) != 0 {
		t.Errorf("got %v outside of the node", files)
	}
	got := contents(t, root)
	if !strings.Contains(got["data/flags"], layout.Config) || got["data/kubernetes/config.yaml"] == "" || got[strings.TrimPrefix(filepath.ToSlash(outside), "/")+"/"+ProviderName] != "program" {
		t.Errorf("got the files %v", got)
	}
	if info, err := os.Lstat(filepath.Join(root, "data/kubelet")); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the file of flags is no link any more (%v)", err)
	}
	if info, err := os.Stat(filepath.Join(root, "data/flags")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the file of flags has the mode %v (%v), want the one it had", info.Mode(), err)
	}
	if _, err := n.Uninstall(); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, root); got["data/flags"] != "KUBELET_EXTRA_ARGS=--v=2\n" || got["data/kubernetes/config.yaml"] != "" {
		t.Errorf("after the removal, got the files %v", got)
	}

	if err := errors.Join(os.Remove(filepath.Join(root, "etc/default")), os.Symlink("default", filepath.Join(root, "etc/default"))); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Install([]byte("program"), testProvider); err == nil || !strings.Contains(err.Error(), "too many links") {
		t.Errorf("a link to itself: got %v", err)
	}
}

// A kubelet whose flags name a configuration does not start without it.
func TestUninstallRefuses(t *testing.T) {
	const kubelet = "/usr/bin/kubelet\x00--image-credential-provider-config=/etc/kubernetes/credential-provider/config.yaml\x00" +
		"--image-credential-provider-bin-dir=/old\x00--image-credential-provider-bin-dir=/etc/kubernetes/credential-provider/bin\x00" // the last flag counts
	const file = "etc/kubernetes/credential-provider/config.yaml"
	for _, test := range []struct {
		name    string
		files   map[string]string
		refused bool
	}{
		{"flags of minikube", map[string]string{}, true},
		{"flags of minikube, and files of kubeadm", map[string]string{"etc/kubernetes/kubelet.conf": ""}, true},
		{"an empty folder", map[string]string{file + "/x.txt": ""}, true},
		{"a folder with another provider", map[string]string{file + "/x.yml": ""}, false},
		{"another provider", map[string]string{file: configText}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.files["proc/977/cmdline"] = kubelet
			root := newNode(t, test.files)
			layout, err := FindLayout(root, "")
			if err != nil {
				t.Fatal(err)
			}
			// What minikube's kubelet is started with is not in a file.
			n := Node{root, CustomLayout(layout.Config, layout.Bin)}
			if _, err := n.Install([]byte("program"), testProvider); err != nil {
				t.Fatal(err)
			}
			before := contents(t, root)
			_, err = Node{root, layout}.Uninstall()
			if test.refused != (err != nil && strings.Contains(err.Error(), "the kubelet does not start without")) {
				t.Fatalf("got %v", err)
			}
			after := contents(t, root)
			if test.refused && !maps.Equal(before, after) {
				t.Errorf("got the files %v, want nothing changed", after)
			}
			if !test.refused && after[strings.TrimPrefix(layout.Bin, "/")+"/"+ProviderName] != "" {
				t.Error("the program is still there")
			}
		})
	}
}

// What an interrupted run left goes, and a duplicate of the provider too.
func TestInstallRepairs(t *testing.T) {
	root := newNode(t, map[string]string{
		"var/lib/rancher/k3s/x":                                "",
		"var/lib/rancher/credentialprovider/bin/.cgr-1234.tmp": "half a pro",
		"var/lib/rancher/credentialprovider/config.yaml":       configText + "  - name: cgr-credential-provider\n  - name: b\n  - name: cgr-credential-provider\n",
	})
	temp := filepath.Join(root, "var/lib/rancher/credentialprovider/bin/.cgr-1234.tmp")
	makeOld := func() {
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(temp, old, old); err != nil {
			t.Fatal(err)
		}
	}
	makeOld()
	layout, err := FindLayout(root, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (Node{root, layout}).Install([]byte("program"), testProvider); err != nil {
		t.Fatal(err)
	}
	got := contents(t, root)
	if text := got["var/lib/rancher/credentialprovider/config.yaml"]; strings.Count(text, ProviderName) != 1 {
		t.Errorf("got %s", text)
	}
	if len(got) != 3 {
		t.Errorf("got the files %v", got)
	}
	if err := os.WriteFile(temp, []byte("half a pro"), 0o600); err != nil {
		t.Fatal(err)
	}
	makeOld()
	if _, err := (Node{root, layout}).Uninstall(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(temp)); err == nil {
		t.Errorf("%s is still there", layout.Bin)
	}
}

func isSameYAML(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y yaml.Node
	if err := yaml.Unmarshal([]byte(a), &x); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(b), &y); err != nil {
		t.Fatal(err)
	}
	return isSame(&x, &y)
}

const configText = "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n  - name: a\n"

// Nothing changes if the node has something that is not understood.
func TestInstallRefuses(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"another API", map[string]string{"etc/kubernetes/credential-provider/config.yaml": "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: CredentialProviderConfig\nproviders: []\n"}, "v1beta1"},
		{"no YAML", map[string]string{"etc/kubernetes/credential-provider/config.yaml": "{"}, "not YAML"},
		{"an empty file", map[string]string{"etc/kubernetes/credential-provider/config.yaml": ""}, "not a mapping"},
		{"a word", map[string]string{"etc/kubernetes/credential-provider/config.yaml": "hello"}, "not a mapping"},
		{"several documents", map[string]string{"etc/kubernetes/credential-provider/config.yaml": configText + "---\n" + configText}, "several documents"},
		{"a key twice", map[string]string{"etc/kubernetes/credential-provider/config.yaml": configText + "providers: []\n"}, `"providers" already defined`},
		{"an alias of the replaced entry", map[string]string{"etc/kubernetes/credential-provider/config.yaml": configText +
			"  - name: cgr-credential-provider\n    tokenAttributes: &x {}\n  - {name: b, tokenAttributes: *x}\n"}, "another entry refers"},
		{"flags in several quotes", map[string]string{"etc/default/kubelet": `KUBELET_EXTRA_ARGS="--v=2" "--x"` + "\n"}, "one pair of quotes"},
		{"a comment after the flags", map[string]string{"etc/default/kubelet": `KUBELET_EXTRA_ARGS="--v=2" # comment` + "\n"}, "one pair of quotes"},
		{"flags in two lines", map[string]string{"etc/default/kubelet": "KUBELET_EXTRA_ARGS=\"--v=2 \\\n--x\"\n"}, "one pair of quotes"},
		{"a backslash", map[string]string{"etc/default/kubelet": "KUBELET_EXTRA_ARGS=--v=2 \\\n--x\n"}, "backslash"},
		{"one flag of two", map[string]string{"etc/default/kubelet": "KUBELET_EXTRA_ARGS=--image-credential-provider-config=/etc/x.yaml\n"}, "has only one of"},
		{"other flags", map[string]string{"etc/default/kubelet": `KUBELET_EXTRA_ARGS="--image-credential-provider-config=/etc/x.yaml --image-credential-provider-bin-dir=/opt/x"` + "\n"}, "other paths"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.files["etc/kubernetes/kubelet.conf"] = ""
			root := newNode(t, test.files)
			layout, err := FindLayout(root, "")
			if err != nil {
				t.Fatal(err)
			}
			before := contents(t, root)
			_, err = Node{Root: root, Layout: layout}.Install([]byte("program"), testProvider)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			if after := contents(t, root); len(after) != len(before) {
				t.Errorf("got the files %v, want nothing changed", after)
			}
			if test.name == "other flags" {
				if hints := hint.Of(err); len(hints) != 1 || hints[0].Text != "add --config-file /etc/x.yaml --bin-dir /opt/x" {
					t.Errorf("got the hints %v", hints)
				}
			}
		})
	}
	t.Run("a kubelet with relative paths", func(t *testing.T) {
		root := newNode(t, map[string]string{"proc/977/cmdline": "/usr/bin/kubelet\x00--image-credential-provider-config=c.yaml\x00--image-credential-provider-bin-dir=bin\x00"})
		if l, err := FindLayout(root, ""); err == nil {
			t.Errorf("got %+v, want an error", l)
		}
	})
	t.Run("a node that is not there", func(t *testing.T) {
		root := filepath.Join(t.TempDir(), "missing")
		if changed, err := (Node{root, CustomLayout("/etc/c.yaml", "/b")}).Install(nil, testProvider); err == nil {
			t.Errorf("changed %v, want an error", changed)
		}
	})
	t.Run("a kubelet in a container", func(t *testing.T) {
		const flags = "/usr/bin/kubelet\x00--image-credential-provider-config=/etc/c.yaml\x00--image-credential-provider-bin-dir=/b\x00"
		root := newNode(t, map[string]string{"proc/977/cmdline": flags, "proc/978/cmdline": strings.ReplaceAll(flags, "/b", "/c")})
		for process, itsRoot := range map[string]string{"977": root, "978": t.TempDir()} {
			if err := os.Symlink(itsRoot, filepath.Join(root, "proc", process, "root")); err != nil {
				t.Skip("cannot make links here: ", err)
			}
		}
		if l, err := FindLayout(root, ""); err != nil || l.Bin != "/b" {
			t.Errorf("got %+v, %v; want the paths of the other one", l, err)
		}
	})
	t.Run("no kubelet", func(t *testing.T) {
		if _, err := FindLayout(t.TempDir(), ""); err == nil {
			t.Error("got no error")
		}
	})
}

func TestFlags(t *testing.T) {
	l := Layout{Config: "/c", Bin: "/b"}
	const flags = "--image-credential-provider-config=/c --image-credential-provider-bin-dir=/b"
	for _, test := range []struct{ before, after string }{
		{"", "KUBELET_EXTRA_ARGS=" + flags + "\n"},
		{"# no flags", "# no flags\nKUBELET_EXTRA_ARGS=" + flags + "\n"},
		{"KUBELET_EXTRA_ARGS=\n", "KUBELET_EXTRA_ARGS=" + flags + "\n"},
		{"KUBELET_EXTRA_ARGS=\"\"\n", "KUBELET_EXTRA_ARGS=\"" + flags + "\"\n"},
		{"KUBELET_EXTRA_ARGS=\"--v=2\"\nX=1\n", "KUBELET_EXTRA_ARGS=\"--v=2 " + flags + "\"\nX=1\n"},
		{"KUBELET_EXTRA_ARGS=--v=1\n KUBELET_EXTRA_ARGS = --v=2\n# KUBELET_EXTRA_ARGS=--v=3\n",
			"KUBELET_EXTRA_ARGS=--v=1\n KUBELET_EXTRA_ARGS =--v=2 " + flags + "\n# KUBELET_EXTRA_ARGS=--v=3\n"},
		{`KUBELET_EXTRA_ARGS=--v=2 --x="a b"`, `KUBELET_EXTRA_ARGS=--v=2 --x="a b" ` + flags + "\n"},
		{`KUBELET_EXTRA_ARGS="--v=2 ` + flags + `" "--x"`, `KUBELET_EXTRA_ARGS="--v=2 ` + flags + `" "--x"`},         // added by hand
		{"export KUBELET_EXTRA_ARGS=--v=2\n", "export KUBELET_EXTRA_ARGS=--v=2\nKUBELET_EXTRA_ARGS=" + flags + "\n"}, // systemd ignores the first
		{"KUBELET_EXTRA_ARGS=--v=2", "KUBELET_EXTRA_ARGS=--v=2 " + flags + "\n"},
	} {
		got, err := addFlags(test.before, l)
		if err != nil || got != test.after {
			t.Errorf("%q: got %q, %v; want %q", test.before, got, err, test.after)
		}
		if again, err := addFlags(got, l); err != nil || again != got {
			t.Errorf("%q: the second time: got %q, %v", test.before, again, err)
		}
		if rest := removeFlags([]byte(got), l); strings.Contains(string(rest), "image-credential-provider") {
			t.Errorf("%q: got %q after the removal", test.before, rest)
		}
	}
}

func TestProvider(t *testing.T) {
	if err := (Provider{NeedsAnnotation: true, ServesNode: true}).Check(); err == nil {
		t.Error("a required annotation for pods without a service account: got no error")
	}
	e := Provider{NeedsAnnotation: true}.entry()
	if !slices.Equal(e.TokenAttributes.RequiredAnnotations, []string{helper.IdentityAnnotation}) || !e.TokenAttributes.RequireServiceAccount || e.TokenAttributes.OptionalAnnotations != nil {
		t.Errorf("got %+v", e)
	}
	if e := (Provider{ServesNode: true}).entry(); e.TokenAttributes.RequireServiceAccount {
		t.Errorf("got %+v, want no service account required", e)
	}
}

func FuzzEditConfig(f *testing.F) {
	f.Add([]byte("apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n  - name: a # comment\n  - {name: cgr-credential-provider}\n"))
	f.Add([]byte(`{"apiVersion":"kubelet.config.k8s.io/v1","kind":"CredentialProviderConfig","providers":[{"name":"a"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		entry := testProvider.entry()
		edited, err := editConfig(text, &entry)
		if err != nil {
			return
		}
		again, err := editConfig(edited, &entry)
		if err != nil || !bytes.Equal(again, edited) {
			t.Errorf("not stable: %q, then %q (%v)", edited, again, err)
		}
		removed, err := editConfig(edited, nil)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := editConfig(removed, nil); err != nil || !bytes.Equal(again, removed) {
			t.Errorf("not removed at once: %q, then %q (%v)", removed, again, err)
		}
	})
}

func FuzzFlags(f *testing.F) {
	f.Add("KUBELET_EXTRA_ARGS=\"--v=2\"\nX=1\n")
	f.Add("KUBELET_EXTRA_ARGS=--a='b c'\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		l := Layout{Config: "/c", Bin: "/b"}
		added, err := addFlags(text, l)
		if err != nil {
			return
		}
		if again, err := addFlags(added, l); err != nil || again != added {
			t.Errorf("%q is not stable: %q, then %q (%v)", text, added, again, err)
		}
		if strings.Count(added, "\n") > strings.Count(text, "\n")+2 {
			t.Errorf("%q became %q", text, added)
		}
	})
}
