package platform

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
)

// Claims are what an access token says of itself (RFC 7519, section 4.1). They
// are read to tell times and names, never to decide whether to trust: the
// signature is not looked at, which is the registry's business.
type Claims struct {
	Issuer    string
	Subject   string
	Email     string
	Audiences []string
	Expires   time.Time // zero where missing or absurd
	Issued    time.Time // zero where missing or absurd
}

// MaxToken is how many bytes a token may have, of whatever kind. The issuer's are 1
// to 3 KB.
const MaxToken = 64 << 10

// ParseClaims reads the payload of a JWT in compact form. Its errors never quote
// the token.
func ParseClaims(jwt string) (Claims, error) {
	if len(jwt) > MaxToken || strings.Count(jwt, ".") != 2 {
		return Claims{}, errors.New("not a JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	if err != nil {
		return Claims{}, errors.New("not a JWT: its payload is not base64url")
	}
	var raw struct {
		Iss   string          `json:"iss"`
		Sub   string          `json:"sub"`
		Email string          `json:"email"`
		Aud   json.RawMessage `json:"aud"`
		Exp   json.RawMessage `json:"exp"`
		Iat   json.RawMessage `json:"iat"`
	}
	if json.Unmarshal(payload, &raw) != nil {
		return Claims{}, errors.New("not a JWT: its payload is not the JSON of one")
	}
	c := Claims{
		Issuer: raw.Iss, Subject: raw.Sub, Email: raw.Email,
		Expires: numericDate(raw.Exp), Issued: numericDate(raw.Iat),
	}
	// aud is a string or a list of strings (RFC 7519, section 4.1.3).
	var one string
	if json.Unmarshal(raw.Aud, &one) == nil {
		c.Audiences = []string{one}
	} else {
		_ = json.Unmarshal(raw.Aud, &c.Audiences)
	}
	return c, nil
}

// DescribeIDToken returns who made an ID token, of whom it is and for whom, in words for
// people: a sentence without its end. It returns "" for a token that is not a JWT or says
// none of that. The token was not verified: nothing is to be decided by it.
func DescribeIDToken(idToken string) string {
	c, err := ParseClaims(idToken)
	if err != nil || c.Issuer+c.Subject+strings.Join(c.Audiences, "") == "" {
		return ""
	}
	quote := func(claim string) string { return `"` + Printable(claim, idToken) + `"` }
	audiences := make([]string, 0, len(c.Audiences))
	const most = 5 // audiences that are shown
	for _, audience := range c.Audiences[:min(most, len(c.Audiences))] {
		audiences = append(audiences, quote(audience))
	}
	if len(c.Audiences) > most {
		audiences = append(audiences, "…")
	}
	return "the ID token has iss " + quote(c.Issuer) + ", sub " + quote(c.Subject) + ", aud " + cmp.Or(strings.Join(audiences, ", "), "none")
}

// numericDate reads seconds since 1970 (RFC 7519, section 2), which may have a
// fraction. What is no number, or beyond any token's life, is the zero time.
func numericDate(raw json.RawMessage) time.Time {
	var seconds float64
	if json.Unmarshal(raw, &seconds) != nil || math.IsNaN(seconds) || seconds <= 0 || seconds > 1<<33 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// RefreshExpiry reads when a refresh token ends, by the issuer's clock: it is
// base64 of a JSON object that holds exp. Zero where it does not say.
func RefreshExpiry(refresh string) time.Time {
	if len(refresh) > MaxToken {
		return time.Time{}
	}
	text, err := base64.StdEncoding.DecodeString(refresh)
	if err != nil {
		return time.Time{}
	}
	var raw struct {
		Exp json.RawMessage `json:"exp"`
	}
	if json.Unmarshal(text, &raw) != nil {
		return time.Time{}
	}
	return numericDate(raw.Exp)
}
