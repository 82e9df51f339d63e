package signin

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

// OpenVerb is the verb under which this program runs itself to open a browser.
const OpenVerb = "open-browser"

// startBrowser opens target in the user's browser, in a process of its own: this
// program again, in a session of its own, with nothing of ours on its standard
// streams and no secret in its environment, nor the variable named secret.
// pkg/browser sets none of that, and some openers stay in front until the window is
// closed. failed is called, from another goroutine, if the browser could not be
// started.
func startBrowser(target, secret string, failed func()) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, OpenVerb, target) // nil streams are the null device
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

// isSecret says whether an entry of the environment may hold a credential of ours,
// as the variable named secret does. The rest stays: a browser needs it.
func isSecret(entry, secret string) bool {
	name, _, _ := strings.Cut(strings.ToUpper(entry), "=")
	if strings.HasPrefix(name, "CHAINGUARD_") || workload.IsSecret(name) {
		return true
	}
	return name != "" && name == strings.ToUpper(secret)
}

// OpenBrowser shows target in $BROWSER where that is set, else in the system's
// browser. It runs in the process that startBrowser made.
func OpenBrowser(target string) error {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" && !isRedirect(target) {
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
		if name := filepath.Base(words[0]); textBrowser(name) {
			errs = append(errs, fmt.Errorf("%s needs a terminal of its own", name))
			continue
		}
		err = exec.Command(words[0], words[1:]...).Run()
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, errors.New("nothing in BROWSER opened it"))...)
}

func textBrowser(name string) bool {
	return slices.Contains([]string{"lynx", "links", "links2", "elinks", "w3m", "www-browser"}, name)
}
