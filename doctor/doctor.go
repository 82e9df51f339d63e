// Package doctor finds what keeps a pull from the registry from working, and how to fix
// it. It checks the program in PATH, the settings, the files of Docker, Podman and regctl,
// the credential store, the network, the clock, the session and one image.
//
// It does not sign in, change files or print.
package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/token"
)

// Status is the outcome of a check.
type Status string

// The values of a Status.
const (
	OK      Status = "ok"
	Warning Status = "warning" // works at least in part, and may not be what the user wants
	Failure Status = "failure" // does not work
	Skipped Status = "skipped" // not checked, for the reason in the message
)

// Result is what a check found.
type Result struct {
	Check   string
	Status  Status
	Message string      // one printable line
	Fix     []hint.Hint // for warnings and failures only
}

// Checker checks this machine.
type Checker struct {
	// Name is the file name under which clients look for this program in PATH:
	// "docker-credential-" and what their configuration calls it.
	Name       string
	Executable string // path of the running program, or ""
	System     string // runtime.GOOS

	Config    config.Config
	ConfigErr error // from config.Read
	// Session is what `get` uses, not interactive. If it cannot be opened it is nil, and
	// SessionErr is the error.
	Session    *token.Session
	SessionErr error

	LookPath  func(string) (string, error) // exec.LookPath
	Getenv    func(string) string          // os.Getenv
	Home      string                       // the user's home directory, or ""
	EUID      int                          // effective user; -1 on Windows
	Transport http.RoundTripper            // platform.NewTransport
	Now       func() time.Time

	running sync.WaitGroup // the checks of files and the store, those that are abandoned included
}

// How long the checks may take. All together end within 20 s, even if the network or a
// file system hangs.
const (
	totalTimeout   = 18 * time.Second
	filesTimeout   = 2 * time.Second
	storeTimeout   = 5 * time.Second
	networkTimeout = 8 * time.Second
)

// Run runs all checks and returns their results, at least one for each check, in the order
// in which a pull needs them. It checks an image if image is not "". It refreshes tokens
// as `get` does.
func (c *Checker) Run(ctx context.Context, image string) []Result {
	ctx, cancel := context.WithTimeout(ctx, totalTimeout)
	defer cancel()
	if c.ConfigErr != nil {
		results := c.checkFiles(ctx)
		for _, check := range []string{"store", "issuer", "api", "registry", "clock", "session"} {
			results = append(results, skipped(check, "the settings are wrong"))
		}
		return results
	}
	network := make(chan networkState, 1)
	go func() { network <- c.checkNetwork(ctx) }()

	results := c.checkFiles(ctx)
	var stored []Result
	if c.Session != nil {
		stored = c.withTimeout(ctx, storeTimeout, "store", c.checkStore)
	} else {
		stored = []Result{failed("store", c.SessionErr, hint.Text("set HOME to your home directory"))}
	}
	results = append(results, stored...)

	net := <-network
	results = append(results, net.results...)
	results = append(results, c.checkClock(net))
	session := c.checkSession(ctx, net, worst(stored))
	results = append(results, session.results...)
	if image != "" {
		results = append(results, c.checkImage(ctx, image, net, session)...)
	}
	return results
}

// checkFiles runs the checks that only need files and settings.
func (c *Checker) checkFiles(ctx context.Context) []Result {
	results := c.withTimeout(ctx, filesTimeout, "program", c.checkProgram)
	results = append(results, c.checkSettings()...)
	if c.Config.Registry == nil {
		return append(results, skipped("docker", "the registry is not known"))
	}
	results = append(results, c.withTimeout(ctx, filesTimeout, "docker", c.checkDocker)...)
	results = append(results, c.withTimeout(ctx, filesTimeout, "podman", c.checkPodman)...)
	return append(results, c.withTimeout(ctx, filesTimeout, "regctl", c.checkRegctl)...)
}

// withTimeout runs a check that may hang, such as on a file server that is down. It
// abandons the check after the timeout.
func (c *Checker) withTimeout(ctx context.Context, timeout time.Duration, check string, run func() []Result) []Result {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan []Result, 1)
	c.running.Go(func() { done <- run() })
	select {
	case results := <-done:
		return results
	case <-ctx.Done():
		return []Result{failure(check, fmt.Sprintf("no answer within %s", timeout),
			hint.Text("find what blocks it, such as a file server that is down or a prompt of the keychain"))}
	}
}

// worst returns the worst status of results.
func worst(results []Result) Status {
	status := OK
	for _, r := range results {
		if r.Status == Failure || r.Status == Warning && status == OK {
			status = r.Status
		}
	}
	return status
}

// Failed reports whether results has a failure.
func Failed(results []Result) bool { return worst(results) == Failure }

func ok(check, format string, args ...any) Result {
	return newResult(check, OK, fmt.Sprintf(format, args...), nil)
}

func skipped(check, reason string) Result { return newResult(check, Skipped, reason, nil) }

func warning(check, message string, fix ...hint.Hint) Result {
	return newResult(check, Warning, message, fix)
}

func failure(check, message string, fix ...hint.Hint) Result {
	return newResult(check, Failure, message, fix)
}

// failed returns the failure for err, with its hints, or with fix if it has none.
func failed(check string, err error, fix ...hint.Hint) Result {
	return newResult(check, Failure, err.Error(), hintsOf(err, fix...))
}

// hintsOf returns the hints of err, or fix if it has none.
func hintsOf(err error, fix ...hint.Hint) []hint.Hint {
	if hints := hint.Of(err); len(hints) > 0 {
		return hints
	}
	return fix
}

func newResult(check string, status Status, message string, fix []hint.Hint) Result {
	r := Result{Check: check, Status: status, Message: printable(message)}
	for _, h := range fix {
		h.Text, h.Arguments = printable(h.Text), printable(h.Arguments)
		r.Fix = append(r.Fix, h)
	}
	return r
}

// printable returns text on one line without control characters.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
