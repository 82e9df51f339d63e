package signin

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
	"rsc.io/qr"
)

// fits says whether a drawing can be seen at once in the terminal that out is: a QR
// code whose top has scrolled away is of no use.
func fits(out io.Writer, terminal bool, drawing string, width int) bool {
	file, ok := out.(*os.File)
	if !terminal || !ok {
		return false
	}
	columns, rows, err := term.GetSize(int(file.Fd()))
	const words = 7 // lines that are shown below it
	return err == nil && width <= columns && strings.Count(drawing, "\n")+words <= rows
}

// columns is the width of the terminal that out is now, or 0 where it is none.
func columns(out io.Writer, terminal bool) int {
	file, ok := out.(*os.File)
	if !terminal || !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// quietZone is how many light modules scanners want around a QR code
// (ISO/IEC 18004).
const quietZone = 4

// drawQR draws text as a QR code for a terminal, two modules to a character, and
// gives its width in columns. Light modules are drawn and dark ones left blank:
// most terminals are dark, and scanners know the negative too.
func drawQR(text string) (drawing string, columns int, err error) {
	code, err := qr.Encode(text, qr.L) // a screen is not torn or stained
	if err != nil {
		return "", 0, err
	}
	blocks := map[[2]bool]string{{true, true}: "█", {true, false}: "▀", {false, true}: "▄", {false, false}: " "}
	first, end := -quietZone, code.Size+quietZone
	light := func(x, y int) bool { return y < end && !code.Black(x, y) }
	var out strings.Builder
	for y := first; y < end; y += 2 {
		for x := first; x < end; x++ {
			out.WriteString(blocks[[2]bool{light(x, y), light(x, y+1)}])
		}
		out.WriteByte('\n')
	}
	return out.String(), end - first, nil
}

// timeLeft is the line at the foot of a terminal that says how much time is left.
type timeLeft struct {
	out   io.Writer
	shown int // columns that are written on
}

// show writes the line anew, where it fits: one that wraps could not be
// overwritten.
func (l *timeLeft) show(left time.Duration, columns int) {
	l.clear()
	seconds := int(left.Round(time.Second) / time.Second)
	text := fmt.Sprintf("%d:%02d left", seconds/60, seconds%60)
	if left <= 0 || len(text) >= columns {
		return
	}
	l.shown = len(text)
	_, _ = io.WriteString(l.out, text)
}

// clear blanks the line and goes back to its start.
func (l *timeLeft) clear() {
	if l.shown > 0 {
		_, _ = io.WriteString(l.out, "\r"+strings.Repeat(" ", l.shown)+"\r")
	}
	l.shown = 0
}
