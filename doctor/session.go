package doctor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/config"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
	"docker-credential-cgr/workload"
)

const login = name + " login"

// answer is what `get` has to say about the registry.
type answer struct {
	results    []Result
	credential *token.Credential // nil where there is none, or where that was not found out
	from       source
	who        string // whose credential that is, for people
	// unknown says why it could not be found out whether there is one, or "".
	unknown string
}

// source is where a credential comes from.
type source int

const (
	fromNowhere source = iota
	fromEnvironment
	fromStore   // docker login
	fromSession // a person's, or that of an identity that is assumed
)

// session checks that `get` has an answer, by asking as it asks.
func (p *Patient) session(ctx context.Context, net reached, store Status) answer {
	const check = "session"
	if p.Config.IdentityID != "" {
		return p.pair()
	}
	if p.Session == nil || store == Failure {
		const why = "there is no store to look into"
		return answer{results: []Result{skipped(check, why)}, unknown: why}
	}
	s, said := p.quiet()
	kept, err := s.Kept()
	if err != nil {
		return answer{results: []Result{p.storeFailure(err)}, unknown: "the store cannot be read"}
	}
	var results []Result
	for _, text := range *said {
		results = append(results, warning(check, login, "%s", text))
	}
	if until := usableUntil(kept, s); !net.issuer && until.IsZero() {
		const why = "without the issuer no credential can be had"
		return answer{results: append(results, skipped(check, why)), unknown: why}
	}
	credential, err := s.Credential(ctx, s.Registry, false)
	var nobody *token.NotSignedInError
	switch {
	case errors.As(err, &nobody):
		return answer{results: append(results, p.signedOut(kept))}
	case err != nil:
		result := p.refused(ctx, err)
		return answer{results: append(results, result), unknown: "get fails, so that Docker gives up before it asks the registry"}
	}
	if kept, err = s.Kept(); err != nil { // get may have renewed it
		return answer{results: []Result{p.storeFailure(err)}, unknown: "the store cannot be read"}
	}
	a := answer{credential: &credential, from: fromSession, who: kept.Account.String()}
	says := "get answers as " + kept.Account.Describe()
	switch {
	case credential.Stored:
		a.from, a.who = fromStore, "user "+platform.Printable(credential.Username)
		says = "get answers with the stored credential (" + a.who + ")"
	case s.IDToken != nil:
		a.who = "the identity " + kept.Account.Subject
		says = "get answers as " + a.who
	}
	if (credential.Stored || s.IDToken != nil) && !credential.Expires.IsZero() {
		says += ", with a token until " + day(credential.Expires)
	}
	a.results = append(results, ok(check, "%s", says))
	return a
}

// quiet gives a session that says nothing to the user, and what it would have said.
func (p *Patient) quiet() (*token.Session, *[]string) {
	s, sts, said := *p.Session, *p.Session.STS, new([]string)
	s.Warn = func(err error) { *said = append(*said, err.Error()) }
	s.Note = func(string, ...any) {}
	sts.Warn = func(error) {} // of the clock, which is looked at
	s.STS, s.SignIn = &sts, nil
	return &s, said
}

// usableUntil is how long a kept token serves without the issuer; zero where none
// does.
func usableUntil(kept token.Kept, s *token.Session) time.Time {
	i := slices.IndexFunc(kept.Tokens, func(t token.KeptToken) bool { return t.Host == s.Registry })
	if i < 0 {
		return time.Time{}
	}
	t := kept.Tokens[i]
	switch {
	case t.Expires.IsZero():
		return s.Now().Add(time.Hour) // a stored one that does not say
	case t.Expires.Before(s.Now().Add(time.Minute)):
		return time.Time{}
	}
	return t.Expires
}

// pair is the answer where the environment gives a pull token.
func (p *Patient) pair() answer {
	const check, variables = "session", "CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN"
	a := answer{
		credential: &token.Credential{Username: p.Config.IdentityID, Secret: p.Config.Token},
		from:       fromEnvironment,
		who:        "user " + platform.Printable(p.Config.IdentityID),
	}
	claims, err := platform.ParseClaims(p.Config.Token)
	end := claims.Expires
	switch {
	case err == nil && !end.IsZero() && p.Now().After(end):
		a.results = []Result{failure(check, RenewPair, "get answers with the pull token in %s, which expired on %s", variables, day(end))}
	case end.IsZero():
		a.results = []Result{ok(check, "get answers with %s (%s)", variables, a.who)}
	default:
		a.results = []Result{ok(check, "get answers with the pull token in %s (%s), which is good until %s", variables, a.who, day(end))}
	}
	return a
}

// RenewPair is what to do where the pull token in the environment has expired.
const RenewPair = "set CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN to a new pull token, or: unset CHAINGUARD_IDENTITY_ID CHAINGUARD_TOKEN"

// signedOut says why `get` has no credential, from what is kept.
func (p *Patient) signedOut(kept token.Kept) Result {
	const check = "session"
	stored := slices.IndexFunc(kept.Tokens, func(t token.KeptToken) bool { return t.Stored && t.Host == p.Config.Registry.Host })
	switch {
	case p.Config.Identity != "":
		mend := "set auth.identity-token to the path of one, or auth.identity-token-env to the name of its variable"
		if hint := (workload.Host{Getenv: p.Getenv}).Hint(); hint != "" {
			mend = hint
		}
		return failure(check, mend, "there is no ID token here to assume the identity %s with", p.Config.Identity)
	case stored >= 0:
		t := kept.Tokens[stored]
		return failure(check, login+", or docker login "+t.Host+" with a new pull token",
			"the stored credential (user %s) expired on %s", platform.Printable(t.Username), day(t.Expires))
	case kept.Account.Subject != "":
		return failure(check, login, "the session of %s has ended", kept.Account)
	case p.inCI():
		return warning(check, "set CHAINGUARD_AUTH_IDENTITY to an identity that this job may assume, or CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN to a pull token",
			"nobody is signed in, and in a CI job nobody can be asked")
	case p.Config.Keychain == config.KeychainNone:
		return warning(check, p.unset("keychain")+", then: "+login, "nobody can be signed in, since nothing is kept")
	}
	return warning(check, login, "nobody is signed in")
}

// refused says why `get` fails.
func (p *Patient) refused(ctx context.Context, err error) Result {
	const check = "session"
	var answer *platform.ResponseError
	switch {
	case errors.As(err, &answer) && p.Config.Identity != "":
		return failure(check, "compare what the identity lets in (issuer, subject, audience) with the ID token of this job", "%v%s", err, p.accepts(ctx))
	case p.Config.Identity != "":
		return failure(check, "see that the ID token is there (auth.identity-token, auth.identity-token-env)", "%v", err)
	}
	return failure(check, login, "%v", err)
}

// accepts returns what the identity accepts, as the end of a sentence, or "" where no
// session of a person is there to read it with.
func (p *Patient) accepts(ctx context.Context) string {
	if p.Session == nil {
		return ""
	}
	s, _ := p.quiet()
	s.Identity, s.IDToken = "", nil
	client := iam.Client{URL: p.Config.API.String(), Transport: p.Transport, Tokens: s.TokenSource(ctx, s.API)}
	identity, err := client.Identity(ctx, p.Config.Identity)
	if err != nil {
		return ""
	}
	var parts []string
	part := func(what, value string) {
		if value != "" {
			parts = append(parts, what+` "`+platform.Printable(value)+`"`)
		}
	}
	switch match, static := identity.ClaimMatch, identity.Static; {
	case match != nil:
		part("iss", match.Issuer)
		part("iss that matches", match.IssuerPattern)
		part("sub", match.Subject)
		part("sub that matches", match.SubjectPattern)
		if match.Audience+match.AudiencePattern == "" {
			part("aud", p.Config.Issuer.Host)
		}
		part("aud", match.Audience)
		part("aud that matches", match.AudiencePattern)
		for _, claim := range slices.Sorted(maps.Keys(match.Claims)) {
			part(platform.Printable(claim), match.Claims[claim])
		}
		for _, claim := range slices.Sorted(maps.Keys(match.ClaimPatterns)) {
			part(platform.Printable(claim)+" that matches", match.ClaimPatterns[claim])
		}
	case static != nil:
		part("iss", static.Issuer)
		part("sub", static.Subject)
		part("aud", strings.Join(static.Audiences, ", "))
	default:
		return "; the identity accepts no ID token"
	}
	return "; the identity accepts " + strings.Join(parts, ", ")
}

// inCI says whether this is a CI job: every system of note sets CI.
func (p *Patient) inCI() bool {
	ci := p.Getenv("CI")
	return ci != "" && ci != "false" && ci != "0"
}

// day is a time as people are told it.
func day(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }
