//go:build e2e && linux

package clients

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// terminal is one that somebody sits at: tmux's, with a shell in it.
type terminal struct {
	p      *fixture
	socket string
	typed  []string // the commands
}

// openTerminal opens one with the environment that the place has now.
func (p *fixture) openTerminal() *terminal {
	p.t.Helper()
	return p.openTerminalOf(100, 40)
}

// openTerminalOf is openTerminal for a terminal of a size.
func (p *fixture) openTerminalOf(columns, rows int) *terminal {
	p.t.Helper()
	s := &terminal{p: p, socket: p.path("tmux")}
	p.startService("", "tmux", "-D", "-S", s.socket, "-f", "/dev/null")
	p.await("tmux answers", func() error {
		_, err := s.tmux("new-session", "-d", "-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows), "sh")
		return err
	})
	p.t.Cleanup(func() {
		text := s.text()
		p.results = append(p.results, result{command: "tmux: " + strings.Join(s.typed, "; "), stdout: text})
		if p.t.Failed() {
			p.t.Logf("the terminal showed:\n%s", strings.TrimSpace(text))
		}
	})
	return s
}

func (s *terminal) tmux(args ...string) (string, error) {
	// Not to start a server, which would be one outside of the place.
	cmd := exec.Command("tmux", append([]string{"-N", "-S", s.socket}, args...)...)
	cmd.Env = s.p.environ.List()
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("tmux %s: %w: %s", args[0], err, exit.Stderr)
	}
	return string(out), err
}

func (s *terminal) must(args ...string) string {
	s.p.t.Helper()
	out, err := s.tmux(args...)
	if err != nil {
		s.p.t.Fatal(err)
	}
	return out
}

// text is all that was shown so far. What the terminal had to wrap is one line, as
// it is for whoever copies it.
func (s *terminal) text() string {
	s.p.t.Helper()
	return s.must("capture-pane", "-p", "-J", "-S", "-")
}

// screen is what can be seen now, row by row.
func (s *terminal) screen() string {
	s.p.t.Helper()
	return s.must("capture-pane", "-p")
}

// exitCode is what the shell writes behind each command.
var exitCode = regexp.MustCompile(`\[exit code (\d+)\]`)

// types types a command; ends has to be called before the next one.
func (s *terminal) types(command string) {
	s.p.t.Helper()
	s.typed = append(s.typed, command)
	s.must("send-keys", "-l", "--", command+`; echo "[exit code $?]"`)
	s.must("send-keys", "Enter")
}

// shows waits until the command that was typed last shows what pattern matches,
// and gives that, or the pattern's group.
func (s *terminal) shows(pattern *regexp.Regexp) string {
	s.p.t.Helper()
	var found []string
	s.p.await("the terminal shows "+pattern.String(), func() error {
		text := s.text()
		if ends := exitCode.FindAllStringIndex(text, -1); len(ends) > 0 && len(ends) == len(s.typed)-1 {
			text = text[ends[len(ends)-1][1]:]
		}
		if found = pattern.FindStringSubmatch(text); found == nil {
			return errors.New("it does not")
		}
		return nil
	})
	return found[len(found)-1]
}

// ends waits for the end of the command that was typed last.
func (s *terminal) ends() result {
	s.p.t.Helper()
	n := len(s.typed)
	var text string
	var ends [][]int
	s.p.await("the command has ended: "+s.typed[n-1], func() error {
		text = s.text()
		if ends = exitCode.FindAllStringSubmatchIndex(text, -1); len(ends) < n {
			return errors.New("it runs")
		}
		return nil
	})
	begin, end := 0, ends[n-1]
	if n > 1 {
		begin = ends[n-2][1]
	}
	code, err := strconv.Atoi(text[end[2]:end[3]])
	if err != nil {
		s.p.t.Fatal(err)
	}
	return result{command: s.typed[n-1], stdout: text[begin:end[0]], code: code}
}

// runs types a command, which has to succeed and to show these words.
func (s *terminal) runs(command string, words ...string) result {
	s.p.t.Helper()
	s.types(command)
	return s.succeeds(words...)
}

// succeeds waits for the end of the command that was typed last, which has to
// succeed and to show these words.
func (s *terminal) succeeds(words ...string) result {
	s.p.t.Helper()
	r := s.ends()
	if r.code != 0 {
		s.p.t.Fatalf("failed: %s", r)
	}
	for _, word := range words {
		if !strings.Contains(r.stdout, word) {
			s.p.t.Errorf("no word of %q: %s", word, r)
		}
	}
	return r
}
