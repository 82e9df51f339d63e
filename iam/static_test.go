package iam

import (
	"strings"
	"testing"
	"time"
)

func TestCheckIssuerKeys(t *testing.T) {
	if err := CheckIssuerKeys(publicKeys); err != nil {
		t.Errorf("got %v, want it taken", err)
	}
	const secret = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
	for name, text := range map[string]string{
		"nothing":         "",
		"no JSON":         secret,
		"no keys":         `{"keys":[]}`,
		"a key alone":     `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		"S21 private":     `{"keys":[{"kty":"OKP","crv":"Ed25519","d":"` + secret + `","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		"S21 symmetric":   `{"keys":[{"kty":"oct","k":"` + secret + `"}]}`,
		"broken key":      `{"keys":[{"kty":"RSA","e":"AQAB"}]}`,
		"another kind":    `{"keys":[{"kty":"` + secret + `"}]}`,
		"a megabyte":      `{"keys":[` + strings.Repeat(" ", 1<<20) + `]}`,
		"PEM":             "-----BEGIN PRIVATE KEY-----\n" + secret,
		"the second only": strings.Replace(publicKeys, "]}", `,{"kty":"oct","k":"`+secret+`"}]}`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckIssuerKeys(text)
			oneLine(t, err)
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), secret[:10]) {
				t.Errorf("P13 got %q, want nothing of a key in it", err)
			}
		})
	}
}

func TestParseExpiration(t *testing.T) {
	now := time.Date(2026, 1, 31, 23, 30, 0, 0, time.FixedZone("", -3600)) // the 1st of February, 00:30 UTC
	for text, want := range map[string]string{
		"": "2026-03-03T00:30:00Z", "2026-02-02": "2026-02-02T00:00:00Z", "2026-03-03": "2026-03-03T00:00:00Z",
	} {
		if got, err := ParseExpiration(text, now); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q: got %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"2026-02-01", "2020-01-01", "2026-03-04", "9999-12-31", "2026-02-30", "30d", "2026-02-02T00:00:00Z", "2026-02-02\n", "02/02/2026"} {
		_, err := ParseExpiration(text, now)
		oneLine(t, err)
		if !strings.Contains(err.Error(), "from 2026-02-02 to 2026-03-03") {
			t.Errorf("%q: got %q, want the days that could be", text, err)
		}
	}
}
