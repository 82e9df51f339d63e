// Package prompt shows a person at a terminal where to sign in.
package prompt

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

// Prompt tells a person where to sign in.
//
// At a terminal it is a block of lines below all others. It is painted again every few
// seconds and leaves the cursor at its start. A program that rewrites its own lines at the
// same terminal, as `docker build` does several times a second, moves up from the cursor,
// so it finds its lines, and what it overwrites of the block is painted again.
//
// Elsewhere the lines are written once.
type Prompt struct {
	Screen
	now  func() time.Time
	size func() (columns, rows int) // of the terminal; 0 if there is none, or if it takes no ANSI sequences

	drawing      string // above the lines if there is room; ends with a line end, or is empty
	drawingWidth int    // in columns

	mu      sync.Mutex
	lines   []string // what to do; the time that is left is added to the first one
	address string
	end     time.Time // of the wait
	painted bool
	last    time.Time       // of the last painting
	said    map[string]bool // by SayOnce
}

// paintEvery is the time between two paintings. In some terminals each one removes the
// selection.
const paintEvery = 3 * time.Second

// firstPaint is the time until the second painting: a client that has just started
// overwrites the first one at once.
const firstPaint = time.Second

// New returns a prompt on a screen. A terminal is taken to know ANSI sequences,
// except on Windows and if TERM is dumb.
func New(screen Screen, now func() time.Time) *Prompt {
	ansi := screen.Terminal && runtime.GOOS != "windows" && os.Getenv("TERM") != "dumb"
	return &Prompt{Screen: screen, now: now, size: func() (int, int) { return size(screen.Out, ansi) }, said: map[string]bool{}}
}

// Draw makes Show add a QR code of address.
func (p *Prompt) Draw(address string) {
	if drawing, width, err := drawQR(address); err == nil {
		p.drawing, p.drawingWidth = drawing, width
	}
}

// clientRows is how many rows a QR code leaves to the client's own lines.
const clientRows = 6

// drawingFits reports whether the whole drawing and the rows below it fit on the terminal.
func (p *Prompt) drawingFits(columns, rows, below int) bool {
	return p.drawing != "" && p.drawingWidth <= columns && strings.Count(p.drawing, "\n")+below+clientRows <= rows
}

// Show asks the person to open address within wait.
func (p *Prompt) Show(lines []string, address string, wait time.Duration) {
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
	p.write("waiting until %s (%s); Ctrl-C cancels", p.end.Local().Format("15:04:05"), Minutes(wait))
}

// Until changes the end of the wait.
func (p *Prompt) Until(end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end = end
	p.paint()
}

// Tick is to be called about once a second.
func (p *Prompt) Tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now().Sub(p.last) >= paintEvery {
		p.paint()
	}
}

// Say writes a line above the block.
func (p *Prompt) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	shown := p.painted
	p.erase()
	p.write(format, args...)
	if shown {
		p.paint()
	}
}

// SayOnce is Say, but writes each format once.
func (p *Prompt) SayOnce(format string, args ...any) {
	p.mu.Lock()
	again := p.said[format]
	p.said[format] = true
	p.mu.Unlock()
	if !again {
		p.Say(format, args...)
	}
}

// Close removes the block.
func (p *Prompt) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}

func (p *Prompt) write(format string, args ...any) {
	fmt.Fprintf(p.Out, p.Prefix+format+"\n", args...)
}

// eraseBelow erases from the cursor to the end of the screen (ECMA-48, ED).
const eraseBelow = "\x1b[J"

// eraseBlock erases the block from its start, where the cursor is. The first column gets a
// space: at the top of the screen, tmux takes eraseBelow for the erasure of the whole
// screen and adds a copy of it to its history.
const eraseBlock = "\r " + eraseBelow + "\r"

// erase erases the block. The cursor is at its start.
func (p *Prompt) erase() {
	if p.painted {
		_, _ = io.WriteString(p.Out, eraseBlock)
	}
	p.painted = false
}

// paint writes the block below the cursor and moves the cursor back to its start. It
// reports whether there is a terminal with room for it.
func (p *Prompt) paint() bool {
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
		return false // its top would scroll away
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

// size returns the size of the terminal out, or 0 if it is none.
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

// Minutes returns a duration for people, such as "5 minutes".
func Minutes(d time.Duration) string {
	switch {
	case d == time.Minute:
		return "1 minute"
	case d%time.Minute == 0:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return d.String()
}
