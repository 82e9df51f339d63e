package cli

import (
	"strings"
	"testing"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/signin/openurl"
)

func TestIsChainctl(t *testing.T) {
	for name, want := range map[string]bool{
		"chainctl": true, "/usr/bin/chainctl": true, "chainctl.exe": true,
		"docker-credential-cgr": false, "/opt/chainctl/docker-credential-cgr": false, "chainctl-old": false, "": false,
	} {
		if got := (Program{Name: name, Args: []string{"auth", "login"}}).isChainctl(); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
	// On some systems the link is the file that this program starts to open a browser.
	if (Program{Name: "chainctl", Args: []string{openurl.Verb, "https://example.com"}}).isChainctl() {
		t.Error("a child that opens a browser is taken for chainctl")
	}
}

// Each command that is elsewhere stands below a group, and only says so.
func TestElsewhere(t *testing.T) {
	root := newChainctl(&command.App{Chainctl: true}, "")
	for _, name := range unsupported() {
		c, _, err := root.Find(append(strings.Fields(name), "--parent", "x"))
		if err != nil || c.CommandPath() != "chainctl "+name || !c.Hidden || !c.DisableFlagParsing {
			t.Errorf("%s: got %q, %v", name, c.CommandPath(), err)
		}
	}
}
