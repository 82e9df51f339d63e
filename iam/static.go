package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxIssuerKeys = 64 << 10            // bytes of a JWKS; a dozen large keys fit
	maxStaticLife = 30 * 24 * time.Hour // of the keys of an identity
)

// check returns what is wrong with static keys that are about to be sent.
func (s Static) check() error {
	if s.Issuer == "" || s.Subject == "" {
		return errors.New("an identity with its own keys needs an issuer and a subject")
	}
	return CheckIssuerKeys(s.IssuerKeys)
}

// CheckIssuerKeys returns what is wrong with the text of a JWKS (RFC 7517, section 5). It
// must contain public keys only: a private one must not leave its owner.
func CheckIssuerKeys(text string) error {
	const example = `such as {"keys":[{"kty":"RSA",…}]}`
	if len(text) > maxIssuerKeys {
		return fmt.Errorf("issuer keys of %d bytes are too long: at most %d", len(text), maxIssuerKeys)
	}
	var set jose.JSONWebKeySet
	// The error may contain what was read, which may be a secret.
	if json.Unmarshal([]byte(text), &set) != nil {
		return errors.New("the issuer keys are not a JWKS, " + example)
	}
	if len(set.Keys) == 0 {
		return errors.New("the issuer keys contain no key that can be read, " + example)
	}
	for i, key := range set.Keys {
		if !key.Valid() || !key.IsPublic() {
			return fmt.Errorf("key %d of the issuer keys is not a public key: nothing was sent", i+1)
		}
	}
	return nil
}

// ParseExpiration parses when the keys of a static identity expire: the beginning (UTC) of
// a day as yyyy-mm-dd, at most 30 days from now; in 30 days if text is empty.
func ParseExpiration(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now.Add(maxStaticLife).UTC().Truncate(time.Second), nil
	}
	end, err := time.Parse(time.DateOnly, text)
	if err != nil || !end.After(now) || end.Sub(now) > maxStaticLife {
		first, last := now.UTC().AddDate(0, 0, 1).Format(time.DateOnly), now.Add(maxStaticLife).UTC().Format(time.DateOnly)
		return time.Time{}, fmt.Errorf("the expiration %s is not a day (yyyy-mm-dd) from %s to %s", quote(text), first, last)
	}
	return end, nil
}
