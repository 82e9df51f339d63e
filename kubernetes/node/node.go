package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
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
	files := []file{{n.program(), program, true}, {configFile, newConfig, false}}
	if n.Flags != "" { // last: a kubelet with these flags does not start without the files
		flags, err := n.read(n.Flags)
		if err != nil {
			return nil, err
		}
		newFlags, err := addFlags(string(flags), n.Layout)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Flags, err)
		}
		files = append(files, file{n.Flags, []byte(newFlags), false})
	}
	return n.write(files)
}

// Uninstall removes what Install has put there, and returns the paths that it changed. It is
// an error if the kubelet would not start afterwards.
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
	if newConfig == nil {
		var flags, newFlags []byte
		if n.Flags != "" { // first, as in Install
			if flags, err = n.read(n.Flags); err != nil {
				return nil, err
			}
			newFlags = removeFlags(flags, n.Layout)
			files = append(files, file{n.Flags, newFlags, false})
		}
		if config != nil && bytes.Equal(flags, newFlags) && n.isNeeded(configFile) {
			return nil, hint.With(fmt.Errorf("the kubelet does not start without %s, which has no other provider", configFile),
				hint.Text("remove %s and %s from the kubelet's flags, restart it, and run this again with --config-file %s --bin-dir %s",
					strings.TrimSuffix(configFlag, "="), strings.TrimSuffix(binFlag, "="), n.Config, n.Bin))
		}
	}
	changed, err = n.write(append(files, file{configFile, newConfig, false}, file{n.program(), nil, true}))
	for _, dir := range []string{n.Bin, path.Dir(configFile)} {
		if at, err := resolve(n.Root, dir); err == nil {
			atomicfile.Sweep(at, tempPattern)
			_ = os.Remove(at) // if it is empty
		}
	}
	return changed, err
}

// isNeeded reports whether the running kubelet was started with the paths of n, and has no
// configuration but this file. Kubelets of k3s and RKE2 are started with the paths only if
// they exist.
func (n Node) isNeeded(configFile string) bool {
	if n.Flags == "" && n.System != otherSystem {
		return false
	}
	if configFile != n.Config { // in a folder, of which the kubelet reads these files
		for _, pattern := range []string{"*.json", "*.yaml", "*.yml"} {
			dir, err := resolve(n.Root, n.Config)
			files, _ := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || slices.ContainsFunc(files, func(f string) bool { return filepath.Base(f) != path.Base(configFile) }) {
				return false
			}
		}
	}
	config, bin, err := runningPaths(n.Root)
	return err == nil && config == n.Config && bin == n.Bin
}

// program returns the path of the program.
func (n Node) program() string { return path.Join(n.Bin, ProviderName) }

// configFile returns the file for the configuration: a file of its own if the kubelet reads
// a folder.
func (n Node) configFile() (string, error) {
	at, err := resolve(n.Root, n.Config)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(at)
	if errors.Is(err, fs.ErrNotExist) {
		return n.Config, nil
	}
	if err == nil && info.IsDir() {
		return path.Join(n.Config, ProviderName+".yaml"), nil
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
	document, err := parseConfig(text)
	if err != nil {
		return nil, err
	}
	var config struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string `yaml:"kind"`
	}
	if err := document.Decode(&config); err != nil {
		return nil, notConfig(err)
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
			list.Content, list.Style = append(list.Content, &provider), 0
			break
		}
		before := len(list.Content)
		first := list.Content[at]
		// The kubelet does not start if a provider is there twice.
		list.Content = slices.DeleteFunc(list.Content, func(p *yaml.Node) bool { return p != first && isOurs(p) })
		if len(list.Content) == before && isSame(first, &provider) {
			return text, nil
		}
		list.Content[at] = &provider
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		var value any
		if err := document.Decode(&value); err != nil {
			return nil, err
		}
		text, err := json.MarshalIndent(value, "", "  ")
		return append(text, '\n'), err
	}
	edited, err := marshalYAML(document)
	if err != nil {
		return nil, err
	}
	if _, err := parseConfig(edited); err != nil { // an alias of what was replaced
		return nil, fmt.Errorf("another entry refers to that of %s: %w", ProviderName, err)
	}
	return edited, nil
}

// parseConfig returns the only document of a file.
func parseConfig(text []byte) (*yaml.Node, error) {
	var document, next yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("not YAML: %w", err)
	}
	if len(document.Content) == 0 || document.Content[0].Kind != yaml.MappingNode {
		return nil, notConfig(errors.New("it is not a mapping"))
	}
	if err := d.Decode(&next); !errors.Is(err, io.EOF) { // the kubelet reads the first alone
		return nil, notConfig(errors.New("it has several documents"))
	}
	return &document, nil
}

// notConfig returns the error for a file that is not a CredentialProviderConfig.
func notConfig(err error) error {
	var fields *yaml.TypeError
	if errors.As(err, &fields) {
		err = errors.New(strings.Join(fields.Errors, ", "))
	}
	return fmt.Errorf("not a %s: %w", configKind, err)
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

// argsVariable is the variable in a file of kubelet flags that is for the node's administrator
// (kubeadm's 10-kubeadm.conf).
const argsVariable = "KUBELET_EXTRA_ARGS"

// addFlags returns a file of kubelet flags with those of the layout: at the end of the last
// line with argsVariable, or in a new one. It is an error if the kubelet has other paths, or
// if the line is not understood.
func addFlags(text string, l Layout) (string, error) {
	flags := configFlag + l.Config + " " + binFlag + l.Bin
	lines := strings.SplitAfter(text, "\n")
	at := lastArgs(lines)
	if at < 0 {
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		return text + argsVariable + "=" + flags + "\n", nil
	}
	name, value, _ := strings.Cut(lines[at], "=")
	value = strings.TrimSpace(value)
	words := strings.Fields(strings.NewReplacer(`"`, "", "'", "").Replace(value))
	switch config, bin := flagValue(words, configFlag), flagValue(words, binFlag); {
	case config == l.Config && bin == l.Bin:
		return text, nil
	case config != "" && bin != "":
		return "", hint.With(errors.New("has other paths for credential providers already"),
			hint.Text("add --config-file %s --bin-dir %s", config, bin))
	case config != "" || bin != "":
		return "", fmt.Errorf("has only one of %s and %s", strings.TrimSuffix(configFlag, "="), strings.TrimSuffix(binFlag, "="))
	}
	// systemd removes quotes around the whole value; those in an unquoted one belong to a
	// flag (systemd.exec(5), EnvironmentFile=).
	quote := ""
	if value != "" && strings.ContainsAny(value[:1], `"'`) {
		quote = value[:1]
	}
	inner, isClosed := strings.CutSuffix(strings.TrimPrefix(value, quote), quote)
	if !isClosed || strings.Contains(inner, `\`) || quote != "" && strings.Contains(inner, quote) {
		return "", hint.With(fmt.Errorf("the value of %s is not in one pair of quotes, or has a backslash", argsVariable),
			hint.Text("add %s to it, and run this again", flags))
	}
	lines[at] = name + "=" + quote + strings.TrimSpace(inner+" "+flags) + quote + "\n"
	return strings.Join(lines, ""), nil
}

// lastArgs returns the index of the last line that sets argsVariable, which overrides the
// others, or -1.
func lastArgs(lines []string) int {
	for i, line := range slices.Backward(lines) {
		if name, _, found := strings.Cut(line, "="); found && strings.TrimSpace(name) == argsVariable {
			return i
		}
	}
	return -1
}

// removeFlags returns a file of kubelet flags without those of the layout, or nil if nothing
// is left in it. It leaves the file of a package.
func removeFlags(text []byte, l Layout) []byte {
	lines := strings.SplitAfter(string(text), "\n")
	at := lastArgs(lines)
	if at < 0 {
		return text
	}
	for _, flag := range []string{configFlag + l.Config, binFlag + l.Bin} {
		before, after, found := cutWord(lines[at], flag)
		if found {
			lines[at] = before + after
		}
	}
	rest := strings.Join(lines, "")
	if l.Flags != sysconfig && strings.TrimSpace(rest) == argsVariable+"=" {
		return nil
	}
	return []byte(rest)
}

// cutWord cuts a line around a word, with the blank before it.
func cutWord(line, word string) (before, after string, found bool) {
	const ends = " \t\r\n\"'"
	for from := 0; ; {
		at := strings.Index(line[from:], word)
		if at < 0 {
			return line, "", false
		}
		before, after = line[:from+at], line[from+at+len(word):]
		if after == "" || strings.ContainsAny(after[:1], ends) {
			return strings.TrimSuffix(before, " "), after, true
		}
		from += at + len(word)
	}
}
