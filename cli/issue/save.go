package issue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/dockerconfig"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/pulltoken"
	"docker-credential-cgr/token"
)

// reportSaved prints where a pull token is saved, on standard error if the pull token itself
// is printed on standard output.
func reportSaved(
	a *command.App, s *token.Session, place pulltoken.Place, hosts []string, created pulltoken.Credential, printed bool,
) error {
	var where string
	if place == pulltoken.DockerConfig {
		file, err := command.DockerFile()
		if err != nil {
			return err
		}
		where = file.Path
		a.Warn("everyone who can read %s can read the pull token in it; --save without =%s stores it in the keychain", file.Path, place)
		warnNotUsed(a, file)
	} else {
		where = "the " + s.Keychain.String()
		if a.Config.IdentityID != "" {
			a.WarnHint(command.UnsetPair(), "get answers with CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN, not with the saved pull token")
		}
	}
	text := fmt.Sprintf("Saved the pull token %s (%s) for %s in %s%s.",
		platform.Printable(created.Identity.Name), created.Identity.ID, strings.Join(hosts, " and "), where,
		command.Until(created.Expires))
	if printed {
		a.Note("%s", text)
		return nil
	}
	return a.Print("%s\n", text)
}

// warnNotUsed warns if Docker does not use the credential in its configuration.
func warnNotUsed(a *command.App, file *dockerconfig.File) {
	host := a.Config.Registry.Host
	if helper, ok := file.Helper(host); ok {
		if helper == command.HelperName {
			a.WarnHint(hint.Text("docker-credential-cgr configure-docker --remove"), "Docker asks this program for %s and does not use the file", host)
		} else {
			a.WarnHint(hint.Text("remove the helper from %s", file.Path), "Docker asks the helper %q for %s and does not use the file", helper, host)
		}
		return
	}
	for _, finding := range file.Findings(host, command.HelperName) {
		if finding.Kind == dockerconfig.Store {
			a.WarnHint(hint.Text("use --save alone, then run: docker-credential-cgr configure-docker"), "Docker asks its store %q for %s and does not use the file", finding.Helper, host)
		}
	}
}

// retire reports the credentials that a saved pull token replaces, and revokes them if
// revoke is set.
func retire(ctx context.Context, a *command.App, client *iam.Client, s *token.Session, ids []string, revoke bool) error {
	saved, err := a.SavedTokens(s)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		i := slices.IndexFunc(saved, func(t pulltoken.Saved) bool { return t.Username == id })
		switch {
		case !iam.ValidID(id):
			a.Note("It replaces the login of %s.", platform.Printable(id))
		case !revoke:
			a.WarnHint(hint.Do(hint.RevokePullToken, id), "it replaces %s, which remains valid", id)
		case i >= 0:
			a.Warn("it replaces %s, which is not revoked: it is still saved for %s (%s)", id, saved[i].Host, saved[i].Place)
		default:
			errs = append(errs, revokeReplaced(ctx, a, client, id))
		}
	}
	return errors.Join(errs...)
}

func revokeReplaced(ctx context.Context, a *command.App, client *iam.Client, id string) error {
	err := pulltoken.Revoke(ctx, client, id)
	var gone *iam.NotFoundError
	switch {
	case errors.As(err, &gone):
		a.Note("It replaces %s, which no longer exists.", id)
		return nil
	case err != nil:
		err = fmt.Errorf("the new pull token is saved, but %s, which it replaces, is not revoked: %w", id, err)
		return hint.With(err, hint.Do(hint.RevokePullToken, id))
	}
	a.Note("Revoked %s, which it replaces.", id)
	return nil
}
