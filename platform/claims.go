package platform

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"time"
)

// Claims are the claims of a token (RFC 7519, section 4.1). They are for showing names and
// times, not for trust: the signature is not verified. The server that accepts the token
// does that.
type Claims struct {
	Issuer    string
	Subject   string
	Email     string
	Audiences []string
	Expires   time.Time // zero if missing or invalid
}

// AllClaims are the claims of an access token for a person to read.
type AllClaims struct {
	Claims
	// Capabilities are the token's own, as "GROUP: ROLE, ROLE" or as names, sorted; empty if it
	// has none. The format of the claim is not documented.
	Capabilities []string
}

// ParseAllClaims parses the payload of a JWT like ParseClaims, and also returns all of it.
func ParseAllClaims(jwt string) (AllClaims, map[string]any, error) {
	claims, err := ParseClaims(jwt)
	if err != nil {
		return AllClaims{}, nil, err
	}
	all := AllClaims{Claims: claims}
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1]) // ParseClaims has decoded it
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	var raw map[string]any
	if err := decoder.Decode(&raw); err != nil {
		return AllClaims{}, nil, errors.New("not a JWT: its payload is not a JSON object")
	}
	switch capabilities := raw["capabilities"].(type) {
	case map[string]any:
		for group, roles := range capabilities {
			all.Capabilities = append(all.Capabilities, group+": "+strings.Join(texts(roles), ", "))
		}
	default:
		all.Capabilities = texts(capabilities)
	}
	slices.Sort(all.Capabilities)
	return all, raw, nil
}

// texts returns the strings in a JSON value that is a string or a list of strings.
func texts(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, item := range v {
			all = append(all, texts(item)...)
		}
		return all
	}
	return nil
}

// MaxToken is the length limit for tokens of all kinds, in bytes. The issuer's have 1 to
// 3 KB.
const MaxToken = 64 << 10

// ParseClaims parses the payload of a JWT in compact form. Its errors never quote the
// token.
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
	}
	if json.Unmarshal(payload, &raw) != nil {
		return Claims{}, errors.New("not a JWT: its payload is not valid JSON")
	}
	c := Claims{
		Issuer: raw.Iss, Subject: raw.Sub, Email: raw.Email, Expires: numericDate(raw.Exp),
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

// DescribeIDToken returns the issuer, subject and audiences of an ID token as a sentence
// without a period, or "" for a token without them. The token is not verified.
func DescribeIDToken(idToken string) string {
	c, err := ParseClaims(idToken)
	if err != nil || c.Issuer+c.Subject+strings.Join(c.Audiences, "") == "" {
		return ""
	}
	quote := func(claim string) string { return `"` + Printable(claim, idToken) + `"` }
	audiences := "none"
	if len(c.Audiences) > 0 {
		audiences = quote(strings.Join(c.Audiences, `", "`))
	}
	return "the ID token has iss " + quote(c.Issuer) + ", sub " + quote(c.Subject) + ", aud " + audiences
}

// numericDate parses seconds since 1970 (RFC 7519, section 2), which may have a fraction.
// It returns the zero time for what is not a number or beyond any token's lifetime.
func numericDate(raw json.RawMessage) time.Time {
	var seconds float64
	if json.Unmarshal(raw, &seconds) != nil || math.IsNaN(seconds) || seconds <= 0 || seconds > 1<<33 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// RefreshExpiry returns when a refresh token expires by the issuer's clock, or the zero
// time if it does not say. The token is a JSON object with exp in base64.
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
