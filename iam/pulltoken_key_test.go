package iam

import (
	"strings"
	"testing"
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
