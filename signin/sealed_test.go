package signin

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"docker-credential-cgr/platform"
)

// The key pairs and the shared secret of RFC 7748, section 6.1.
const (
	vectorAlicePrivate = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
	vectorAlicePublic  = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
	vectorBobPublic    = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
	vectorShared       = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// vector is Alice's private key, and a token that Bob sealed for it.
func vector(t testing.TB) (*ecdh.PrivateKey, sealedToken) {
	t.Helper()
	alice, err := ecdh.X25519().NewPrivateKey(unhex(t, vectorAlicePrivate))
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(alice.PublicKey().Bytes()); got != vectorAlicePublic {
		t.Fatalf("T8 Alice's public key: got %s, want %s", got, vectorAlicePublic)
	}
	return alice, sealedToken{
		PublicKey: []byte(base64.RawURLEncoding.EncodeToString(unhex(t, vectorBobPublic))),
		Sealed:    sealWith(t, unhex(t, vectorShared), idToken),
	}
}

func TestSealedToken(t *testing.T) {
	alice, sealed := vector(t)
	if got, err := sealed.open(alice); err != nil || got != idToken {
		t.Errorf("T8 RFC 7748, section 6.1: got %q, %v, want the token", got, err)
	}
}

// Whatever a poll answers, what is opened is the very text that was sealed, and
// an error is one printable line without it.
func FuzzSealedToken(f *testing.F) {
	alice, sealed := vector(f)
	good, err := json.Marshal(sealed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("{"), []byte(`{"unknown":[1], `), 1))
	f.Add(bytes.ToLower(good))
	f.Add([]byte(`{"ecdhPublicKey":"","encryptedIdtoken":null}`))
	f.Add([]byte(`{"ecdhPublicKey":"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB","encryptedIdtoken":"AAAA"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
		})
		var sealed sealedToken
		_, err := platform.Send(t.Context(), transport, platform.Request{Method: "GET", URL: issuerURL}, &sealed)
		if err == nil {
			var text string
			if text, err = sealed.open(alice); err == nil && text != idToken {
				t.Errorf("%q: got %q, want what was sealed or an error", body, text)
			}
		}
		if err == nil {
			return
		}
		if bytes.Equal(body, good) {
			t.Errorf("got %v for the good answer, want the token", err)
		}
		if strings.ContainsAny(err.Error(), "\r\n\x1b") || strings.Contains(err.Error(), idToken) {
			t.Errorf("%q: got %q, want one printable line", body, err)
		}
	})
}
