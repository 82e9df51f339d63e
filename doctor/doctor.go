// Package doctor looks for what keeps a pull from the registry from working, and
// says what mends it: the program's place, the settings, the files of Docker and
// Podman, the store, the network, the clock, the session, and one image.
//
// It signs nobody in, changes no file, and prints nothing.
package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/token"
)

// Status says how bad it is.
type Status string

// The values of a Status.
const (
	OK      Status = "ok"
	Warning Status = "warning" // works, or works in part, and may not be what is meant
	Failure Status = "failure" // does not work
	Skipped Status = "skipped" // not looked at, for the reason given
)

// Result is what a check found.
type Result struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Says   string `json:"message"`       // one printable line
	Fix    string `json:"fix,omitempty"` // the command or the step that fixes it; empty where nothing is wrong
}

// Patient is what is examined: this machine and its settings, as the program has
// them.
type Patient struct {
	Config    config.Config
	ConfigErr error // what config.Read found wrong in it
	// Session is what `get` answers from, with nobody who could be asked: its
	// SignIn is nil. Where it could not be opened it is nil, and SessionErr says
	// why.
	Session    *token.Session
	SessionErr error

	Program   string                       // path of the running program; empty where not known
	LookPath  func(string) (string, error) // as exec.LookPath
	Getenv    func(string) string          // as os.Getenv
	Home      string                       // the user's home folder; empty where not known
	EUID      int                          // effective user; -1 where the system has none
	Transport http.RoundTripper            // as platform.NewTransport gives one
	Now       func() time.Time
}

// How long things may take. All together end within 20 s, whatever the network
// and the file systems do.
const (
	totalLimit   = 18 * time.Second
	filesLimit   = 2 * time.Second
	storeLimit   = 5 * time.Second
	networkLimit = 8 * time.Second
)

// Examine makes every check and gives what they found, in the order in which the
// parts are needed for a pull: at least one Result a check. The check of an image
// is made where one is named. Tokens are renewed as `get` renews them.
func (p *Patient) Examine(ctx context.Context, image string) []Result {
	ctx, cancel := context.WithTimeout(ctx, totalLimit)
	defer cancel()
	if p.ConfigErr != nil {
		return p.examineUnset(ctx)
	}
	network := make(chan reached, 1)
	go func() { network <- p.network(ctx) }()

	results := p.local(ctx)
	var stored []Result
	if p.Session != nil {
		stored = within(ctx, storeLimit, "store", p.store)
	} else {
		stored = []Result{fromError("store", p.SessionErr, "set HOME to your home folder")}
	}
	results = append(results, stored...)

	net := <-network
	results = append(results, net.results...)
	results = append(results, p.clock(net))
	answer := p.session(ctx, net, worst(stored))
	results = append(results, answer.results...)
	if image != "" {
		results = append(results, p.image(ctx, image, net, answer)...)
	}
	return results
}

// examineUnset makes the checks that can be made where the settings are wrong, when
// nothing but the registry is known (config.Read).
func (p *Patient) examineUnset(ctx context.Context) []Result {
	results := p.local(ctx)
	for _, check := range []string{"store", "issuer", "api", "registry", "clock", "session"} {
		results = append(results, skipped(check, "the settings are wrong"))
	}
	return results
}

// local makes the checks that look at this machine's files alone.
func (p *Patient) local(ctx context.Context) []Result {
	results := within(ctx, filesLimit, "program", p.program)
	results = append(results, p.settings()...)
	if p.Config.Registry == nil {
		return append(results, skipped("docker", "the registry is not known"))
	}
	results = append(results, within(ctx, filesLimit, "docker", p.docker)...)
	results = append(results, within(ctx, filesLimit, "podman", p.podman)...)
	return append(results, within(ctx, filesLimit, "regctl", p.regctl)...)
}

// within makes a check that may hang, such as on the file system of a server that is
// gone. One that has not ended in time is left behind.
func within(ctx context.Context, limit time.Duration, check string, examine func() []Result) []Result {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan []Result, 1)
	go func() { done <- examine() }()
	select {
	case results := <-done:
		return results
	case <-ctx.Done():
		return []Result{failure(check, "see what that waits for, such as a file server that is gone or a prompt of the keychain", "no answer within %s", limit)}
	}
}

// worst is the status of the worst of results.
func worst(results []Result) Status {
	status := OK
	for _, r := range results {
		if r.Status == Failure || r.Status == Warning && status == OK {
			status = r.Status
		}
	}
	return status
}

// Failed says whether a failure is among results.
func Failed(results []Result) bool { return worst(results) == Failure }

func ok(check, format string, args ...any) Result {
	return result(check, OK, "", format, args...)
}

func warning(check, mend, format string, args ...any) Result {
	return result(check, Warning, mend, format, args...)
}

func failure(check, mend, format string, args ...any) Result {
	return result(check, Failure, mend, format, args...)
}

func skipped(check, why string) Result {
	return result(check, Skipped, "", "%s", why)
}

func result(check string, status Status, mend, format string, args ...any) Result {
	return Result{Check: check, Status: status, Says: oneLine(fmt.Sprintf(format, args...)), Fix: oneLine(mend)}
}

// fromError returns the failure for err. The fix is what its hints say, or mend if it has none.
func fromError(check string, err error, mend string) Result {
	return failure(check, fixOf(err, mend), "%v", err)
}

// fixOf joins the hints of err. It returns mend if there are none.
func fixOf(err error, mend string) string {
	var fixes []string
	for _, h := range hint.Of(err) {
		switch {
		case h.Action == hint.ListSettings:
			fixes = append(fixes, name+" config view")
		case h.Text != "":
			fixes = append(fixes, h.Text)
		}
	}
	if len(fixes) == 0 {
		return mend
	}
	return strings.Join(fixes, ", or: ")
}

// oneLine keeps paths and the like from driving the terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// quoted writes a path for a shell.
func quoted(path string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(`/\:._-+@%,`, r)
	}
	if path != "" && !strings.ContainsFunc(path, func(r rune) bool { return !safe(r) }) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
