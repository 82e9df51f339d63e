package prompt

import (
	"strings"

	"rsc.io/qr"
)

// quietZone is the number of light modules around a QR code (ISO/IEC 18004).
const quietZone = 4

// drawQR returns text as a QR code for a terminal, with two modules in each character, and
// its width in columns. Light modules are drawn and dark ones left blank: most terminals
// are dark, and scanners read the negative too.
func drawQR(text string) (drawing string, columns int, err error) {
	code, err := qr.Encode(text, qr.L) // a screen gets no stains
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
