package prompt

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// terminal is as much of a terminal as a prompt and `docker build` use: wrapping,
// scrolling, and the cursor's moves up.
type terminal struct {
	columns, rows int
	lines         []string // of the screen, each as wide as it
	row, column   int
}

func newTerminal(columns, rows int) *terminal {
	t := &terminal{columns: columns, rows: rows}
	for range rows {
		t.lines = append(t.lines, strings.Repeat(" ", columns))
	}
	return t
}

func (t *terminal) down() {
	if t.row++; t.row == t.rows {
		t.row--
		t.lines = append(t.lines[1:], strings.Repeat(" ", t.columns))
	}
}

func (t *terminal) Write(b []byte) (int, error) {
	text := string(b)
	for text != "" {
		var n int
		switch {
		case strings.HasPrefix(text, eraseBelow):
			t.lines[t.row] = t.lines[t.row][:t.column] + strings.Repeat(" ", t.columns-t.column)
			for row := t.row + 1; row < t.rows; row++ {
				t.lines[row] = strings.Repeat(" ", t.columns)
			}
			text = text[len(eraseBelow):]
			continue
		case strings.HasPrefix(text, "\x1b["):
			if _, err := fmt.Sscanf(text, "\x1b[%dA", &n); err != nil {
				return 0, err
			}
			t.row = max(0, t.row-n)
			text = text[strings.Index(text, "A")+1:]
			continue
		case text[0] == '\r':
			t.column = 0
		case text[0] == '\n': // the driver adds the carriage return
			t.column = 0
			t.down()
		default:
			if t.column == t.columns {
				t.column = 0
				t.down()
			}
			t.lines[t.row] = t.lines[t.row][:t.column] + text[:1] + t.lines[t.row][t.column+1:]
			t.column++
		}
		text = text[1:]
	}
	return len(b), nil
}

// screen is the screen's text, without the spaces at the end of each line.
func (t *terminal) screen() string {
	var b strings.Builder
	for _, line := range t.lines {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// redraws writes lines as BuildKit's display does: it moves up to where it began,
// and writes over what is there.
type redraws struct {
	t     *terminal
	lines int
}

func (r *redraws) show(lines int) {
	if r.lines > 0 {
		fmt.Fprintf(r.t, "\x1b[%dA\r", r.lines)
	}
	for i := range lines {
		fmt.Fprintf(r.t, "%-*s\n", r.t.columns, fmt.Sprintf("=> step %d", i+1))
	}
	r.lines = lines
}

func newTestPrompt(t *terminal, clock *testClock) *Prompt {
	p := New(Screen{Out: t, Prefix: "docker-credential-cgr: "}, clock.Now)
	p.size = func() (int, int) { return t.columns, t.rows }
	return p
}

// The address stays on a screen that another program rewrites, wherever the cursor
// is, while that program's lines come and go; the end leaves nothing of the prompt.
func TestPromptBesideRedrawnLines(t *testing.T) {
	address := "https://issuer.example/oauth?" + strings.Repeat("0123456789", 9)
	for _, above := range []int{0, 5, 30} { // lines that are on the screen at first
		for _, columns := range []int{40, 60, 80, len(address), len(address) + 1} {
			t.Run(fmt.Sprintf("%d lines above, %d columns", above, columns), func(t *testing.T) {
				screen := newTerminal(columns, 24)
				clock := &testClock{now: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)}
				for i := range above {
					fmt.Fprintf(screen, "$ line %d\n", i)
				}
				build := &redraws{t: screen}
				build.show(3)
				p := newTestPrompt(screen, clock)
				p.Show([]string{"sign in", "open this address:"}, address, 5*time.Minute)
				for second := range 60 {
					for range 7 {
						build.show(3 + second/20) // it grows by a line now and then
					}
					clock.add(time.Second)
					p.Tick()
					if second%20 < 3 {
						continue // what a new line covers comes back within three seconds
					}
					shown := strings.ReplaceAll(screen.screen(), "\n", "")
					if !strings.Contains(shown, address) {
						t.Fatalf("after %d s: got\n%s\nwant the address on it", second, screen.screen())
					}
					if n := strings.Count(screen.screen(), "=> step 1\n"); n != 1 {
						t.Fatalf("after %d s: got the first line of the build %d times, want once:\n%s", second, n, screen.screen())
					}
				}
				p.Close()
				build.show(5)
				if shown := screen.screen(); strings.Contains(shown, "issuer") || strings.Contains(shown, "sign in") || !strings.HasSuffix(strings.TrimRight(shown, "\n"), "=> step 5") {
					t.Errorf("at the end: got\n%s\nwant nothing of the prompt", shown)
				}
			})
		}
	}
}

// A QR code is part of the block where the terminal shows it whole, whatever size
// that gets, and comes back as the rest does.
func TestPromptDrawing(t *testing.T) {
	screen := newTerminal(80, 24)
	clock := &testClock{now: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)}
	build := &redraws{t: screen}
	build.show(5)
	p := newTestPrompt(screen, clock)
	p.drawing, p.drawingWidth = "##1\n##2\n##3\n", 3
	columns, rows := screen.columns, screen.rows
	p.size = func() (int, int) { return columns, rows }
	p.Show([]string{"sign in"}, "https://issuer.example/", 5*time.Minute)
	drawn := func() bool {
		for range 3 {
			build.show(5)
			clock.add(time.Second)
			p.Tick()
		}
		return strings.Contains(screen.screen(), "=> step 5\n##1\n##2\n##3\ndocker-credential-cgr: sign in")
	}
	build.show(6)
	if build.show(5); !drawn() {
		t.Errorf("got\n%s\nwant the drawing", screen.screen())
	}
	for _, size := range [][2]int{{80, 10}, {2, 24}} {
		if columns, rows = size[0], size[1]; drawn() || strings.Contains(screen.screen(), "##") {
			t.Errorf("%d columns, %d rows: got\n%s\nwant no drawing", columns, rows, screen.screen())
		}
	}
	columns, rows = 80, 24
	if !drawn() {
		t.Errorf("large again: got\n%s\nwant the drawing", screen.screen())
	}
	if p.Close(); strings.Contains(screen.screen(), "##") {
		t.Errorf("at the end: got\n%s\nwant nothing of it", screen.screen())
	}
}

// What is covered at once, as by a client that has just begun, is back after a second.
func TestPromptBackAfterASecond(t *testing.T) {
	screen := newTerminal(80, 24)
	clock := &testClock{now: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)}
	build := &redraws{t: screen}
	build.show(1)
	p := newTestPrompt(screen, clock)
	p.Show([]string{"sign in"}, "https://issuer.example/", 5*time.Minute)
	if build.show(6); strings.Contains(screen.screen(), "issuer.example") {
		t.Fatal("nothing is covered, nothing is tested")
	}
	clock.add(time.Second)
	if p.Tick(); !strings.Contains(screen.screen(), "issuer.example") {
		t.Errorf("got\n%s\nwant the address", screen.screen())
	}
}

// What is said meanwhile stands above the block, whole.
func TestPromptSays(t *testing.T) {
	screen := newTerminal(80, 24)
	clock := &testClock{now: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)}
	p := newTestPrompt(screen, clock)
	p.Show([]string{"sign in", "open this address:"}, "https://issuer.example/", 5*time.Minute)
	p.Say("one")
	p.SayOnce("two %d", 1)
	p.SayOnce("two %d", 2)
	want := `docker-credential-cgr: one
docker-credential-cgr: two 1
docker-credential-cgr: sign in (5:00 left)
docker-credential-cgr: open this address:
https://issuer.example/
`
	if got := screen.screen(); strings.TrimRight(got, "\n")+"\n" != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTimeLeft(t *testing.T) {
	for left, want := range map[time.Duration]string{
		10 * time.Minute:            "10:00",
		9*time.Minute + time.Second: "9:01",
		59600 * time.Millisecond:    "1:00",
		0:                           "0:00",
		-time.Hour:                  "0:00",
	} {
		if got := timeLeft(left); got != want {
			t.Errorf("%v: got %q, want %q", left, got, want)
		}
	}
}

// testClock is the time of a test, which moves when it is told to.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
