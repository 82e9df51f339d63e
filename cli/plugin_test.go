package cli

import (
	"slices"
	"strings"
	"testing"
)

func TestPluginArgs(t *testing.T) {
	for args, want := range map[string]string{
		"cgr login":                     "login",
		"cgr":                           "",
		"--context remote cgr status":   "status",
		"--help cgr":                    "",
		"__complete cgr pull-token li":  "__complete pull-token li",
		"__completeNoDesc cgr images ":  "__completeNoDesc images",
		"cgr token --audience cgr":      "token --audience cgr",
		"docker-cli-plugin-hooks {}":    "docker-cli-plugin-hooks {}",
		"cgr pull-token create cgr -oj": "pull-token create cgr -oj",
	} {
		if got := pluginArgs(strings.Fields(args)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: got %q, want %q", args, got, want)
		}
	}
}

func TestIsPlugin(t *testing.T) {
	for name, want := range map[string]bool{
		"/usr/libexec/docker/cli-plugins/docker-cgr": true,
		"docker-cgr.exe":                   true,
		"/usr/bin/docker-credential-cgr":   false,
		"/home/docker-cgr/docker-cgr-test": false,
	} {
		if got := (Program{Name: name}).isPlugin(); got != want {
			t.Errorf("%s: got %t, want %t", name, got, want)
		}
	}
}
