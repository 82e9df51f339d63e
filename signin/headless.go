package signin

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin/prompt"
	"docker-credential-cgr/token"
)

// Headless signs a person in with a browser on any device: it shows an address
// that names a key made for the occasion, and the issuer seals the outcome for
// that key.
type Headless struct {
	STS *platform.STS // of the issuer, which is polled through its transport
	// Provider and Connection are as in Browser.
	Provider   string
	Connection string
	// Identity is the UIDP of the identity to assume; empty for the person's own.
	Identity string
	Wait     time.Duration // for the person
	Every    time.Duration // between two polls; 0 means 2 s
	Screen   prompt.Screen
	Now      func() time.Time
	Debug    func(format string, args ...any)
}

const (
	pollEvery = 2 * time.Second
	// exchangeTries is how often the ID token is presented: the person has done
	// their part, and should not have to again.
	exchangeTries = 3
)

// SignIn has a person sign in, and exchanges the ID token that they get for
// access tokens. Its errors for what the person or the issuer did
// are *token.SignInError. A sign-in that is denied looks like one that nobody
// finishes.
func (h *Headless) SignIn(ctx context.Context, r token.SignInRequest) (*token.Grant, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make a key for the sign-in: %w", err)
	}
	code := base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes())
	parameters := url.Values{"headless_code": {code}}
	if err := choose(parameters, h.Provider, h.Connection); err != nil {
		return nil, err
	}
	end := h.Now().Add(h.Wait)
	p := h.ask(h.STS.Issuer + "/oauth?" + parameters.Encode())
	defer p.Close()
	sealed, err := h.await(ctx, code, p, end)
	if err != nil {
		return nil, err
	}
	idToken, err := sealed.open(key)
	if err != nil {
		return nil, failed(err)
	}
	return exchange(ctx, h.STS, idToken, platform.TokenRequest{Identity: h.Identity}, r)
}

// failed is a sign-in that a person did their part in. It counts as an answer, so
// that nobody is asked again at once.
func failed(err error) error {
	return notFinished("failed: %v", err)
}

// ask shows the address. The code in it is a whole public key: nobody can guess
// another's, but whoever opens a stranger's address signs the stranger in (RFC 8628,
// section 5.4).
func (h *Headless) ask(address string) *prompt.Prompt {
	p := prompt.New(h.Screen, h.Now)
	p.Draw(address)
	p.Show([]string{"sign in on any device", "open this address only if you started this yourself:"}, address, h.Wait)
	return p
}

// await polls until the sign-in is finished or its time is up at end. What may
// pass by itself does not end it.
func (h *Headless) await(ctx context.Context, code string, p *prompt.Prompt, end time.Time) (sealedToken, error) {
	every := h.Every
	if every == 0 {
		every = pollEvery
	}
	request := platform.Request{
		Method: http.MethodGet,
		URL:    h.STS.Issuer + "/sts/headless_sessions?" + url.Values{"code": {code}}.Encode(),
	}
	var sealed sealedToken
	w := waiting{prompt: p, wait: h.Wait, end: end, now: h.Now, debug: h.Debug}
	err := w.poll(ctx, func() time.Duration { return every }, func(ctx context.Context) error {
		_, err := platform.Send(ctx, h.STS.Transport, request, &sealed)
		switch {
		case err == nil:
			return nil
		case notYet(err):
			return errNotYet
		case mayPass(err):
			return &passing{err}
		}
		return failed(err)
	})
	if err != nil {
		return sealedToken{}, err
	}
	return sealed, nil
}

// mayPass says whether polling can go on after err, since the issuer could not say.
func mayPass(err error) bool {
	var answer *platform.ResponseError
	if errors.As(err, &answer) {
		return statusMayPass(answer.Status)
	}
	return platform.IsUnreachable(err)
}

// notYet says whether err is the issuer's word that nobody has signed in.
func notYet(err error) bool {
	var answer *platform.ResponseError
	return errors.As(err, &answer) && answer.Status == http.StatusNotFound
}

// sealedToken is the outcome of a headless sign-in: an ID token that only the
// holder of the code's private key can read.
type sealedToken struct {
	PublicKey []byte `json:"ecdhPublicKey"`    // the issuer's, as text: unpadded base64url
	Sealed    []byte `json:"encryptedIdtoken"` // a nonce of 12 bytes, then AES-256-GCM
}

// open gives the ID token. Its errors hold nothing of it.
func (s sealedToken) open(key *ecdh.PrivateKey) (idToken string, err error) {
	const broken = "the issuer's answer cannot be opened: "
	point, err := base64.RawURLEncoding.DecodeString(string(s.PublicKey))
	if err != nil {
		return "", errors.New(broken + "its public key is not base64url")
	}
	public, err := ecdh.X25519().NewPublicKey(point)
	if err != nil {
		return "", fmt.Errorf(broken+"its public key has %d bytes, where X25519 has 32", len(point))
	}
	shared, err := key.ECDH(public)
	if err != nil {
		return "", errors.New(broken + "its public key is a point of low order, which keeps no secret")
	}
	block, err := aes.NewCipher(shared)
	if err != nil {
		return "", err // not possible: the secret has 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block) // which reads the nonce before the text
	if err != nil {
		return "", err // not possible: it is AES
	}
	text, err := aead.Open(nil, nil, s.Sealed, nil)
	if err != nil {
		return "", errors.New(broken + "it is of another sign-in, or was changed on its way")
	}
	return string(text), nil
}
