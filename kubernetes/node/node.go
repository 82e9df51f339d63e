package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/atomicfile"
	"docker-credential-cgr/hint"
)

// Node is a node on which the kubelet is to run the program.
type Node struct {
	Root string // of its file system
	Layout
}

// Install puts the program and its configuration where the kubelet looks, and returns the
// paths that it changed, as the kubelet sees them. If there are none, the node was set up
// already. Other providers in the configuration stay.
func (n Node) Install(program []byte, p Provider) (changed []string, err error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	configFile, err := n.configFile()
	if err != nil {
		return nil, err
	}
	config, err := n.read(configFile)
	if err != nil {
		return nil, err
	}
	entry := p.entry()
	newConfig, err := editConfig(config, &entry)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", configFile, err)
	}
	files := []file{{filepath.Join(n.Bin, ProviderName), program, 0o755}, {configFile, newConfig, 0o644}}
	if n.Flags != "" { // last: a kubelet with these flags does not start without the files
		flags, err := n.read(n.Flags)
		if err != nil {
			return nil, err
		}
		newFlags, err := addFlags(string(flags), n.Layout)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Flags, err)
		}
		files = append(files, file{n.Flags, []byte(newFlags), 0o644})
	}
	return n.write(files)
}

// Uninstall removes what Install has put there, and returns the paths that it changed.
func (n Node) Uninstall() (changed []string, err error) {
	configFile, err := n.configFile()
	if err != nil {
		return nil, err
	}
	config, err := n.read(configFile)
	if err != nil {
		return nil, err
	}
	newConfig, err := editConfig(config, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", configFile, err)
	}
	var files []file
	if n.Flags != "" && newConfig == nil { // first, as in Install
		flags, err := n.read(n.Flags)
		if err != nil {
			return nil, err
		}
		files = append(files, file{n.Flags, removeFlags(flags, n.Layout), 0o644})
	}
	files = append(files, file{configFile, newConfig, 0o644}, file{filepath.Join(n.Bin, ProviderName), nil, 0})
	changed, err = n.write(files)
	for _, dir := range []string{n.Bin, filepath.Dir(configFile)} {
		_ = os.Remove(filepath.Join(n.Root, dir)) // if it is empty
	}
	return changed, err
}

// file is a file of the node as it should be; nil means that it should not exist.
type file struct {
	path string
	text []byte
	mode fs.FileMode
}

// write makes the files as they should be, in order, and returns the paths of those that it
// changed.
func (n Node) write(files []file) (changed []string, err error) {
	for _, f := range files {
		old, err := n.read(f.path)
		if err != nil {
			return changed, err
		}
		if bytes.Equal(old, f.text) && (old == nil) == (f.text == nil) {
			continue
		}
		path := filepath.Join(n.Root, f.path)
		if f.text == nil {
			err = os.Remove(path)
		} else if err = n.makeDir(filepath.Dir(f.path)); err == nil {
			err = atomicfile.Replace(path, ".cgr-*.tmp", f.text, f.mode)
		}
		if err != nil {
			return changed, fmt.Errorf("cannot change %s: %w", f.path, err)
		}
		changed = append(changed, f.path)
	}
	return changed, nil
}

// makeDir makes a folder of the node. A link that leads out of the node is an error: its
// target would be on the machine that the node is mounted on.
func (n Node) makeDir(dir string) error {
	root, err := os.OpenRoot(n.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	return root.MkdirAll(strings.TrimPrefix(filepath.ToSlash(dir), "/"), 0o755)
}

// read returns the content of a file of the node, or nil if there is none.
func (n Node) read(path string) ([]byte, error) {
	root, err := os.OpenRoot(n.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	text, err := root.ReadFile(strings.TrimPrefix(filepath.ToSlash(path), "/"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && text == nil {
		text = []byte{}
	}
	return text, err
}

// configFile returns the file for the configuration: a file of its own if the kubelet reads
// a folder.
func (n Node) configFile() (string, error) {
	info, err := os.Stat(filepath.Join(n.Root, n.Config))
	if errors.Is(err, fs.ErrNotExist) {
		return n.Config, nil
	}
	if err == nil && info.IsDir() {
		return filepath.Join(n.Config, ProviderName+".yaml"), nil
	}
	return n.Config, err
}

// editConfig returns a CredentialProviderConfig, in YAML or JSON, with entry in place of the
// program's entry, or without one if entry is nil. text is nil if there is no file yet; the
// result is nil if no provider is left. The other entries stay.
func editConfig(text []byte, entry *providerEntry) ([]byte, error) {
	if text == nil {
		if entry == nil {
			return nil, nil
		}
		return marshalYAML(providerConfig{configAPI, configKind, []providerEntry{*entry}})
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("not YAML: %w", err)
	}
	var config struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string `yaml:"kind"`
	}
	if err := document.Decode(&config); err != nil {
		return nil, fmt.Errorf("not a %s: %w", configKind, err)
	}
	if config.Kind != configKind || config.APIVersion != configAPI {
		return nil, fmt.Errorf("has kind %q and apiVersion %q, not %s and %s", config.Kind, config.APIVersion, configKind, configAPI)
	}
	list := member(document.Content[0], "providers")
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil, errors.New("has no list of providers")
	}
	at := slices.IndexFunc(list.Content, isOurs)
	switch {
	case entry == nil && at < 0:
		return text, nil
	case entry == nil:
		list.Content = slices.DeleteFunc(list.Content, isOurs)
		if len(list.Content) == 0 {
			return nil, nil
		}
	default:
		var provider yaml.Node
		if err := provider.Encode(entry); err != nil {
			return nil, err
		}
		if at < 0 {
			list.Content = append(list.Content, &provider)
		} else if isSame(list.Content[at], &provider) {
			return text, nil
		} else {
			list.Content[at] = &provider
		}
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		var value any
		if err := document.Decode(&value); err != nil {
			return nil, err
		}
		text, err := json.MarshalIndent(value, "", "  ")
		return append(text, '\n'), err
	}
	return marshalYAML(&document)
}

// isOurs reports whether an entry is the program's.
func isOurs(provider *yaml.Node) bool {
	var named struct{ Name string }
	return provider.Decode(&named) == nil && named.Name == ProviderName
}

// member returns the value of a key of a mapping, or nil.
func member(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// isSame reports whether two YAML values are equal, however they are written.
func isSame(a, b *yaml.Node) bool {
	var x, y any
	return a.Decode(&x) == nil && b.Decode(&y) == nil && reflect.DeepEqual(x, y)
}

// argsVariable is the line of a file of kubelet flags that is for the node's administrator
// (kubeadm's 10-kubeadm.conf).
const argsVariable = "KUBELET_EXTRA_ARGS="

// addFlags returns a file of kubelet flags with those of the layout: at the end of the last
// line with argsVariable, or in a new one. It is an error if the kubelet has other paths.
func addFlags(text string, l Layout) (string, error) {
	flags := configFlag + l.Config + " " + binFlag + l.Bin
	lines := strings.SplitAfter(text, "\n")
	at := lastArgs(lines)
	if at < 0 {
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		return text + argsVariable + flags + "\n", nil
	}
	words := strings.Fields(strings.Trim(strings.TrimPrefix(strings.TrimSpace(lines[at]), argsVariable), `"'`))
	switch config, bin := flagValue(words, configFlag), flagValue(words, binFlag); {
	case config == l.Config && bin == l.Bin:
		return text, nil
	case config != "" || bin != "":
		return "", hint.With(errors.New("has other paths for credential providers already"),
			hint.Text("add --config-file %s --bin-dir %s", config, bin))
	}
	line := strings.TrimRight(lines[at], " \t\r\n")
	quote := ""
	if last := line[len(line)-1:]; strings.ContainsAny(last, `"'`) {
		line, quote = line[:len(line)-1], last
	}
	if len(words) > 0 {
		line += " "
	}
	lines[at] = line + flags + quote + "\n"
	return strings.Join(lines, ""), nil
}

// lastArgs returns the index of the last line with argsVariable, which the others give way
// to, or -1.
func lastArgs(lines []string) int {
	for i, line := range slices.Backward(lines) {
		if strings.HasPrefix(strings.TrimSpace(line), argsVariable) {
			return i
		}
	}
	return -1
}

// removeFlags returns a file of kubelet flags without those of the layout, or nil if nothing
// is left in it.
func removeFlags(text []byte, l Layout) []byte {
	if text == nil {
		return nil
	}
	rest := string(text)
	for _, flag := range []string{configFlag + l.Config, binFlag + l.Bin} {
		rest = strings.ReplaceAll(rest, " "+flag, "")
		rest = strings.ReplaceAll(rest, flag, "")
	}
	if strings.TrimSpace(rest) == argsVariable {
		return nil
	}
	return []byte(rest)
}
