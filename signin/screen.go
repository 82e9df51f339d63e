package signin

import (
	"strings"

	"rsc.io/qr"
)

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
