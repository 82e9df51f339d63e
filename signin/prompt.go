package signin

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// Screen is where a person reads what to do.
type Screen struct {
	Out      io.Writer
	Terminal bool   // Out is a terminal: a QR code and the time that is left are shown
	Prefix   string // before each line, to tell it from the lines of other programs
}

// prompt tells a person where to sign in, for as long as that is waited for.
//
// On a terminal it is a block of lines below everything else, which is painted again
// every few seconds and leaves the cursor at its own start. A program that shares
// the terminal and rewrites its lines there, as `docker build` does several times a
// second, moves up from the cursor: it finds its lines where it expects them, and
// what it covers of the block comes back.
//
// Elsewhere the same lines are written once.
type prompt struct {
	Screen
	now  func() time.Time
	size func() (columns, rows int) // of the terminal; 0 if there is none, or if it takes no ANSI sequences

	drawing      string // above the lines where there is room: whole lines, or empty
	drawingWidth int    // in columns

	mu      sync.Mutex
	lines   []string // what to do; the first one ends with the time that is left
	address string
	end     time.Time // until when an answer is waited for
	painted bool
	last    time.Time       // when it was painted
	said    map[string]bool // by sayOnce
}

// paintEvery is how often the block is painted again. Not more often: in some
// terminals that takes away what the person has just selected.
const paintEvery = 3 * time.Second

// firstPaint is when it is painted the second time: a client that rewrites its lines
// has often just begun, and covers it at once.
const firstPaint = time.Second

// newPrompt returns a prompt on a screen. A terminal is taken to know ANSI sequences,
// except on Windows and if TERM is dumb.
func newPrompt(screen Screen, now func() time.Time) *prompt {
	ansi := screen.Terminal && runtime.GOOS != "windows" && os.Getenv("TERM") != "dumb"
	return &prompt{Screen: screen, now: now, size: func() (int, int) { return size(screen.Out, ansi) }, said: map[string]bool{}}
}

// draw has show draw address as a QR code too.
func (p *prompt) draw(address string) {
	if drawing, width, err := drawQR(address); err == nil {
		p.drawing, p.drawingWidth = drawing, width
	}
}

// clientRows is how many rows are left to the client's own lines where a drawing is
// shown.
const clientRows = 6

// drawingFits reports whether a terminal shows the drawing at once, with below rows
// below it: a QR code whose top has scrolled away is of no use.
func (p *prompt) drawingFits(columns, rows, below int) bool {
	return p.drawing != "" && p.drawingWidth <= columns && strings.Count(p.drawing, "\n")+below+clientRows <= rows
}

// show begins to ask the person to open address within wait.
func (p *prompt) show(lines []string, address string, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines, p.address, p.end = lines, address, p.now().Add(wait)
	if p.paint() {
		p.last = p.last.Add(firstPaint - paintEvery)
		return
	}
	if columns, rows := size(p.Out, p.Terminal); p.drawingFits(columns, rows, len(lines)+4) {
		fmt.Fprintf(p.Out, "\n%s\n", p.drawing)
	}
	for _, line := range lines {
		p.write("%s", line)
	}
	fmt.Fprintf(p.Out, "\n    %s\n\n", address)
	p.write("waiting until %s (%s); Ctrl-C cancels", p.end.Local().Format("15:04:05"), minutes(wait))
}

// until sets another end of the wait.
func (p *prompt) until(end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end = end
	p.paint()
}

// tick is called about once a second.
func (p *prompt) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now().Sub(p.last) >= paintEvery {
		p.paint()
	}
}

// say writes a line for the person above the block.
func (p *prompt) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	shown := p.painted
	p.erase()
	p.write(format, args...)
	if shown {
		p.paint()
	}
}

// sayOnce is say, but for a format that was said before.
func (p *prompt) sayOnce(format string, args ...any) {
	p.mu.Lock()
	again := p.said[format]
	p.said[format] = true
	p.mu.Unlock()
	if !again {
		p.say(format, args...)
	}
}

// close takes the block away.
func (p *prompt) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}

func (p *prompt) write(format string, args ...any) {
	fmt.Fprintf(p.Out, p.Prefix+format+"\n", args...)
}

// eraseBelow erases from the cursor to the end of the screen (ECMA-48, ED).
const eraseBelow = "\x1b[J"

// eraseBlock erases the block, at whose start the cursor is. It leaves the first
// column to a space: at the top of the screen tmux takes eraseBelow for the erasure
// of all of it, and adds a copy to its history first.
const eraseBlock = "\r " + eraseBelow + "\r"

// erase takes the block off the screen. The cursor is at its start.
func (p *prompt) erase() {
	if p.painted {
		_, _ = io.WriteString(p.Out, eraseBlock)
	}
	p.painted = false
}

// paint writes the block below the cursor and moves the cursor back to its start.
// It reports whether out is a terminal that has room for it.
func (p *prompt) paint() bool {
	width, height := p.size()
	if width <= 0 || p.address == "" {
		return false
	}
	lines := []string{}
	for i, line := range p.lines {
		if i == 0 {
			line += " (" + timeLeft(p.end.Sub(p.now())) + " left)"
		}
		lines = append(lines, p.Prefix+line)
	}
	lines = append(lines, p.address)
	rows := 0
	for _, line := range lines {
		// A terminal wraps what does not fit; a line that just fits takes one row.
		rows += max(1, (utf8.RuneCountInString(line)+width-1)/width)
	}
	if rows >= height {
		return false // its top would have scrolled away
	}
	text := strings.Join(lines, "\r\n")
	if p.drawingFits(width, height, rows) {
		rows += strings.Count(p.drawing, "\n")
		text = strings.ReplaceAll(p.drawing, "\n", "\r\n") + text
	}
	text = eraseBlock + text
	if rows > 1 {
		text += fmt.Sprintf("\x1b[%dA", rows-1) // up (ECMA-48, CUU)
	}
	// In one write: another program writes to the same terminal.
	_, _ = io.WriteString(p.Out, text+"\r")
	p.painted, p.last = true, p.now()
	return true
}

// timeLeft writes a duration as minutes and seconds.
func timeLeft(d time.Duration) string {
	seconds := max(0, int(d.Round(time.Second)/time.Second))
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}

// size returns the size of the terminal that out is now, or 0 where it is none.
func size(out io.Writer, terminal bool) (columns, rows int) {
	file, ok := out.(*os.File)
	if !terminal || !ok {
		return 0, 0
	}
	columns, rows, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0, 0
	}
	return columns, rows
}
