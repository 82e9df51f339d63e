package cli

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"docker-credential-cgr/cli/command"
)

// The names of Docker's CLI plugin protocol
// (https://pkg.go.dev/github.com/docker/cli/cli-plugins/metadata).
const (
	pluginName     = "docker-cgr"                 // of the program's file
	pluginCommand  = "cgr"                        // `docker cgr`
	pluginMetadata = "docker-cli-plugin-metadata" // the argument that asks what the plugin is
)

// isPlugin reports whether Docker runs the program as its plugin.
func (p Program) isPlugin() bool { return p.isCalled(pluginName) }

// isCalled reports whether the program was called by a name, such as that of a link.
func (p Program) isCalled(name string) bool {
	return strings.TrimSuffix(filepath.Base(p.Name), ".exe") == name
}

// pluginArgs returns the arguments behind "cgr". Docker puts its own flags in front of it,
// and the verb that asks for completions.
func pluginArgs(args []string) []string {
	at := slices.Index(args, pluginCommand)
	if at < 0 {
		return args
	}
	rest := args[at+1:]
	if strings.HasPrefix(args[0], "__complete") {
		return append([]string{args[0]}, rest...)
	}
	return rest
}

// describePlugin prints the plugin's metadata.
func (p Program) describePlugin(a *command.App) error {
	text, err := json.Marshal(map[string]string{
		"SchemaVersion":    "0.1.0",
		"Vendor":           "the authors of " + command.Name,
		"Version":          p.version(),
		"ShortDescription": "Sign in to the Chainguard registry",
	})
	if err != nil {
		return err
	}
	return a.Print("%s\n", text)
}
