// Package e2e tests the program as its users run it, against the fake platform.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"docker-credential-cgr/e2e/fakebrowser"
	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		// $BROWSER of the scripts.
		"visit": fakebrowser.Main,
		// Fake programs of CI systems.
		"ci-tool": ciTool,
	})
}

// platformKey is the key of a script's fake platform in its environment.
type platformKey struct{}

// TestScripts runs the scripts in testdata/script with the built program. Each script has its own
// HOME, file store and platform. Additional commands:
//
//	platform PROPERTY VALUE   changes the behavior of the platform
//	requests NAME N           fails unless N requests with the name arrived ("all": any)
//	issued FILE...            fails if a file contains a secret that the platform issued
//	good-for WHAT             fails unless only WHAT ("registry", "api" or "mcp", the registry's MCP server) accepts the
//	                          token on standard output
//	windows N                 fails unless N browser windows were opened
//	exits CODE COMMAND...     runs a command and fails unless its exit code is CODE
//	identity SUBJECT ROLE...  creates an identity for ID tokens of SUBJECT: $IDENTITY
//	id-token FILE SUBJECT     writes an ID token of SUBJECT, like a CI system
//	person-token FILE EMAIL   writes an upstream ID token of a person
//	job SYSTEM SUBJECT        sets the variables of a job of that CI system
//	await FILE PATTERN        waits until a line of FILE matches
//	sign-in FILE              waits for a headless address in FILE and signs in there
//	pull-token LIFE           creates a pull token (expired if LIFE is negative): $PULL_ID, $PULL_TOKEN
//	cluster COMMAND [NS]      is the API server of a cluster: see beCluster
//	envsubst FILE...          replaces ${NAME} in files with the variable's value
//
// The condition [root] is true if the tests run as root, and [pip] if Python's pip is there and can
// run a keyring (23.1 or newer).
func TestScripts(t *testing.T) {
	bin := t.TempDir()
	if _, err := program.Build(bin); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(program.Root(), "testdata", "script")
	if scripts, _ := filepath.Glob(filepath.Join(dir, "*.txtar")); len(scripts) == 0 {
		t.Fatalf("no scripts in %s", dir)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			platform, err := fakeplatform.Start(fakeplatform.WithAutoApprove())
			if err != nil {
				return err
			}
			env.Defer(func() { _ = platform.Close() })
			env.Values[platformKey{}] = platform
			home := filepath.Join(env.WorkDir, "home")
			if err := os.Mkdir(home, 0o700); err != nil {
				return err
			}
			env.Vars = append(env.Vars, platform.Environ()...)
			env.Setenv("HOME", home)
			env.Setenv("XDG_STATE_HOME", "")
			env.Setenv("CHAINGUARD_KEYCHAIN", "file")
			env.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
			env.Setenv("BROWSER", "visit")
			env.Setenv("WINDOWS", filepath.Join(env.WorkDir, "windows"))
			env.Setenv("HOST", platform.RegistryHost())
			// What a client writes to the program's standard input.
			if err := os.WriteFile(filepath.Join(env.WorkDir, "host"), []byte(platform.RegistryHost()+"\n"), 0o600); err != nil {
				return err
			}
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("GORACE", "atexit_sleep_ms=0") // a second at the end of each program
			env.Setenv("GOCOVERDIR", os.Getenv("GOCOVERDIR"))
			return nil
		},
		Condition: func(condition string) (bool, error) {
			switch condition {
			case "root":
				return os.Geteuid() == 0, nil
			case "pip":
				help, _ := exec.Command("python3", "-m", "pip", "--help").Output()
				return strings.Contains(string(help), "--keyring-provider"), nil
			}
			return false, fmt.Errorf("no condition %q", condition)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"platform":     changePlatform,
			"requests":     countRequests,
			"issued":       findIssued,
			"good-for":     checkAudience,
			"windows":      countWindows,
			"exits":        exits,
			"identity":     makeIdentity,
			"id-token":     makeIDToken,
			"person-token": makePersonToken,
			"job":          beJob,
			"await":        awaitLine,
			"sign-in":      signIn,
			"envsubst":     substitute,
			"pull-token":   makePullToken,
			"cluster":      beCluster,
		},
	})
}

func platformOf(ts *testscript.TestScript) *fakeplatform.Platform {
	return ts.Value(platformKey{}).(*fakeplatform.Platform)
}

func changePlatform(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: platform PROPERTY [VALUE]")
	}
	platform, value := platformOf(ts), strings.Join(args[1:], " ")
	duration := func() time.Duration {
		d, err := time.ParseDuration(value)
		ts.Check(err)
		return d
	}
	switch args[0] {
	case "access-life":
		platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = duration() })
	case "refresh-life":
		platform.Change(func(b *fakeplatform.Behavior) { b.RefreshLifetime = duration() })
	case "clock":
		platform.Change(func(b *fakeplatform.Behavior) { b.ClockSkew = duration() })
	case "page": // people sign in by hand
		platform.Change(func(b *fakeplatform.Behavior) { b.AutoApprove = false })
	case "person":
		platform.Change(func(b *fakeplatform.Behavior) { b.Person = value })
	case "id-token-life":
		platform.Change(func(b *fakeplatform.Behavior) { b.IDTokenLifetime = duration() })
	case "single-audience": // as an older deployment
		platform.Change(func(b *fakeplatform.Behavior) { b.SingleAudience = true })
	case "no-refresh-token":
		platform.Change(func(b *fakeplatform.Behavior) { b.NoRefreshToken = true })
	case "refresh-token-every": // of the sign-ins from now on, the Nth brings one
		n, err := strconv.Atoi(value)
		ts.Check(err)
		platform.Change(func(b *fakeplatform.Behavior) { b.RefreshTokenEvery = n })
	case "single-sign-on": // on or off
		platform.Change(func(b *fakeplatform.Behavior) { b.SingleSignOn = value == "on" })
	case "session-life":
		platform.Change(func(b *fakeplatform.Behavior) { b.SessionLifetime = duration() })
	case "null-roles": // on or off
		platform.Change(func(b *fakeplatform.Behavior) { b.NullRoles = value == "on" })
	case "no-rotation":
		platform.Change(func(b *fakeplatform.Behavior) { b.NoRotation = true })
	case "revoke-sessions":
		platform.RevokeSessions()
	case "roles": // WHO ROLE...: all that somebody may do from now on
		platform.SetRoles(args[1], args[2:]...)
	case "join": // WHO ORGANIZATION ROLE...
		platform.Join(args[1], args[2], args[3:]...)
	case "repositories": // ORGANIZATION N: so many repositories, each with an image
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		for i := range n {
			_, err := platform.AddImage(context.Background(), fmt.Sprintf("%s/image-%04d", args[1], i), "latest", "Hello")
			ts.Check(err)
		}
	case "catalog-page": // so many repositories
		n, err := strconv.Atoi(value)
		ts.Check(err)
		platform.Change(func(b *fakeplatform.Behavior) { b.CatalogPage = n })
	case "fault":
		platform.Change(func(b *fakeplatform.Behavior) { b.Faults = append(b.Faults, fault(ts, args[1:])) })
	case "history": // REPOSITORY:TAG N: so many records, an hour apart, the last an hour ago
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		repository, tag, _ := strings.Cut(args[1], ":")
		platform.SetHistory(repository, tag, fakeplatform.Builds(time.Now().Add(-time.Duration(n)*time.Hour), n))
	case "well":
		platform.Change(func(b *fakeplatform.Behavior) { b.Faults = nil })
	default:
		ts.Fatalf("platform has no property %q", args[0])
	}
}

// fault reads NAME KEY=VALUE...
func fault(ts *testscript.TestScript, args []string) fakeplatform.Fault {
	f := fakeplatform.Fault{On: args[0]}
	for _, arg := range args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		var err error
		switch key {
		case "status":
			f.Status, err = strconv.Atoi(value)
		case "times":
			f.Times, err = strconv.Atoi(value)
		case "body":
			f.Body = value
		case "type":
			f.ContentType = value
		case "redirect":
			f.Redirect = value
		case "commit":
			f.CommitFirst = true
		case "cut":
			f.Cut = true
			f.CutAfter, err = strconv.ParseInt(value, 10, 64)
		case "retry-after":
			f.Header = http.Header{"Retry-After": {value}}
		default:
			ts.Fatalf("a fault has no %q", key)
		}
		ts.Check(err)
	}
	return f
}

func countRequests(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: requests NAME N")
	}
	name := args[0]
	if name == "all" {
		name = ""
	}
	if got := fmt.Sprint(platformOf(ts).Count(name)); got != args[1] {
		ts.Fatalf("got %s requests %s, want %s", got, args[0], args[1])
	}
}

func findIssued(ts *testscript.TestScript, neg bool, args []string) {
	platform := platformOf(ts)
	found := ""
	for _, name := range args {
		text := ts.ReadFile(name)
		for _, secret := range platform.Issued() {
			if strings.Contains(text, secret) {
				found = name
			}
		}
	}
	if found != "" && !neg {
		ts.Fatalf("%s holds a secret that the platform issued", found)
	}
	if found == "" && neg {
		ts.Fatalf("no secret that the platform issued is in %v", args)
	}
}

var accessToken = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`)

func checkAudience(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || !slices.Contains([]string{"registry", "api", "mcp"}, args[0]) {
		ts.Fatalf("usage: good-for registry|api|mcp")
	}
	token := accessToken.FindString(ts.ReadFile("stdout"))
	if token == "" {
		ts.Fatalf("there is no token on standard output")
	}
	platform := platformOf(ts)
	for name, address := range map[string]string{
		"registry": platform.Registry + "/token?service=" + platform.RegistryHost(),
		"api":      platform.API + "/auth/v1/ok",
		"mcp":      platform.Registry + "/mcp",
	} {
		r, err := http.NewRequest(http.MethodGet, address, nil)
		ts.Check(err)
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		ts.Check(err)
		_ = resp.Body.Close()
		if got := resp.StatusCode == http.StatusOK; got != (name == args[0]) {
			ts.Fatalf("%s answers %s", address, resp.Status)
		}
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("%v: got exit code %d, want %s", args[1:], got, args[0])
	}
}

func makeIdentity(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: identity SUBJECT ROLE...")
	}
	ts.Setenv("IDENTITY", platformOf(ts).WorkloadIdentity(args[0], args[1:]...))
}

func makeIDToken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: id-token FILE SUBJECT")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(platformOf(ts).IDToken(args[1])+"\n"), 0o600))
}

func makePersonToken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: person-token FILE EMAIL")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(platformOf(ts).PersonIDToken(args[1])+"\n"), 0o600))
}

func makePullToken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: pull-token LIFE")
	}
	life, err := time.ParseDuration(args[0])
	ts.Check(err)
	id, token := platformOf(ts).PullToken(life)
	ts.Setenv("PULL_ID", id)
	ts.Setenv("PULL_TOKEN", token)
}

func beJob(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: job SYSTEM SUBJECT")
	}
	var environ []string
	switch args[0] {
	case "github":
		environ = platformOf(ts).GitHubEnviron(args[1])
	case "google":
		environ = platformOf(ts).GoogleEnviron()
	default:
		ts.Fatalf("no fake CI system %q", args[0])
	}
	for _, entry := range append(environ, "CI=true") {
		key, value, _ := strings.Cut(entry, "=")
		ts.Setenv(key, value)
	}
}

// waitFor waits until text that matches is in a file, and returns the first group.
func waitFor(ts *testscript.TestScript, file, pattern string) string {
	expression, err := regexp.Compile("(?m)" + pattern)
	ts.Check(err)
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(ts.MkAbs(file)) // it may not be there yet
		if found := expression.FindStringSubmatch(string(text)); found != nil {
			return found[len(found)-1]
		}
		if time.Now().After(end) {
			ts.Fatalf("%q is not in %s:\n%s", pattern, file, text)
		}
	}
}

func awaitLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE PATTERN")
	}
	waitFor(ts, args[0], args[1])
}

func signIn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sign-in FILE")
	}
	_, _, err := fakebrowser.Person{}.Visit(waitFor(ts, args[0], `^ +(http\S+headless_code=\S+)$`))
	ts.Check(err)
}

func substitute(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

func countWindows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: windows N")
	}
	text, err := os.ReadFile(ts.Getenv("WINDOWS"))
	if err != nil && !os.IsNotExist(err) {
		ts.Check(err)
	}
	if got := fmt.Sprint(strings.Count(string(text), "\n")); got != args[0] {
		ts.Fatalf("%s windows were opened, want %s", got, args[0])
	}
}
