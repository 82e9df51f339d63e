package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
)

// matchFlags say whom an identity lets in.
type matchFlags struct {
	issuer, issuerPattern     string
	subject, subjectPattern   string
	audience, audiencePattern string
	claimPatterns             []string
	issuerKeys, expiration    string
}

// Of a claim-match identity's flags, and of a static one's beside issuer, subject and
// audience.
var (
	patternFlags = []string{"identity-issuer-pattern", "subject-pattern", "audience-pattern", "claim-pattern"}
	keyFlags     = []string{"issuer-keys", "expiration"}
	allMatch     = slices.Concat([]string{"identity-issuer", "subject", "audience"}, patternFlags, keyFlags)
)

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

// without refuses flags that do not go with what.
func without(c *cobra.Command, what string, flags ...string) error {
	for _, flag := range flags {
		if c.Flags().Changed(flag) {
			return misuse("--%s does not go with %s", flag, what)
		}
	}
	return nil
}

// claimMatch is what f says of ID tokens of an issuer that the platform can reach.
func (f *matchFlags) claimMatch() (*iam.ClaimMatch, error) {
	patterns, err := iam.ParseClaimPatterns(f.claimPatterns)
	if err != nil {
		return nil, misuse("--claim-pattern: %w", err)
	}
	return &iam.ClaimMatch{
		Issuer: f.issuer, IssuerPattern: f.issuerPattern, Subject: f.subject, SubjectPattern: f.subjectPattern,
		Audience: f.audience, AudiencePattern: f.audiencePattern, ClaimPatterns: patterns,
	}, nil
}

// static is what f says of tokens that a key of --issuer-keys has signed.
func (f *matchFlags) static(now time.Time) (*iam.Static, error) {
	keys, err := f.keys()
	if err != nil {
		return nil, err
	}
	end, err := iam.ParseExpiration(f.expiration, now)
	if err != nil {
		return nil, misuse("--expiration: %w", err)
	}
	s := &iam.Static{Issuer: f.issuer, Subject: f.subject, IssuerKeys: keys, Expiration: iam.Time{Time: end}}
	if f.audience != "" {
		s.Audiences = []string{f.audience}
	}
	return s, nil
}

// keys gives the text of --issuer-keys, or of the file that it names.
func (f *matchFlags) keys() (string, error) {
	text := f.issuerKeys
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		data, err := readLimited(text, nil)
		if err != nil {
			return "", misuse("--issuer-keys is no JWKS, and its file %w", err)
		}
		text = string(data)
	}
	if err := iam.CheckIssuerKeys(text); err != nil {
		return "", misuse("--issuer-keys: %w", err)
	}
	return text, nil
}

// readLimited reads a small file, or stdin where that is not nil and the path is "-".
func readLimited(path string, stdin *os.File) ([]byte, error) {
	const most = 1 << 20 // bytes, well above what any such text may have
	file := stdin
	if stdin == nil || path != "-" {
		var err error
		if file, err = os.Open(path); err != nil {
			return nil, unreadable(path, err)
		}
		defer file.Close()
	}
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	switch {
	case err != nil:
		return nil, unreadable(path, err)
	case len(data) > most:
		return nil, fmt.Errorf("%s is too long", quoted(path))
	}
	return data, nil
}

// unreadable says why a file cannot be read. It does not repeat a path that may be a
// key, given in the place of its file.
func unreadable(path string, err error) error {
	var why *fs.PathError
	if errors.As(err, &why) {
		err = why.Err
	}
	if len(path) > 255 || platform.HasControl(path) || strings.Contains(path, "-----BEGIN") {
		return fmt.Errorf("cannot be read: %w", err)
	}
	return fmt.Errorf("%s cannot be read: %w", quoted(path), err)
}

// check says what is wrong with f by itself, where the identity that it changes is not
// known yet.
func (f *matchFlags) check(now time.Time) error {
	m, err := f.claimMatch()
	if err != nil {
		return err
	}
	if m.Issuer == "" && m.IssuerPattern == "" {
		m.Issuer = "https://as.it.is"
	}
	if m.Subject == "" && m.SubjectPattern == "" {
		m.Subject = "as it is"
	}
	if err := m.Check(); err != nil {
		return misuse("%w", err)
	}
	if f.issuerKeys != "" {
		if _, err := f.keys(); err != nil {
			return err
		}
	}
	if _, err := iam.ParseExpiration(f.expiration, now); err != nil {
		return misuse("--expiration: %w", err)
	}
	return nil
}

// change changes whom an identity lets in, as far as flags of c were given.
func (f *matchFlags) change(c *cobra.Command, i *iam.Identity, now time.Time) error {
	if !anyChanged(c, allMatch...) {
		return nil
	}
	what := fmt.Sprintf("the identity %s, which is of the type %s", named(*i), cmp.Or(i.Type(), "unknown"))
	switch i.Type() {
	case "claim_match":
		if err := without(c, what, keyFlags...); err != nil {
			return err
		}
		return f.changeClaimMatch(c, i.ClaimMatch)
	case "static":
		if err := without(c, what, patternFlags...); err != nil {
			return err
		}
		return f.changeStatic(c, i.Static, now)
	}
	return without(c, what, allMatch...)
}

// changeClaimMatch sets the claims of the flags that were given. One takes the place
// of its own pattern, and a pattern of its claim.
func (f *matchFlags) changeClaimMatch(c *cobra.Command, m *iam.ClaimMatch) error {
	given, err := f.claimMatch()
	if err != nil {
		return err
	}
	changed := c.Flags().Changed
	if changed("identity-issuer") || changed("identity-issuer-pattern") {
		m.Issuer, m.IssuerPattern = given.Issuer, given.IssuerPattern
	}
	if changed("subject") || changed("subject-pattern") {
		m.Subject, m.SubjectPattern = given.Subject, given.SubjectPattern
	}
	if changed("audience") || changed("audience-pattern") {
		m.Audience, m.AudiencePattern = given.Audience, given.AudiencePattern
	}
	if changed("claim-pattern") {
		m.ClaimPatterns = given.ClaimPatterns
		for claim := range m.ClaimPatterns {
			delete(m.Claims, claim)
		}
	}
	if err := m.Check(); err != nil {
		return misuse("%w", err)
	}
	return nil
}

func (f *matchFlags) changeStatic(c *cobra.Command, s *iam.Static, now time.Time) error {
	given := *s
	changed := c.Flags().Changed
	if changed("identity-issuer") {
		given.Issuer = f.issuer
	}
	if changed("subject") {
		given.Subject = f.subject
	}
	if changed("audience") {
		given.Audiences = nil
		if f.audience != "" {
			given.Audiences = []string{f.audience}
		}
	}
	if changed("issuer-keys") {
		keys, err := f.keys()
		if err != nil {
			return err
		}
		given.IssuerKeys = keys
	}
	if changed("expiration") {
		end, err := iam.ParseExpiration(f.expiration, now)
		if err != nil {
			return misuse("--expiration: %w", err)
		}
		given.Expiration = iam.Time{Time: end}
	}
	*s = given
	return nil
}
