package iam

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"docker-credential-cgr/platform"
)

// maxClaim is the maximum length of a claim or its pattern, in bytes. The platform's own
// limit is not documented; longer values are mistakes.
const maxClaim = 2000

// Check returns what is wrong with m, without a request. It needs an issuer and a subject,
// or patterns for them. A claim may not have both a value and a pattern, and patterns must
// be regular expressions (RE2).
func (m ClaimMatch) Check() error {
	for _, claim := range []struct {
		name, value, pattern string
		needed               bool
	}{
		{"issuer", m.Issuer, m.IssuerPattern, true},
		{"subject", m.Subject, m.SubjectPattern, true},
		{"audience", m.Audience, m.AudiencePattern, false},
	} {
		if claim.needed && claim.value == "" && claim.pattern == "" {
			return fmt.Errorf("the %s is missing: an identity needs an issuer and a subject, or patterns for them", claim.name)
		}
		if err := checkClaim(claim.name, claim.value, claim.pattern); err != nil {
			return err
		}
	}
	if m.Issuer != "" && !strings.HasPrefix(m.Issuer, "https://") && !strings.HasPrefix(m.Issuer, "http://") {
		return fmt.Errorf("the issuer %s is not a URL that begins with https://, as in the iss of the tokens", quote(m.Issuer))
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(m.Claims)), maps.Keys(m.ClaimPatterns))
	slices.Sort(names)
	for _, name := range names {
		if name == "" {
			return errors.New("a claim has no name")
		}
		if m.Claims[name] == "" && m.ClaimPatterns[name] == "" {
			return fmt.Errorf("the claim %s has no value and no pattern", quote(name))
		}
		if err := checkClaim("claim "+quote(name), m.Claims[name], m.ClaimPatterns[name]); err != nil {
			return err
		}
	}
	return nil
}

func checkClaim(name, value, pattern string) error {
	if value != "" && pattern != "" {
		return fmt.Errorf("the %s has both a value and a pattern: use one", name)
	}
	for _, text := range []string{value, pattern} {
		switch {
		case len(text) > maxClaim:
			return fmt.Errorf("the %s has %d bytes, which is too long: at most %d", name, len(text), maxClaim)
		case !utf8.ValidString(text), platform.HasControl(text):
			return fmt.Errorf("the %s %s contains control characters, such as a line break, or is not UTF-8", name, quote(text))
		}
	}
	if _, err := regexp.Compile(pattern); err != nil {
		why := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		return fmt.Errorf("the %s pattern %s is not a regular expression (RE2; for anything, write .*): %s", name, quote(pattern), platform.Printable(why))
	}
	return nil
}

// ParseClaimPatterns parses pairs of a claim and its pattern, such as
// "repository_owner:^my-org$", separated by commas. A comma that is not followed by a
// claim and a colon belongs to the pattern.
func ParseClaimPatterns(texts []string) (map[string]string, error) {
	patterns := map[string]string{}
	for _, text := range texts {
		for _, pair := range splitPairs(text) {
			claim, pattern, _ := strings.Cut(pair, ":")
			claim = strings.TrimSpace(claim)
			switch _, twice := patterns[claim]; {
			case !isClaimName(claim) || pattern == "" || strings.HasPrefix(pattern, "//"):
				return nil, fmt.Errorf("%s is not CLAIM:PATTERN, such as repository_owner:^my-org$", quote(pair))
			case twice:
				return nil, fmt.Errorf("the claim %s has two patterns: use one", quote(claim))
			}
			if err := checkClaim("claim "+quote(claim), "", pattern); err != nil {
				return nil, err
			}
			patterns[claim] = pattern
		}
	}
	return patterns, nil
}

// splitPairs splits text at the commas that begin another pair.
func splitPairs(text string) []string {
	var pairs []string
	for part := range strings.SplitSeq(text, ",") {
		claim, _, found := strings.Cut(part, ":")
		if len(pairs) > 0 && !(found && isClaimName(strings.TrimSpace(claim))) {
			pairs[len(pairs)-1] += "," + part
			continue
		}
		pairs = append(pairs, part)
	}
	return pairs
}

func isClaimName(text string) bool {
	return regexp.MustCompile(`^[\w./-]+$`).MatchString(text)
}
