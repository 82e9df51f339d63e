package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
	"docker-credential-cgr/workload"
)

// sessionState is what `get` answers for the registry.
type sessionState struct {
	results    []Result
	credential *token.Credential // nil if there is none, or unknown is set
	from       source
	owner      string // whose credential it is, for messages
	unknown    string // why it is not known whether there is a credential, or ""
}

// source is where a credential comes from.
type source int

const (
	fromNowhere source = iota
	fromEnvironment
	fromStore   // docker login
	fromSession // of a user, or of an identity that is assumed
)

// checkSession checks that `get` has an answer, as `get` does.
func (c *Checker) checkSession(ctx context.Context, net networkState, store Status) sessionState {
	const check = "session"
	if c.Config.IdentityID != "" {
		return c.checkEnvironment()
	}
	if c.Session == nil || store == Failure {
		const reason = "there is no store"
		return sessionState{results: []Result{skipped(check, reason)}, unknown: reason}
	}
	s, warnings := c.quietSession()
	stored, err := s.Contents()
	if err != nil {
		return sessionState{results: []Result{c.storeFailure(err)}, unknown: "the store cannot be read"}
	}
	var results []Result
	for _, err := range *warnings {
		results = append(results, warning(check, err.Error(), hintsOf(err, hint.Do(hint.SignIn))...))
	}
	hasToken := slices.ContainsFunc(stored.Tokens, func(t token.StoredToken) bool { return t.Host == s.Registry && t.Valid })
	if !net.issuer && !hasToken {
		const reason = "no credential is available without the issuer"
		return sessionState{results: append(results, skipped(check, reason)), unknown: reason}
	}
	credential, err := s.Credential(ctx, s.Registry, false)
	var notSignedIn *token.NotSignedInError
	switch {
	case errors.As(err, &notSignedIn):
		return sessionState{results: append(results, c.notSignedIn(stored))}
	case err != nil:
		return sessionState{results: append(results, c.explainSession(ctx, err)), unknown: "get fails, so Docker stops before it asks the registry"}
	}
	if stored, err = s.Contents(); err != nil { // get may have refreshed it
		return sessionState{results: []Result{c.storeFailure(err)}, unknown: "the store cannot be read"}
	}
	state := sessionState{credential: &credential, from: fromSession, owner: stored.Account.String()}
	message := "get answers as " + stored.Account.Describe()
	switch {
	case credential.UserStored:
		state.from, state.owner = fromStore, "user "+platform.Printable(credential.Username)
		message = "get answers with the stored credential (" + state.owner + ")"
	case s.IDToken != nil:
		state.owner = "the identity " + stored.Account.Subject
		message = "get answers as " + state.owner
	}
	if (credential.UserStored || s.IDToken != nil) && !credential.Expires.IsZero() {
		message += ", with a token until " + localTime(credential.Expires)
	}
	state.results = append(results, ok(check, "%s", message))
	return state
}

// quietSession returns a session that prints nothing and is not interactive, and the
// warnings that it would have printed.
func (c *Checker) quietSession() (*token.Session, *[]error) {
	s, sts, warnings := *c.Session, *c.Session.STS, new([]error)
	s.Warn = func(err error) { *warnings = append(*warnings, err) }
	s.Note = func(string, ...any) {}
	sts.Warn = func(error) {} // about the clock, which has a check of its own
	s.STS, s.SignIn = &sts, nil
	return &s, warnings
}

// checkEnvironment checks the pull token in the environment.
func (c *Checker) checkEnvironment() sessionState {
	const check, variables = "session", "CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN"
	state := sessionState{
		credential: &token.Credential{Username: c.Config.IdentityID, Secret: c.Config.Token},
		from:       fromEnvironment,
		owner:      "user " + platform.Printable(c.Config.IdentityID),
	}
	claims, err := platform.ParseClaims(c.Config.Token)
	switch end := claims.Expires; {
	case err == nil && !end.IsZero() && c.Now().After(end):
		state.results = []Result{failure(check, fmt.Sprintf("get answers with the pull token in %s, which expired on %s", variables, localTime(end)), RenewPullToken)}
	case end.IsZero():
		state.results = []Result{ok(check, "get answers with %s (%s)", variables, state.owner)}
	default:
		state.results = []Result{ok(check, "get answers with the pull token in %s (%s), which is valid until %s", variables, state.owner, localTime(end))}
	}
	return state
}

// RenewPullToken is the hint for an expired pull token in the environment.
var RenewPullToken = hint.Text("set CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN to a new pull token, or: %s",
	hint.Unset("CHAINGUARD_IDENTITY_ID", "CHAINGUARD_TOKEN").Text)

// notSignedIn returns why `get` has no credential.
func (c *Checker) notSignedIn(stored token.Contents) Result {
	const check = "session"
	own := slices.IndexFunc(stored.Tokens, func(t token.StoredToken) bool { return t.UserStored && t.Host == c.Config.Registry.Host })
	ci := c.Getenv("CI")
	switch {
	case c.Config.Identity != "":
		fix := cmp.Or(workload.Host{Getenv: c.Getenv}.Hint(), "set auth.identity-token to its path, or auth.identity-token-env to the name of its variable")
		return failure(check, "there is no ID token to assume the identity "+c.Config.Identity, hint.Text("%s", fix))
	case own >= 0:
		t := stored.Tokens[own]
		return failure(check, fmt.Sprintf("the stored credential (user %s) expired on %s", platform.Printable(t.Username), localTime(t.Expires)),
			hint.Do(hint.SignIn), hint.Text("or docker login %s with a new pull token", t.Host))
	case stored.Account.Subject != "":
		return failure(check, fmt.Sprintf("the session of %s has ended", stored.Account), hint.Do(hint.SignIn))
	case ci != "" && ci != "false" && ci != "0":
		return warning(check, "not signed in, and a CI job cannot sign in",
			hint.Text("set CHAINGUARD_AUTH_IDENTITY to an identity that this job may assume, or CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN to a pull token"))
	case c.Config.Keychain == config.KeychainNone:
		return warning(check, "not signed in: nothing is stored (keychain=none)", c.unset("keychain"), hint.Do(hint.SignIn))
	}
	return warning(check, "not signed in", hint.Do(hint.SignIn))
}

// explainSession returns why `get` fails.
func (c *Checker) explainSession(ctx context.Context, err error) Result {
	const check = "session"
	var response *platform.ResponseError
	switch {
	case errors.As(err, &response) && c.Config.Identity != "":
		return failure(check, err.Error()+c.describeIdentity(ctx), hint.Text("compare what the identity accepts (issuer, subject, audience) with the ID token of this job"))
	case c.Config.Identity != "":
		return failure(check, err.Error(), hint.Text("check that the ID token exists (auth.identity-token, auth.identity-token-env)"))
	}
	return failure(check, err.Error(), hint.Do(hint.SignIn))
}

// describeIdentity returns what the identity accepts, as the end of a sentence, or "" if
// there is no user's session to read it with.
func (c *Checker) describeIdentity(ctx context.Context) string {
	if c.Session == nil {
		return ""
	}
	s, _ := c.quietSession()
	s.Identity, s.IDToken = "", nil
	client := c.apiClient(ctx, s)
	identity, err := client.Identity(ctx, c.Config.Identity)
	if err != nil {
		return ""
	}
	var claims [][2]string
	switch match, static := identity.ClaimMatch, identity.Static; {
	case match != nil:
		audience := match.Audience
		if audience == "" && match.AudiencePattern == "" {
			audience = c.Config.Issuer.Host
		}
		claims = [][2]string{
			{"iss", match.Issuer}, {"iss that matches", match.IssuerPattern},
			{"sub", match.Subject}, {"sub that matches", match.SubjectPattern},
			{"aud", audience}, {"aud that matches", match.AudiencePattern},
		}
		for _, claim := range slices.Sorted(maps.Keys(match.Claims)) {
			claims = append(claims, [2]string{claim, match.Claims[claim]})
		}
		for _, claim := range slices.Sorted(maps.Keys(match.ClaimPatterns)) {
			claims = append(claims, [2]string{claim + " that matches", match.ClaimPatterns[claim]})
		}
	case static != nil:
		claims = [][2]string{{"iss", static.Issuer}, {"sub", static.Subject}, {"aud", strings.Join(static.Audiences, ", ")}}
	default:
		return "; the identity accepts no ID token"
	}
	var parts []string
	for _, claim := range claims {
		if claim[1] != "" {
			parts = append(parts, platform.Printable(claim[0])+` "`+platform.Printable(claim[1])+`"`)
		}
	}
	return "; the identity accepts " + strings.Join(parts, ", ")
}

// apiClient returns a client for the platform's API.
func (c *Checker) apiClient(ctx context.Context, s *token.Session) iam.Client {
	return iam.Client{URL: c.Config.API.String(), Transport: c.Transport, Tokens: s.TokenSource(ctx, s.API)}
}

// localTime returns t for messages.
func localTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }
