package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// TestPages runs the job of each page of docs/ci with the variables and the token service of its
// system. It must pull the private image with one ID token, without an interactive sign-in, and leave
// no secrets behind.
func TestPages(t *testing.T) {
	bin := buildProgram(t)
	for _, j := range ciJobs {
		t.Run(j.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, bin)
			r := m.prepare(j)
			m.mustRun(r.variables(), j.argument, r.scripts...)
			m.wantPulled(len(r.pulls()))
			if got := m.platform.Count("sts.exchange"); got != 1 {
				t.Errorf("got %d exchanges of an ID token, want 1", got)
			}
		})
	}
}

// TestPagesPastTheHour pulls again in the same job after the access token and the ID token have
// expired. The hour is a few seconds here, so that no access token is used twice.
func TestPagesPastTheHour(t *testing.T) {
	bin := buildProgram(t)
	for _, j := range ciJobs {
		t.Run(j.name, func(t *testing.T) {
			t.Parallel()
			const hour = 3 * time.Second
			m := newMachine(t, bin)
			m.platform.Change(func(b *fakeplatform.Behavior) {
				b.AccessLifetime = hour
				if j.onDemand { // otherwise it must be valid until the job uses it
					b.IDTokenLifetime = hour
				}
			})
			r := m.prepare(j)
			scripts, pulled := r.scripts, len(r.pulls())
			if j.handedOver { // a pull could not get another token
				scripts, pulled = r.withoutPulls(), 0
			}
			m.mustRun(r.variables(), j.argument, scripts...)
			exchanged := m.platform.Count("sts.exchange")
			if j.onDemand {
				spent := append(m.tokens(m.platform.Issuer), m.tokens(m.platform.WorkloadIssuer())...)
				testenv.Await(t, "the tokens have expired", func() bool { return haveExpired(spent) })
			}

			// The system provides another ID token.
			m.platform.Change(func(b *fakeplatform.Behavior) { b.IDTokenLifetime = 0 })
			environ := r.variables()
			if !j.handedOver {
				m.mustRun(environ, j.argument, r.pulls()...)
				if got, want := m.platform.Count("sts.exchange"), exchanged+pulled; got != want {
					t.Errorf("got %d exchanges of an ID token, want %d", got, want)
				}
			}

			// The system provides an expired ID token, or none.
			m.platform.Change(func(b *fakeplatform.Behavior) { b.IDTokenLifetime = -time.Minute })
			environ = r.variables()
			want := "expired"
			if j.handedOver {
				want = "found no ID token to assume the identity " + r.identity
			}
			for _, pull := range r.pulls() {
				output, err := m.run(environ, j.argument, pull)
				if err == nil || !strings.Contains(output, want) {
					t.Errorf("got %v, want an error with %q:\n%s", err, want, output)
				}
			}
			m.wantPulled(2 * pulled)
		})
	}
}

// TestPagesAreRun checks that the tests above run every block of every page.
func TestPagesAreRun(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(program.Root(), "docs", "ci", "*.md"))
	if err != nil || len(paths) < 2 {
		t.Fatalf("got the pages %v and %v", paths, err)
	}
	index, err := os.ReadFile(filepath.Join(program.Root(), "docs", "ci", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		page := filepath.Base(path)
		if page == "README.md" {
			continue
		}
		if !strings.Contains(string(index), "]("+page+")") {
			t.Errorf("README.md has no link to %s", page)
		}
		for i, b := range readBlocks(t, page) {
			run := slices.ContainsFunc(ciJobs, func(j ciJob) bool { return j.page == page && slices.Contains(j.blocks, i) })
			if !run && !b.createsIdentity() && b.text != keepsFresh {
				t.Errorf("%s: no job of the tests runs block %d:\n%s", page, i, b.text)
			}
		}
	}
	for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(string(index), -1) {
		page, _, _ := strings.Cut(link[1], "#")
		if _, err := os.Stat(filepath.Join(program.Root(), "docs", "ci", page)); err != nil {
			t.Errorf("README.md has a broken link: %v", err)
		}
	}
}

// ciRun is a job on a machine.
type ciRun struct {
	ciJob
	pipeline
	m        *machine
	identity string // UIDP
}

// prepare reads a job from its page and creates its identity with the page's command.
func (m *machine) prepare(j ciJob) *ciRun {
	m.t.Helper()
	blocks := readBlocks(m.t, j.page)
	var identity block // the last one before the job
	for _, b := range blocks[:j.blocks[0]] {
		if b.createsIdentity() {
			identity = b
		}
	}
	r := &ciRun{ciJob: j, m: m, identity: m.createIdentity(j, identity.text)}
	if !j.installs {
		m.install()
	}
	inPlace := strings.NewReplacer(
		"https://cgr.dev/", m.platform.Registry+"/", "cgr.dev/", m.platform.RegistryHost()+"/",
		"ORGANIZATION", fakeplatform.Organization,
		"YOUR_IDENTITY_ID", r.identity, "issuer.enforce.dev", m.platform.IssuerHost(),
		"https://files.example.com/docker-credential-cgr", m.serveRelease(),
		`install.sh" | sh`, `install.sh" | sh -s -- --dir `+m.path("bin"),
		`sudo RELEASES="$RELEASES" sh`, `sudo RELEASES="$RELEASES" sh -s -- --dir `+m.path("bin"),
		`"/helper`, `"`+m.path("helper"),
		"GCE_METADATA_HOST=metadata.google.internal", m.platform.GoogleEnviron()[0])
	for _, n := range j.blocks {
		read := j.read
		if blocks[n].language == "sh" {
			read = readShell
		}
		next, err := read(inPlace.Replace(blocks[n].text))
		if err != nil {
			m.t.Fatalf("%s, block %d: %v", j.page, n, err)
		}
		r.pipeline = r.and(next)
	}
	if r.pipeline.environ["CHAINGUARD_KEYCHAIN"] == "none" {
		m.store = ""
	}
	if len(r.pulls()) == 0 {
		m.t.Fatalf("%s, blocks %v: nothing is pulled", j.page, j.blocks)
	}
	if blocks[j.blocks[0]].language == "sh" { // such a block goes on from the one before
		r.pipeline.environ = map[string]string{"IDENTITY": r.identity}
	}
	return r
}

// variables returns the variables of the job, with new ID tokens.
func (r *ciRun) variables() []string {
	environ := r.system(r.m, r.ciJob, r.pipeline)
	for name, value := range r.environ {
		environ = append(environ, name+"="+value)
	}
	return environ
}

// createIdentity runs the command of a page that creates the job's identity and checks what it
// accepts. Then it changes its issuer to that of the fake platform's ID tokens.
func (m *machine) createIdentity(j ciJob, command string) (id string) {
	m.t.Helper()
	var lifetime time.Duration // of the job's tokens
	m.platform.Change(func(b *fakeplatform.Behavior) { lifetime, b.AccessLifetime = b.AccessLifetime, 0 })
	command = strings.NewReplacer("ORGANIZATION", fakeplatform.Organization, "ISSUER_URL", kubernetesIssuer).Replace(command)
	id = m.asAdministrator(command)
	var identity struct {
		ClaimMatch struct{ Issuer, Subject, SubjectPattern, Audience string }
		Roles      []struct {
			Name  string
			Group struct{ Name string }
		}
	}
	description := m.asAdministrator(program.Name + " identities describe -o json " + id)
	if err := json.Unmarshal([]byte(description), &identity); err != nil {
		m.t.Fatalf("%v in %s", err, description)
	}
	match := identity.ClaimMatch
	if match.Issuer != j.issuer {
		m.t.Errorf("%s: the identity has the issuer %q, want %q", j.page, match.Issuer, j.issuer)
	}
	if len(identity.Roles) != 1 || identity.Roles[0].Name != "registry.pull" || identity.Roles[0].Group.Name != fakeplatform.Organization {
		m.t.Errorf("%s: the identity has the roles %v, want registry.pull", j.page, identity.Roles)
	}
	pattern := match.SubjectPattern
	if pattern == "" {
		pattern = "^" + regexp.QuoteMeta(match.Subject) + "$"
	}
	subjects, err := regexp.Compile(pattern)
	if err != nil {
		m.t.Fatalf("%s: %v", j.page, err)
	}
	if !strings.HasPrefix(pattern, "^") || !strings.HasSuffix(pattern, "$") {
		m.t.Errorf("%s: the pattern %s also matches a part of a subject", j.page, pattern)
	}
	if !subjects.MatchString(j.subject) || subjects.MatchString(j.stranger) {
		m.t.Errorf("%s: the identity is for %s: it has to accept %q and not %q", j.page, pattern, j.subject, j.stranger)
	}
	update := program.Name + " identities update --yes --identity-issuer=" + m.platform.WorkloadIssuer()
	if j.audience != "" {
		update += " --audience=" + j.audience
	}
	m.asAdministrator(update + " " + id)
	m.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = lifetime })
	m.platform.ResetCounts()
	m.earlier = len(m.platform.Issued())
	return id
}

// wantPulled checks how often the private image was pulled, that there was no interactive sign-in, and
// that no secrets are left behind.
func (m *machine) wantPulled(times int) {
	m.t.Helper()
	if got := len(regexp.MustCompile(`(?m)^`+m.digest()+`$`).FindAllString(m.output, -1)); got != times {
		m.t.Errorf("the image was pulled %d times, want %d:\n%s", got, times, m.output)
	}
	if n := m.windows(); n > 0 {
		m.t.Errorf("got %d interactive sign-ins, want none", n)
	}
	for _, place := range m.leaks() {
		m.t.Errorf("a secret is in %s", place)
	}
}

// jwtIssued is a token that the platform issued.
type jwtIssued struct {
	jwt.Claims
	raw string
}

// tokens returns the JWTs that an issuer has issued to the job.
func (m *machine) tokens(issuer string) (all []jwtIssued) {
	for _, secret := range m.platform.Issued()[m.earlier:] {
		token, err := jwt.ParseSigned(secret, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
		var claims jwt.Claims
		if err == nil && token.UnsafeClaimsWithoutVerification(&claims) == nil && claims.Issuer == issuer {
			all = append(all, jwtIssued{claims, secret})
		}
	}
	return all
}

// haveExpired reports whether all tokens have expired.
func haveExpired(tokens []jwtIssued) bool {
	return !slices.ContainsFunc(tokens, func(j jwtIssued) bool { return j.Expiry.Time().After(time.Now()) })
}
