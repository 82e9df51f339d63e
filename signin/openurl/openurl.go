// Package openurl opens an address in the user's web browser.
//
// The browser is started by a child process: this program again, with the argument Verb.
// It has a session of its own, the null device as its standard streams, and no secret in
// its environment. pkg/browser does none of that, and some openers run until the window is
// closed.
package openurl

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pkg/browser"

	"docker-credential-cgr/workload"
)

// Verb is the argument with which this program is started to open an address.
const Verb = "open-browser"

// Start opens an address in a child process. The variable named secret, if any, is not
// passed on. failed is called, from another goroutine, if the browser cannot be started.
func Start(address, secret string, failed func()) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, Verb, address) // nil streams are the null device
	cmd.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool { return isSecret(entry, secret) })
	cmd.SysProcAttr = detached
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		if cmd.Wait() != nil {
			failed()
		}
	}()
	return nil
}

// isSecret reports whether an entry of the environment may be a credential, as that of the
// variable named secret is.
func isSecret(entry, secret string) bool {
	name, _, _ := strings.Cut(strings.ToUpper(entry), "=")
	if strings.HasPrefix(name, "CHAINGUARD_") || workload.IsSecret(name) {
		return true
	}
	return name != "" && name == strings.ToUpper(secret)
}

// Open opens an address in the browser that $BROWSER names or, if that is empty, in the
// system's. It runs in the child process.
func Open(target string) error {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" && !isRedirectFile(target) {
		return errors.New("only http and https addresses are opened")
	}
	list := os.Getenv("BROWSER")
	if list == "" {
		return browser.OpenURL(target)
	}
	var errs []error
	// Not filepath.SplitList, which on Windows drops the quotes that hold words together.
	for entry := range strings.SplitSeq(list, string(os.PathListSeparator)) {
		words, err := browserCommand(entry, target)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if len(words) == 0 {
			continue
		}
		if name := filepath.Base(words[0]); isTextBrowser(name) {
			errs = append(errs, fmt.Errorf("%s needs a terminal of its own", name))
			continue
		}
		err = exec.Command(words[0], words[1:]...).Run()
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, errors.New("no browser in $BROWSER opened the address"))...)
}

func isTextBrowser(name string) bool {
	return slices.Contains([]string{"lynx", "links", "links2", "elinks", "w3m", "www-browser"}, name)
}
