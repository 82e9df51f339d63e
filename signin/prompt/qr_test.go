package prompt

import (
	"strings"
	"testing"

	"rsc.io/qr"
)

// Read back, the drawing is the code, with a quiet zone around it.
func TestDrawQR(t *testing.T) {
	const address = "https://issuer.enforce.dev/oauth?headless_code=hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"
	drawing, columns, err := drawQR(address)
	if err != nil {
		t.Fatal(err)
	}
	code, err := qr.Encode(address, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	if want := code.Size + 8; columns != want || columns > 60 {
		t.Errorf("got %d columns, want %d", columns, want)
	}
	lines := strings.Split(strings.TrimSuffix(drawing, "\n"), "\n")
	if want := (columns + 1) / 2; len(lines) != want {
		t.Fatalf("got %d lines, want %d", len(lines), want)
	}
	for row, line := range lines {
		characters := []rune(line)
		if len(characters) != columns {
			t.Fatalf("line %d: got %d columns, want %d", row, len(characters), columns)
		}
		for x, character := range characters {
			for half, light := range map[int]string{0: "█▀", 1: "█▄"} {
				y := 2*row + half
				got := strings.ContainsRune(light, character)
				if want := y < columns && !code.Black(x-4, y-4); got != want {
					t.Errorf("module %d,%d: got light %v, want %v", x, y, got, want)
				}
			}
		}
	}
	if _, _, err := drawQR(strings.Repeat("x", 10_000)); err == nil {
		t.Error("10 KB: got no error, want one")
	}
}
