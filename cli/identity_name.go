package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/token"
)

// isIdentityName reports whether the value of --identity is the name of an identity. The
// setting is an id.
func isIdentityName(value string) bool {
	return !config.ValidUIDP(value) && iam.CheckName(value) == nil
}

// findIdentity looks up the id of the identity if --identity is a name. It uses the user's
// session, or a stored token, and does not sign in.
func (a *app) findIdentity(ctx context.Context) error {
	if a.identityName == "" {
		return nil
	}
	cfg := a.cfg
	cfg.Identity = "" // the user's session, not an identity's
	s, err := a.session(cfg)
	if err != nil {
		return err
	}
	s.Patience = patienceNotInteractive
	list := "docker-credential-cgr identities list --name " + shellQuote(a.identityName)
	s.NoSignIn = hint.With(fmt.Errorf("only a session can look up the identity %s by name", quoted(a.identityName)), hint.Text("%s", list))
	identities, err := a.allIdentities(ctx, a.client(ctx, s), "")
	var notSignedIn *token.NotSignedInError
	switch {
	case errors.As(err, &notSignedIn):
		return err
	case err != nil:
		return hint.With(fmt.Errorf("cannot look up the identity %s: %w", quoted(a.identityName), err), hint.Text("use --identity with its id"))
	}
	identities = slices.DeleteFunc(identities, func(i iam.Identity) bool { return i.Type() == "pull_token" })
	found, err := iam.MatchIdentity(identities, a.identityName)
	var several *iam.AmbiguousError
	if errors.As(err, &several) {
		return misuse("--identity: %w", err)
	}
	if err != nil {
		return fmt.Errorf("--identity: %w", err)
	}
	if !config.ValidUIDP(found.ID) {
		return fmt.Errorf("--identity: the platform returned %s, which is not the id of an identity", quoted(found.ID))
	}
	a.cfg.Identity = found.ID
	a.debug(a.cfg, "the identity %s is %s", quoted(a.identityName), found.ID)
	return nil
}
