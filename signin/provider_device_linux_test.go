package signin

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A terminal shows the address with the code in it as a QR code too.
func TestProviderDeviceTerminal(t *testing.T) {
	for _, test := range []struct {
		name     string
		complete any
		columns  int
		qr       bool
	}{
		{"S16 wide", providerURL + "/device?user_code=WDJB-MJHT", 80, true},
		{"S16 no address with the code", nil, 80, false},
		{"F33 too narrow", providerURL + "/device?user_code=WDJB-MJHT", 20, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // each waits a second for its poll
			terminal, shown := openTerminal(t, test.columns, 50)
			f := newFakeProvider(t, time.Now)
			f.device["interval"], f.device["verification_uri_complete"] = 1, test.complete
			p := f.provider(nil)
			p.Screen.Out, p.Screen.Terminal, p.Device = terminal, true, true
			if _, err := p.SignIn(t.Context(), request(registry)); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(terminal, "the end")
			waitFor(t, "the end", func() bool { return strings.Contains(shown.String(), "the end\r\n") })
			text := shown.String()
			if got := strings.Contains(text, "█▀"); got != test.qr {
				t.Errorf("got QR code %v, want %v:\n%s", got, test.qr, text)
			}
			if !strings.Contains(text, "WDJB-MJHT (5:00 left)\r") || !strings.Contains(text, "\n"+providerURL+"/device\x1b[") {
				t.Errorf("got %s, want the code, and the page alone on its line", text)
			}
		})
	}
}
