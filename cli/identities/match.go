package identities

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/iam"
)

// matchFlags are the flags for which tokens an identity accepts.
type matchFlags struct {
	issuer, issuerPattern     string
	subject, subjectPattern   string
	audience, audiencePattern string
	claimPatterns             []string
	issuerKeys, expiration    string
}

// patternFlags returns the names of the flags that only identities that match claims have.
func patternFlags() []string {
	return []string{"identity-issuer-pattern", "subject-pattern", "audience-pattern", "claim-pattern"}
}

// keyFlags returns the names of the flags that only identities with keys have.
func keyFlags() []string { return []string{"issuer-keys", "expiration"} }

// matchFlagNames returns the names of all of matchFlags.
func matchFlagNames() []string {
	return slices.Concat([]string{"identity-issuer", "subject", "audience"}, patternFlags(), keyFlags())
}

func (f *matchFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.issuer, "identity-issuer", "", "`URL` of the issuer (iss) of the ID tokens")
	flags.StringVar(&f.issuerPattern, "identity-issuer-pattern", "", "`PATTERN` (RE2) for the issuer")
	flags.StringVar(&f.subject, "subject", "", "`SUBJECT` (sub) of the ID tokens")
	flags.StringVar(&f.subjectPattern, "subject-pattern", "", "`PATTERN` for the subject")
	flags.StringVar(&f.audience, "audience", "", "`AUDIENCE` (aud) of the ID tokens (default: the host of the platform's issuer)")
	flags.StringVar(&f.audiencePattern, "audience-pattern", "", "`PATTERN` for the audience")
	flags.StringArrayVar(&f.claimPatterns, "claim-pattern", nil, "`CLAIM:PATTERN` for another claim (comma-separated or repeatable)")
	flags.StringVar(&f.issuerKeys, "issuer-keys", "", "public keys of an issuer that the platform cannot reach: a `JWKS` or its file")
	flags.StringVar(&f.expiration, "expiration", "", "date `YYYY-MM-DD` when these keys expire (default and max: in 30 days)")
}

// refuseFlags returns an error if one of the flags was given, which do not go with what.
func refuseFlags(c *cobra.Command, what string, flags ...string) error {
	for _, flag := range flags {
		if c.Flags().Changed(flag) {
			return command.Usagef("--%s does not go with %s", flag, what)
		}
	}
	return nil
}

// setClaims sets the claims for which flags were given. A claim replaces its pattern, and a
// pattern its claim.
func (f *matchFlags) setClaims(c *cobra.Command, m *iam.ClaimMatch) error {
	if command.AnyChanged(c, "identity-issuer", "identity-issuer-pattern") {
		m.Issuer, m.IssuerPattern = f.issuer, f.issuerPattern
	}
	if command.AnyChanged(c, "subject", "subject-pattern") {
		m.Subject, m.SubjectPattern = f.subject, f.subjectPattern
	}
	if command.AnyChanged(c, "audience", "audience-pattern") {
		m.Audience, m.AudiencePattern = f.audience, f.audiencePattern
	}
	if command.AnyChanged(c, "claim-pattern") {
		patterns, err := iam.ParseClaimPatterns(f.claimPatterns)
		if err != nil {
			return command.Usagef("--claim-pattern: %w", err)
		}
		m.ClaimPatterns = patterns
		for claim := range patterns {
			delete(m.Claims, claim)
		}
	}
	return nil
}

// setStatic sets the properties of an identity with keys for which flags were given.
func (f *matchFlags) setStatic(c *cobra.Command, s *iam.Static, now time.Time) error {
	if command.AnyChanged(c, "identity-issuer") {
		s.Issuer = f.issuer
	}
	if command.AnyChanged(c, "subject") {
		s.Subject = f.subject
	}
	if command.AnyChanged(c, "audience") {
		s.Audiences = nil
		if f.audience != "" {
			s.Audiences = []string{f.audience}
		}
	}
	if command.AnyChanged(c, "issuer-keys") {
		keys, err := f.keys()
		if err != nil {
			return err
		}
		s.IssuerKeys = keys
	}
	if command.AnyChanged(c, "expiration") {
		end, err := iam.ParseExpiration(f.expiration, now)
		if err != nil {
			return command.Usagef("--expiration: %w", err)
		}
		s.Expiration = iam.Time{Time: end}
	}
	return nil
}

// keys returns the JWKS of --issuer-keys, or of the file that it names.
func (f *matchFlags) keys() (string, error) {
	text := f.issuerKeys
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		data, err := readFile(text, nil)
		if err != nil {
			return "", command.Usagef("--issuer-keys is not a JWKS, and as a file cannot be read: %w", err)
		}
		text = string(data)
	}
	if err := iam.CheckIssuerKeys(text); err != nil {
		return "", command.Usagef("--issuer-keys: %w", err)
	}
	return text, nil
}

// readFile reads a small file, or stdin if that is not nil and the path is "-". Its error
// does not contain the path, which may be a key instead.
func readFile(path string, stdin *os.File) ([]byte, error) {
	const limit = 1 << 20 // bytes, well above the limits of the platform
	file := stdin
	if stdin == nil || path != "-" {
		var err error
		if file, err = os.Open(path); err != nil {
			return nil, withoutPath(err)
		}
		defer file.Close()
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && len(data) > limit {
		err = errors.New("it is longer than 1 MiB")
	}
	return data, withoutPath(err)
}

func withoutPath(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// change sets which tokens an identity accepts, by the flags that were given. what names the
// identity in errors.
func (f *matchFlags) change(c *cobra.Command, i *iam.Identity, what string, now time.Time) error {
	switch i.Type() {
	case "claim_match":
		if err := refuseFlags(c, what, keyFlags()...); err != nil {
			return err
		}
		if err := f.setClaims(c, i.ClaimMatch); err != nil {
			return err
		}
		if err := i.ClaimMatch.Check(); err != nil {
			return command.Usagef("%w", err)
		}
		return nil
	case "static":
		if err := refuseFlags(c, what, patternFlags()...); err != nil {
			return err
		}
		return f.setStatic(c, i.Static, now)
	}
	return refuseFlags(c, what, matchFlagNames()...)
}

// check checks the flags before the identity to change is known.
func (f *matchFlags) check(c *cobra.Command, now time.Time) error {
	if command.AnyChanged(c, keyFlags()...) {
		return f.change(c, &iam.Identity{Static: &iam.Static{}}, "--issuer-keys and --expiration", now)
	}
	return f.change(c, &iam.Identity{ClaimMatch: &iam.ClaimMatch{Issuer: "https://unchanged.example", Subject: "unchanged"}}, "", now)
}
