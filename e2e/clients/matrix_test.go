//go:build e2e && linux

package clients

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/leaks"
	"docker-credential-cgr/e2e/program"
)

// The table in docs/clients.md.
const (
	matrixBegin = "<!-- matrix: begin -->\n"
	matrixEnd   = "<!-- matrix: end -->\n"
)

var matrixHead = []string{
	"client", "version", "signed in", "signed out", "public image", "token expired", "ten at once", "login", "credsStore", "run",
}

// The columns that are not compared, because they differ from machine to machine.
const (
	versionColumn = 1
	runColumn     = 9
)

// TestMatrix runs each client against the registry under its true name, and compares what
// happens with the table in docs/clients.md. With UPDATE_DOCS=1 it writes the rows of the clients
// that are installed.
func TestMatrix(t *testing.T) {
	page := filepath.Join(program.Root(), "docs", "clients.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), matrixBegin)
	table, after, ends := strings.Cut(rest, matrixEnd)
	if !begins || !ends {
		t.Fatalf("%s has no table", page)
	}
	documented := readTable(table)

	n := newTrueNetwork(t)
	etc, authority := n.etc(t)
	d := n.startDaemon(t, etc)

	update := os.Getenv("UPDATE_DOCS") != ""
	var rows [][]string
	for _, c := range matrixClients() {
		i := slices.IndexFunc(documented, func(row []string) bool { return row[0] == c.name })
		if i >= 0 {
			rows = append(rows, documented[i])
		}
		t.Run(c.name, func(t *testing.T) {
			n.enter(t)
			p := newFixture(t, n.registry())
			p.set("APPEND_TO_ETC="+etc, "NODE_EXTRA_CA_CERTS="+authority,
				"TESTCONTAINERS_HOST_OVERRIDE=localhost", // otherwise it starts a container to find out
				"DOCKER_CONFIG=")                         // as most users have it
			if dir := os.Getenv("CLIENTS"); dir != "" { // from make clients
				p.set("PATH="+p.environ["PATH"]+":"+dir, "NODE_PATH="+filepath.Join(dir, "npm/node_modules"))
			}
			p.useDaemon(d)
			version := p.versionOf(c)
			row := p.rowOf(c, version)
			switch {
			case i >= 0 && update:
				rows[len(rows)-1] = row
			case update:
				rows = append(rows, row)
			case i < 0:
				t.Errorf("not in the table: %q", row)
			default:
				for column := range row {
					if column != versionColumn && column != runColumn && row[column] != documented[i][column] {
						t.Errorf("%s: %q, but the table has %q", matrixHead[column], row[column], documented[i][column])
					}
				}
			}
		})
	}
	if !update && len(rows) != len(documented) {
		t.Errorf("the table has %d rows, but %d of them are of clients that the test knows", len(documented), len(rows))
	}
	if update {
		text := before + matrixBegin + writeTable(rows) + matrixEnd + after
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if t.Failed() {
		t.Log("to write the table, run: cd e2e && UPDATE_DOCS=1 go test -tags e2e -run TestMatrix ./clients")
	}
}

var versionNumber = regexp.MustCompile(`\d+\.\d+(\.\d+)?`)

// versionOf returns the client's version. Without the client, it skips the test.
func (p *fixture) versionOf(c matrixClient) string {
	p.t.Helper()
	r := p.run(append([]string{"env"}, c.version...)...)
	version := versionNumber.FindString(r.stdout)
	if r.code != 0 && c.later {
		p.t.Skipf("%s is not installed; run: make clients", c.name)
	}
	if r.code != 0 || version == "" {
		p.t.Fatalf("%s has no version: %s", c.name, r)
	}
	return version
}

// rowOf runs the client in all situations.
func (p *fixture) rowOf(c matrixClient, version string) []string {
	p.t.Helper()
	run := "CI"
	if c.later {
		run = time.Now().UTC().Format(time.DateOnly)
	}
	row := []string{c.name, version}

	// Signed out, without a terminal.
	public := p.pullCell(c, publicImage)
	signedOut := p.pullCell(c, privateImage)

	p.signsInAlone()
	ten := p.tenAtOnce(c)
	signedIn := p.pullCell(c, privateImage)
	if signedIn != "ok" {
		p.t.Fatal("it does not pull with a session: the row would say nothing")
	}

	config := fmt.Sprintf(`{"credHelpers": {%q: "cgr"}}`, p.host)
	p.writeConfig(`{"credsStore": "cgr"}`)
	credsStore := p.pullCell(c, privateImage)
	p.writeConfig(config)

	p.must("docker-credential-cgr", "logout")
	p.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = 30 * time.Second })
	p.get()
	p.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = time.Hour })
	p.counts()
	expired := p.pullCell(c, privateImage)

	p.must("docker-credential-cgr", "logout")
	p.set("CHAINGUARD_AUTH_AUTO_LOGIN=never")
	return append(row, signedIn, signedOut, public, expired, ten, p.loginCell(c), credsStore, run)
}

// counts returns the windows and the requests for tokens since its last call.
func (p *fixture) counts() (windows, tokens int) {
	p.t.Helper()
	windows, tokens = p.windows(), p.platform.Count("sts")
	p.wantCounts("", nil)
	return windows, tokens
}

// pullCell says how a pull went.
func (p *fixture) pullCell(c matrixClient, image string) string {
	p.t.Helper()
	r, _ := c.tryPull(p, image)
	if r.code == 0 && p.platform.Count("registry.manifest") == 0 {
		p.t.Fatalf("it sent no request to the registry: %s", r)
	}
	p.t.Logf("%s", r)
	var cell string
	switch hint := strings.Contains(r.stdout+r.stderr, "docker-credential-cgr login"); {
	case r.code == 0:
		cell = "ok"
	case hint:
		cell = fmt.Sprintf("exit %d, hint", r.code)
	default:
		cell = fmt.Sprintf("exit %d", r.code)
	}
	if windows, tokens := p.counts(); windows != 0 || tokens != 0 {
		cell += ", " + requests(windows, tokens)
	}
	return cell
}

// requests says how often a user and the issuer were asked.
func requests(windows, tokens int) string {
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{windows, "window"}, {tokens, "request"}} {
		if part.n == 1 {
			parts = append(parts, "1 "+part.what)
		} else if part.n > 1 {
			parts = append(parts, fmt.Sprintf("%d %ss", part.n, part.what))
		}
	}
	return strings.Join(parts, ", ")
}

// tenAtOnce pulls ten times at once, without a session.
func (p *fixture) tenAtOnce(c matrixClient) string {
	p.t.Helper()
	const times = 10
	var pulls []*running
	for i := range times {
		to := filepath.Join(p.environ["TMPDIR"], fmt.Sprintf("at-once-%d", i))
		pulls = append(pulls, p.start("", c.pull(p, p.host+"/"+privateImage, to)...))
	}
	failed := 0
	for _, pull := range pulls {
		if r := pull.wait(); r.code != 0 {
			failed++
			p.t.Logf("%s", r)
		}
	}
	windows, tokens := p.counts()
	cell := requests(windows, tokens)
	if failed > 0 {
		cell += fmt.Sprintf(", %d fail", failed)
	}
	return cell
}

// loginCell says where the client stores a pull token, and what is left after its logout.
func (p *fixture) loginCell(c matrixClient) string {
	p.t.Helper()
	if c.login == nil {
		return "-"
	}
	user, token := p.platform.PullToken(time.Hour)
	if r := p.start(token, c.login(p, user)...).wait(); r.code != 0 {
		p.t.Errorf("the login failed: %s", r)
		return fmt.Sprintf("exit %d", r.code)
	}
	cell := "own file"
	if r := p.get(); r.code == 0 && strings.Contains(r.stdout, user) {
		cell = "keychain"
	} else if !p.hasInFile(user, token) {
		cell = "nowhere"
	}
	if cell == "keychain" && p.hasInFile(user, token) {
		cell += " and own file"
	}
	if pull := p.pullCell(c, privateImage); pull != "ok" {
		cell += ", pull " + pull
	}
	if r := p.run(c.logout(p)...); r.code != 0 {
		cell += fmt.Sprintf(", logout exit %d", r.code)
	}
	if r := p.get(); r.code == 0 || p.hasInFile(user, token) {
		cell += ", stays"
	}
	return cell
}

// hasInFile reports whether a file that is not the helper's has the pull token.
func (p *fixture) hasInFile(user, token string) bool {
	p.t.Helper()
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + token))
	found, err := leaks.Of([]string{token, basic}).InFiles(p.dir, p.mayHoldSecrets)
	if err != nil {
		p.t.Fatal(err)
	}
	return len(found) > 0
}

// readTable returns the rows of a table of Markdown, without its head.
func readTable(table string) (rows [][]string) {
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != len(matrixHead) {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows[min(2, len(rows)):]
}

// writeTable returns a table of Markdown whose columns are aligned.
func writeTable(rows [][]string) string {
	widths := make([]int, len(matrixHead))
	rule := make([]string, len(matrixHead))
	for _, row := range append([][]string{matrixHead}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
			rule[i] = strings.Repeat("-", widths[i])
		}
	}
	var text strings.Builder
	for _, row := range append([][]string{matrixHead, rule}, rows...) {
		for i, cell := range row {
			fmt.Fprintf(&text, "| %-*s ", widths[i], cell)
		}
		text.WriteString("|\n")
	}
	return text.String()
}
