package e2e

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	apko "chainguard.dev/apko/pkg/apk/auth"
	"chainguard.dev/sdk/auth"
	"chainguard.dev/sdk/auth/ggcr"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
)

// buildChainctl builds the program and returns the path of a link to it with the name chainctl.
func buildChainctl(t *testing.T) string {
	t.Helper()
	binary, err := program.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(filepath.Dir(binary), "chainctl"+filepath.Ext(binary))
	if err := os.Symlink(filepath.Base(binary), link); err != nil {
		t.Skip(err) // on Windows it requires a right
	}
	return link
}

// TestChainctl runs each row of the table as chainctl, and compares the table with that of
// docs/chainctl.md.
func TestChainctl(t *testing.T) {
	link := buildChainctl(t)
	for _, row := range chainctlRows {
		t.Run(row.command, func(t *testing.T) {
			t.Parallel()
			d := newChainctlFixture(t, link)
			if !row.signedOut {
				d.chainctl("auth login")
			}
			for _, command := range row.before {
				d.chainctl(command)
			}
			if row.fault != "" {
				d.platform.Change(func(b *fakeplatform.Behavior) {
					b.Faults = []fakeplatform.Fault{{On: strings.TrimPrefix(row.fault, "all"), Status: http.StatusServiceUnavailable, Body: "down"}}
				})
			}
			code, stdout, stderr := d.chainctl(row.command)
			if code != row.exit {
				t.Errorf("got exit code %d, want %d", code, row.exit)
			}
			pattern := cmp.Or(row.stdout, `\A\z`)
			if !regexp.MustCompile("(?m)" + pattern).MatchString(stdout) {
				t.Errorf("got on standard output:\n%s\nwant %s", stdout, pattern)
			}
			if !regexp.MustCompile(row.stderr).MatchString(stderr) {
				t.Errorf("got on standard error:\n%s\nwant %s", stderr, row.stderr)
			}
			if t.Failed() {
				t.Logf("standard output:\n%s\nstandard error:\n%s", stdout, stderr)
			}
		})
	}
	t.Run("elsewhere", func(t *testing.T) {
		d := newChainctlFixture(t, link)
		for _, command := range chainctlElsewhere {
			code, stdout, stderr := d.chainctl(command + " --parent ORGANIZATION -o json")
			want := `error: "chainctl ` + command + `" is not in docker-credential-cgr, which is called as chainctl here` + "\n"
			if code != 2 || stdout != "" || stderr != want {
				t.Errorf("%s: got exit code %d, %q, %q, want 2 and %q", command, code, stdout, stderr, want)
			}
		}
	})
	compareChainctlTable(t)
}

// chainctlFixture is a fixture whose program is called as chainctl.
type chainctlFixture struct {
	*fixture
	identity, idToken string
}

func newChainctlFixture(t *testing.T, link string) chainctlFixture {
	t.Helper()
	d := newFixture(t, link, func(b *fakeplatform.Behavior) { b.AutoApprove = true })
	const subject = "repo:acme/shop"
	f := chainctlFixture{d, d.platform.WorkloadIdentity(subject, "registry.pull"), filepath.Join(d.home, "id-token")}
	if err := os.WriteFile(f.idToken, []byte(d.platform.IDToken(subject)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.home, "config.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.environ.Set("PATH=" + filepath.Dir(link) + string(os.PathListSeparator) + os.Getenv("PATH"))
	return f
}

// chainctl runs a command with the words of the table.
func (f chainctlFixture) chainctl(command string) (code int, stdout, stderr string) {
	f.t.Helper()
	command = strings.NewReplacer(
		wordAPI, f.platform.API, wordIssuer, f.platform.Issuer, wordRegistry, f.platform.RegistryHost(),
		"ORGANIZATION", "example.com", "IDENTITY", f.identity, "PATH", f.idToken, "config.yaml", filepath.Join(f.home, "config.yaml"),
	).Replace(command)
	r := f.start("", nil, strings.Fields(command)...)
	code = f.ends(r)
	return code, r.out.String(), r.err()
}

// compareChainctlTable compares the table of docs/chainctl.md with the one of the tests.
func compareChainctlTable(t *testing.T) {
	t.Helper()
	page := filepath.Join(program.Root(), "docs", "chainctl.md")
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const head = "| as `chainctl` | what happens here | how it differs |\n| --- | --- | --- |\n"
	before, after, found := strings.Cut(string(data), head)
	_, rest, ended := strings.Cut(after, "\n\n")
	if !found || !ended {
		t.Fatalf("%s has no table", page)
	}
	var rows strings.Builder
	for _, row := range chainctlRows {
		here := row.here
		if row.exit != 0 {
			here += fmt.Sprintf(" (exit code %d)", row.exit)
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s |\n", row.command, here, row.differs)
	}
	fmt.Fprintf(&rows, "| `%s` | says in one line that the command is not in this program (exit code 2) | not supported |\n",
		strings.Join(chainctlElsewhere, "`, `"))
	want := before + head + rows.String() + "\n" + rest
	if want == string(data) {
		return
	}
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("the table in %s is not the one of the tests; run: cd e2e && UPDATE_DOCS=1 go test -run TestChainctl$ .", page)
}

// setenv makes the environment of the fixture this process's, for libraries that run chainctl.
func (f chainctlFixture) setenv() {
	for name, value := range f.environ {
		f.t.Setenv(name, value)
	}
}

// The vendor's SDK (chainguard.dev/sdk/auth) runs chainctl for its tokens.
func TestChainctlSDK(t *testing.T) {
	f := newChainctlFixture(t, buildChainctl(t))
	f.setenv()
	if got, err := auth.NewChainctlTokenSource(t.Context()).Token(); err == nil || !strings.Contains(err.Error(), "not signed in") {
		t.Errorf("signed out: got %v, %v, want the reason", got, err)
	}
	f.chainctl("auth login")

	api, err := auth.NewChainctlTokenSource(t.Context(), auth.WithIssuer(f.platform.Issuer)).Token()
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.platform.API+"/auth/v1/ok", nil)
	if err != nil {
		t.Fatal(err)
	}
	api.SetAuthHeader(r)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK || !api.Valid() {
		t.Errorf("the API answers %s to the token, which ends at %s", response.Status, api.Expiry)
	}

	// A pull with the SDK's keychain, which is for cgr.dev alone.
	keychain := ggcr.TokenSourceKeychain(auth.NewChainctlTokenSource(t.Context(), auth.WithAudience(f.platform.RegistryHost())))
	registry, err := name.NewRegistry("cgr.dev")
	if err != nil {
		t.Fatal(err)
	}
	authenticator, err := keychain.Resolve(registry)
	if err != nil {
		t.Fatal(err)
	}
	image, err := name.ParseReference(f.platform.RegistryHost()+"/example.com/python:latest", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Head(image, remote.WithAuth(authenticator), remote.WithContext(t.Context())); err != nil {
		t.Error(err)
	}
}

// apko runs chainctl for the packages of apk.cgr.dev, and uses what it prints as a password.
func TestChainctlApko(t *testing.T) {
	f := newChainctlFixture(t, buildChainctl(t))
	host := "apk." + f.platform.RegistryHost()
	f.setenv()
	t.Setenv("APKO_APK_HOST", host)
	f.chainctl("auth login")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+"/example.com/x86_64/APKINDEX.tar.gz", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := (apko.CGRAuth{}).AddAuth(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	_, password, _ := r.BasicAuth()
	if f.platform.Count("sts.refresh") != 2 || !regexp.MustCompile(`\A`+jwtPattern+`\z`).MatchString(password) {
		t.Errorf("got the password %q, want a token that was fetched for %s", password, host)
	}
	if _, stdout, _ := f.chainctl("auth token --audience apk.cgr.dev"); stdout != password {
		t.Errorf("got the password %q, want the stored token %q", password, stdout)
	}
}
