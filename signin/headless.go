package signin

import (
	"cmp"
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

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin/prompt"
	"docker-credential-cgr/token"
)

// Headless signs a person in with a browser on any device. The address that it shows
// contains a new public key, for which the issuer encrypts the ID token.
type Headless struct {
	STS *platform.STS
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
	pollEvery   = 2 * time.Second
	pollTimeout = 8 * time.Second // of one poll
	// exchangeTries is how often the ID token is exchanged, so that the person need not
	// sign in again.
	exchangeTries = 3
)

// SignIn has a person sign in and exchanges their ID token for access tokens. An error that
// the person or the issuer caused is a *token.SignInError. The issuer does not report a
// sign-in that was refused: it times out.
func (h *Headless) SignIn(ctx context.Context, r token.SignInRequest) (*token.Grant, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make a key for the sign-in: %w", err)
	}
	code := base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes())
	parameters := url.Values{"headless_code": {code}}
	if err := setConnection(parameters, h.Provider, h.Connection); err != nil {
		return nil, err
	}
	end := h.Now().Add(h.Wait)
	p := h.show(h.STS.Issuer + "/oauth?" + parameters.Encode())
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

// failed returns the error of a sign-in that failed after the person's part. It starts the
// sign-in backoff: another one would fail too.
func failed(err error) error {
	return hint.With(notFinished("failed: %v", err), hint.Of(err)...)
}

// show shows the address. A person who opens the address of an attacker signs the attacker
// in (RFC 8628, section 5.4), so the prompt warns.
func (h *Headless) show(address string) *prompt.Prompt {
	p := prompt.New(h.Screen, h.Now)
	p.Draw(address)
	p.Show([]string{"sign in on any device", "open this address only if you started this yourself:"}, address, h.Wait)
	return p
}

// await polls until the sign-in is finished, or until end. Temporary errors do not end it.
func (h *Headless) await(ctx context.Context, code string, p *prompt.Prompt, end time.Time) (sealedToken, error) {
	request := platform.Request{
		Method: http.MethodGet,
		URL:    h.STS.Issuer + "/sts/headless_sessions?" + url.Values{"code": {code}}.Encode(),
	}
	var sealed sealedToken
	w := waiter{prompt: p, wait: h.Wait, end: end, now: h.Now}
	err := w.poll(ctx, func(ctx context.Context) error {
		select {
		case <-time.After(cmp.Or(h.Every, pollEvery)):
		case <-ctx.Done():
			return ctx.Err()
		}
		ctx, cancel := context.WithTimeout(ctx, pollTimeout)
		defer cancel()
		_, err := platform.Send(ctx, h.STS.Transport, request, &sealed)
		switch {
		case err == nil:
			return nil
		case isPending(err):
			return errPending
		case platform.PollEndpoint.IsTemporary(err):
			h.Debug("a poll failed: %v", err)
			return &temporaryError{err}
		}
		return failed(err)
	})
	if err != nil {
		return sealedToken{}, err
	}
	return sealed, nil
}

// isPending reports whether err means that the person has not signed in yet.
func isPending(err error) bool {
	var answer *platform.ResponseError
	return errors.As(err, &answer) && answer.Status == http.StatusNotFound
}

// sealedToken is an ID token that is encrypted for the key of a headless sign-in.
type sealedToken struct {
	PublicKey []byte `json:"ecdhPublicKey"`    // the issuer's, as text: unpadded base64url
	Sealed    []byte `json:"encryptedIdtoken"` // a nonce of 12 bytes, then AES-256-GCM
}

// open decrypts the ID token. Errors contain no part of it.
func (s sealedToken) open(key *ecdh.PrivateKey) (idToken string, err error) {
	const broken = "the issuer's answer cannot be decrypted: "
	point, err := base64.RawURLEncoding.DecodeString(string(s.PublicKey))
	if err != nil {
		return "", errors.New(broken + "its public key is not base64url")
	}
	public, err := ecdh.X25519().NewPublicKey(point)
	if err != nil {
		return "", fmt.Errorf(broken+"its public key has %d bytes, not 32", len(point))
	}
	shared, err := key.ECDH(public)
	if err != nil {
		return "", errors.New(broken + "its public key is a point of low order")
	}
	block, err := aes.NewCipher(shared)
	if err != nil {
		return "", err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block) // the nonce precedes the text
	if err != nil {
		return "", err
	}
	text, err := aead.Open(nil, nil, s.Sealed, nil)
	if err != nil {
		return "", errors.New(broken + "it is of another sign-in or was modified")
	}
	return string(text), nil
}
