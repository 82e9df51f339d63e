//go:build e2e && linux

package clients

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakebrowser"
)

// signInAddress is an address to sign in at, with what the terminal had to wrap in
// one line.
var signInAddress = regexp.MustCompile(`http://127\.0\.0\.1:\d+/oauth\?(headless_code=[A-Za-z0-9_-]{43}|\S+)`)

// address returns the address to sign in at that can be read on the screen, as a
// person reads it: whole rows of it go on in the next one. It returns "" where it
// cannot be read, or not as a whole.
func (s *terminal) address(columns int) string {
	s.p.t.Helper()
	var text strings.Builder
	for row := range strings.Lines(s.screen()) {
		row = strings.TrimSuffix(row, "\n")
		text.WriteString(row)
		if len(row) < columns {
			text.WriteByte('\n')
		}
	}
	return signInAddress.FindString(text.String())
}

// buildKit returns the docker that builds with BuildKit: the first one in PATH that
// does, or Debian's beside another one. Without one the test fails.
func (p *fixture) buildKit() string {
	p.t.Helper()
	p.set("DOCKER_BUILDKIT=1")
	for _, docker := range []string{"docker", "/usr/bin/docker"} {
		if _, err := exec.LookPath(docker); err == nil && strings.Contains(p.run(docker, "build", "--help").stdout, "--progress") {
			return docker
		}
	}
	p.t.Fatal("no docker here builds with BuildKit; run: sh e2e/install.sh")
	return ""
}

// buildContext writes a folder with a Dockerfile that takes a private image for
// each of its stages, whose last one has a file of each.
func (p *fixture) buildContext(stages int) string {
	p.t.Helper()
	var text strings.Builder
	for i := range stages - 1 {
		repository := fmt.Sprintf("example.com/stage-%d", i)
		if _, err := p.platform.AddImage(p.t.Context(), repository, "latest", helloFrom(repository)); err != nil {
			p.t.Fatal(err)
		}
		fmt.Fprintf(&text, "FROM %s/%s AS stage-%d\n", p.host, repository, i)
	}
	fmt.Fprintf(&text, "FROM %s/%s\n", p.host, privateImage)
	for i := range stages - 1 {
		fmt.Fprintf(&text, "COPY --from=stage-%[1]d /hello.txt /hello-%[1]d.txt\n", i)
	}
	text.WriteString("COPY Dockerfile /\n")
	p.writes(p.path("context/Dockerfile"), text.String())
	return p.path("context")
}

// keepsAddress watches the screen for a while and fails when the address cannot be
// read on it for longer than the program takes to show it again. It returns the
// address. Where another program rewrites the screen, it has to be seen doing so.
func (s *terminal) keepsAddress(columns int, redrawn bool) (address string) {
	s.p.t.Helper()
	s.p.await("an address is on the screen", func() error {
		if address = s.address(columns); address == "" {
			return errors.New("it is not")
		}
		return nil
	})
	watch := 5 * time.Second
	if redrawn {
		watch = 16 * time.Second
	}
	const (
		pause = 200 * time.Millisecond
		// A display that grows covers it, until it is painted again after three
		// seconds; the rest is for a machine that is busy.
		most = 6 * time.Second
	)
	before, missing, redraws := s.screen(), 0, 0
	for range watch / pause {
		time.Sleep(pause)
		if now := s.screen(); now != before {
			before = now
			redraws++
		}
		if s.address(columns) == address {
			missing = 0
			continue
		}
		if missing++; missing > int(most/pause) {
			s.p.t.Fatalf("the address cannot be read:\n%s", s.screen())
		}
	}
	if redrawn && redraws < 10 {
		s.p.t.Errorf("the screen changed %d times: nothing is tested", redraws)
	}
	s.p.t.Logf("the screen:\n%s", s.screen())
	return address
}

// signsIn has a person sign in at the address.
func (s *terminal) signsIn(address string) {
	s.p.t.Helper()
	if _, page, err := (fakebrowser.Person{}).Visit(address); err != nil {
		s.p.t.Fatalf("%v: %s", err, page)
	}
}

// wantNoPrompt fails if something of the block with the address is left.
func (s *terminal) wantNoPrompt() {
	s.p.t.Helper()
	if text := s.screen(); strings.Contains(text, "/oauth?") || strings.Contains(text, " left)") {
		s.p.t.Errorf("the prompt is still there:\n%s", text)
	}
}

// TestBuildAtTerminal: BuildKit's display rewrites its lines several times a second.
// Whoever looks at the terminal can read where to sign in all the same, and the build
// goes on when they have.
func TestBuildAtTerminal(t *testing.T) {
	for _, test := range []struct {
		name          string
		stages        int
		columns, rows int
		settings      []string
	}{
		{"headless", 1, 80, 24, []string{"CHAINGUARD_AUTH_MODE=headless"}},
		{"headless, three stages", 3, 80, 24, []string{"CHAINGUARD_AUTH_MODE=headless"}},
		{"headless, 40 columns", 1, 40, 24, []string{"CHAINGUARD_AUTH_MODE=headless"}},
		{"headless, room for a QR code", 3, 100, 50, []string{"CHAINGUARD_AUTH_MODE=headless"}},
		{"a browser that shows nothing", 1, 80, 24, []string{"CHAINGUARD_AUTH_MODE=browser", "VISIT=leave"}},
		{"no browser", 3, 80, 24, []string{"CHAINGUARD_AUTH_MODE=browser", "BROWSER=/bin/false"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newFixture(t)
			p.useDocker()
			p.set(test.settings...)
			docker, folder := p.buildKit(), p.buildContext(test.stages)
			image := "terminal-" + strings.ToLower(p.dir[len(os.TempDir())+1:])
			screen := p.openTerminalOf(test.columns, test.rows)
			screen.types(docker + " build --no-cache --tag " + image + " " + folder)
			screen.signsIn(screen.keepsAddress(test.columns, true))
			screen.succeeds()
			screen.wantNoPrompt()
			p.must("docker", "rmi", image)
			p.wantCounts("build", map[string]int{"oauth": 1, "signin": 1})
		})
	}
}

// TestBuildAtTerminalNever: after a build that failed since nobody is signed in, the
// command that mends it is on the screen.
func TestBuildAtTerminalNever(t *testing.T) {
	for _, stages := range []int{1, 3} {
		t.Run(fmt.Sprint(stages), func(t *testing.T) {
			p := newFixture(t)
			p.useDocker()
			p.set("CHAINGUARD_AUTH_AUTO_LOGIN=never")
			docker, folder := p.buildKit(), p.buildContext(stages)
			screen := p.openTerminalOf(80, 24)
			screen.types(docker + " build --no-cache " + folder)
			if r := screen.ends(); r.code == 0 {
				t.Fatalf("a private image was pulled by nobody: %s", r)
			}
			shown := screen.screen()
			t.Logf("the screen:\n%s", shown)
			for _, want := range []string{"docker-credential-cgr login", "[exit code 1]", "401 Unauthorized"} {
				if !strings.Contains(shown, want) {
					t.Errorf("no %q on the screen", want)
				}
			}
			screen.wantsWholeScreen()
			p.wantCounts("build", map[string]int{"windows": 0, "issuer": 0})
		})
	}
}

// wantsWholeScreen fails if the terminal scrolls a part of its screen only.
func (s *terminal) wantsWholeScreen() {
	s.p.t.Helper()
	region := s.must("display-message", "-p", "#{scroll_region_upper} #{scroll_region_lower} #{pane_height}")
	var upper, lower, height int
	if _, err := fmt.Sscan(region, &upper, &lower, &height); err != nil || upper != 0 || lower != height-1 {
		s.p.t.Errorf("the terminal scrolls %q (%v), want all of it", region, err)
	}
}

// TestPullAtTerminalPrompt: where nothing else rewrites the screen, the prompt is
// gone at the end, and who signed in stands in its place.
func TestPullAtTerminalPrompt(t *testing.T) {
	for mode, settings := range map[string][]string{
		"headless": {"CHAINGUARD_AUTH_MODE=headless"},
		"browser":  {"CHAINGUARD_AUTH_MODE=browser", "VISIT=leave"},
	} {
		t.Run(mode, func(t *testing.T) {
			p := newFixture(t)
			p.useDocker()
			p.set(settings...)
			screen := p.openTerminalOf(80, 24)
			screen.types("docker pull " + p.host + "/" + privateImage)
			screen.signsIn(screen.keepsAddress(80, false))
			screen.succeeds("signed in as ada@example.com", "Downloaded newer image")
			screen.wantNoPrompt()
			t.Logf("the screen:\n%s", screen.screen())
			docker.arrived(p, privateImage, p.path("tmp/image"))
		})
	}
}

// TestPullsAtTerminalPrompt has many pulls at one terminal: there is one prompt, and
// what the others say does not take it away.
func TestPullsAtTerminalPrompt(t *testing.T) {
	p := newFixture(t)
	p.useDocker()
	p.set("CHAINGUARD_AUTH_MODE=headless")
	screen := p.openTerminalOf(80, 24)
	screen.types("for i in 1 2 3 4 5; do docker pull -q " + p.host + "/" + privateImage + " & done; wait")
	address := screen.keepsAddress(80, false)
	p.await("the other pulls wait for the sign-in", func() error {
		if n := strings.Count(screen.text(), "docker-credential-cgr: waiting for"); n != 4 {
			return fmt.Errorf("%d wait", n)
		}
		return nil
	})
	if got := screen.keepsAddress(80, false); got != address {
		t.Errorf("got the address %s, want %s", got, address)
	}
	screen.signsIn(address)
	screen.succeeds("signed in as ada@example.com")
	screen.wantNoPrompt()
	t.Logf("the screen:\n%s", screen.screen())
	p.wantCounts("pulls", map[string]int{"oauth": 1, "signin": 1})
	docker.arrived(p, privateImage, p.path("tmp/image"))
}

// TestPromptInterrupted: Ctrl-C takes the prompt away and leaves the terminal as it
// was, as does a terminal that changes its size meanwhile.
func TestPromptInterrupted(t *testing.T) {
	for name, command := range map[string]func(p *fixture) string{
		"pull":  func(p *fixture) string { return "docker pull " + p.host + "/" + privateImage },
		"build": func(p *fixture) string { return p.buildKit() + " build --no-cache " + p.buildContext(1) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newFixture(t)
			p.useDocker()
			p.set("CHAINGUARD_AUTH_MODE=headless")
			do := command(p)
			screen := p.openTerminalOf(80, 24)
			screen.types(do)
			address := screen.keepsAddress(80, name == "build")
			for _, columns := range []int{50, 120, 80} {
				screen.must("resize-window", "-x", fmt.Sprint(columns), "-y", "24")
				if got := screen.keepsAddress(columns, false); got != address {
					t.Errorf("%d columns: got the address %s, want %s", columns, got, address)
				}
			}
			screen.must("send-keys", "C-c")
			if r := screen.ends(); r.code == 0 {
				t.Errorf("it went on: %s", r)
			}
			screen.wantNoPrompt()
			screen.wantsWholeScreen()
			t.Logf("the screen:\n%s", screen.screen())
			screen.runs("stty -a | tr ';' '\\n'", " echo ", " icanon ")
		})
	}
}
