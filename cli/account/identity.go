package account

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/token"
)

// findIdentity looks up the ID of the identity if --identity is a name. It uses the user's
// session, or a stored token, and does not sign in.
func findIdentity(ctx context.Context, a *command.App) error {
	if a.IdentityName == "" {
		return nil
	}
	user := *a
	user.Config.Identity = "" // the user's session, not an identity's
	s, err := user.Session()
	if err != nil {
		return err
	}
	name := command.Quoted(a.IdentityName)
	s.LockTimeout = command.LockTimeout
	s.NoSignIn = hint.With(fmt.Errorf("only a session can look up the identity %s by name", name),
		hint.Text("docker-credential-cgr identities list --name %s", hint.Quote(a.IdentityName)))
	identities, err := a.Identities(ctx, a.Client(ctx, s), "")
	var notSignedIn *token.NotSignedInError
	switch {
	case errors.As(err, &notSignedIn):
		return err
	case err != nil:
		return hint.With(fmt.Errorf("cannot look up the identity %s: %w", name, err), hint.Text("use --identity with its id"))
	}
	identities = slices.DeleteFunc(identities, func(i iam.Identity) bool { return i.Type() == "pull_token" })
	found, err := iam.MatchIdentity(identities, a.IdentityName)
	var ambiguous *iam.AmbiguousError
	switch {
	case errors.As(err, &ambiguous):
		return command.Usagef("--identity: %w", err)
	case err != nil:
		return fmt.Errorf("--identity: %w", err)
	case !config.ValidUIDP(found.ID):
		return fmt.Errorf("--identity: the platform returned %s, which is not the id of an identity", command.Quoted(found.ID))
	}
	a.Config.Identity = found.ID
	a.Debug("the identity %s is %s", name, found.ID)
	return nil
}
