package signin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal gives a terminal of the width given, and what is read off it.
func openTerminal(t *testing.T, columns, rows int) (terminal *os.File, shown *screen) {
	t.Helper()
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	if err := unix.IoctlSetPointerInt(int(far.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(far.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	shown = &screen{}
	go func() { _, _ = io.Copy(shown, far) }() // ends when the terminal is closed
	return terminal, shown
}

// What is drawn depends on the terminal, and whatever it is, the address is whole
// and nothing fails.
func TestHeadlessTerminal(t *testing.T) {
	for _, test := range []struct {
		name      string
		columns   int
		rows      int
		qr, count bool
	}{
		{"S16 large", 80, 40, true, true},
		{"F33 too low for the code", 80, 24, false, true},
		{"F33 too narrow for the code", 44, 40, false, true},
		{"F33 one column", 1, 40, false, false},
		{"F33 of no known size", 0, 0, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := newHeadlessIssuer(t)
			terminal, shown := openTerminal(t, test.columns, test.rows)
			done := false
			i.signedIn = func(code string) http.HandlerFunc {
				if done || !test.count {
					return session(t, code, idToken)
				}
				done = strings.Contains(shown.String(), "5:00 left")
				return notFound
			}
			h := i.headless(nil, 5*time.Minute)
			h.Screen.Out, h.Screen.Terminal = terminal, true
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if _, err := h.SignIn(ctx, request(registry, api)); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(terminal, "the end")
			waitFor(t, "the end", func() bool { return strings.Contains(shown.String(), "the end\r\n") })
			text := shown.String()
			if got := strings.Contains(text, "█▀"); got != test.qr {
				t.Errorf("got QR code %v, want %v:\n%s", got, test.qr, text)
			}
			if !strings.Contains(text, i.url+"/oauth?headless_code="+i.codes[0]+map[bool]string{true: "\x1b[", false: "\r"}[test.count]) {
				t.Errorf("got %s, want the address at the end of a line", text)
			}
			if test.count != strings.HasSuffix(text, "\r \x1b[J\r"+"the end\r\n") {
				t.Errorf("got %q, want the time left %v, and erased", text, test.count)
			}
		})
	}
}
