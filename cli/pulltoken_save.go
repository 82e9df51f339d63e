package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"docker-credential-cgr/dockerconfig"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

// Where a pull token is saved on this machine, in the words of --save.
const (
	saveKeychain     = "keychain"
	saveDockerConfig = "docker-config"
)

// hostsOf gives the hosts that repositories are at.
func (a *app) hostsOf(repositories []iam.Repository) []string {
	var hosts []string
	for _, r := range repositories {
		host := a.cfg.Registry.Host
		switch r {
		case iam.OCI:
		case iam.APK:
			host = "apk." + host
		default:
			host = "libraries." + host
		}
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// dockerFile reads Docker's config.
func dockerFile() (*dockerconfig.File, error) {
	path, err := dockerPath()
	if err != nil {
		return nil, err
	}
	return dockerconfig.Load(path)
}

// checkSave says what would keep a pull token from being saved, before there is one.
func checkSave(s *token.Session, where string) error {
	if where == saveKeychain {
		if err := s.Keychain.Probe(); err != nil {
			return fmt.Errorf("a pull token could not be saved: %w", err)
		}
		return nil
	}
	file, err := dockerFile()
	if err != nil {
		return err
	}
	if _, err := file.SetLogin(s.Registry, "user", "secret"); err != nil {
		return err
	}
	return file.Check()
}

// save saves a pull token for hosts, for all of them or none.
func (a *app) save(ctx context.Context, s *token.Session, where string, hosts []string, t iam.PullToken) (err error) {
	if where == saveKeychain {
		for _, host := range hosts {
			if err = s.Store(ctx, host, t.Identity.ID, t.Token); err != nil {
				break
			}
		}
		if err == nil {
			return nil
		}
		for _, host := range hosts {
			_, forgetting := s.ForgetStored(ctx, host, t.Identity.ID)
			err = errors.Join(err, forgetting)
		}
		return fmt.Errorf("the pull token could not be saved: %w", err)
	}
	file, err := dockerFile()
	if err == nil {
		_, err = file.SetLogin(s.Registry, t.Identity.ID, t.Token)
	}
	if err == nil {
		err = file.Save()
	}
	if err != nil {
		return fmt.Errorf("the pull token could not be saved: %w", err)
	}
	return nil
}

// savedToken is a credential that was saved on this machine, but for its secret.
type savedToken struct{ where, host, username string }

// savedTokens gives what is saved here: in the keychain, and in Docker's config.
func (a *app) savedTokens(s *token.Session) ([]savedToken, error) {
	kept, err := s.Kept()
	if err != nil {
		return nil, err
	}
	var saved []savedToken
	for _, t := range kept.Tokens {
		if t.Stored {
			saved = append(saved, savedToken{saveKeychain, t.Host, t.Username})
		}
	}
	file, err := dockerFile()
	if err != nil {
		a.debug(a.cfg, "no look at Docker's config: %v", err)
		return saved, nil
	}
	if username, ok := file.Login(s.Registry); ok {
		saved = append(saved, savedToken{saveDockerConfig, s.Registry, username})
	}
	return saved, nil
}

// savedFor gives the user names that are saved for any of hosts, each once.
func (a *app) savedFor(s *token.Session, where string, hosts []string) ([]string, error) {
	saved, err := a.savedTokens(s)
	var usernames []string
	for _, t := range saved {
		if t.where == where && slices.Contains(hosts, t.host) && !slices.Contains(usernames, t.username) {
			usernames = append(usernames, t.username)
		}
	}
	return usernames, err
}

// saySaved answers where a pull token went; on standard error where the answer is
// the pull token itself.
func (a *app) saySaved(s *token.Session, where string, hosts []string, t iam.PullToken, shown bool) error {
	place := fmt.Sprintf("the %s", s.Keychain)
	if where == saveDockerConfig {
		file, err := dockerFile()
		if err != nil {
			return err
		}
		place = file.Path
		a.warn("%s holds the pull token in base64, for everybody to read who can read that file; without =%s it goes into the keychain", file.Path, saveDockerConfig)
		a.sayPassedOver(file)
	}
	text := fmt.Sprintf("saved the pull token %s (%s) for %s in %s%s", platform.Printable(t.Identity.Name), t.Identity.ID, strings.Join(hosts, " and "), place, until(t.Expires))
	if a.cfg.IdentityID != "" && where == saveKeychain {
		a.warn("CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN are set and answer first: unset them to use what is saved")
	}
	if shown {
		a.warn("%s", text)
		return nil
	}
	return a.answer("S%s\n", strings.TrimPrefix(text, "s"))
}

// sayPassedOver warns where Docker does not look at the credential in its file.
func (a *app) sayPassedOver(file *dockerconfig.File) {
	host := a.cfg.Registry.Host
	switch helper, ok := file.Helper(host); {
	case ok && helper == helperName:
		a.warn("Docker asks us for %s and does not look there; to have it look, run: %s configure-docker --remove", host, name)
		return
	case ok:
		a.warn("Docker asks the helper %q for %s and does not look there: take it out of %s", helper, host, file.Path)
		return
	}
	for _, finding := range file.Findings(host, helperName) {
		if finding.Kind == dockerconfig.Store {
			a.warn("Docker asks its store %q for %s and does not look there; --save alone and %s configure-docker work beside it", finding.Helper, host, name)
		}
	}
}

// sayUnregistered warns where Docker does not ask us for what is saved here.
func (a *app) sayUnregistered() {
	host := a.cfg.Registry.Host
	file, err := dockerFile()
	if err != nil {
		a.warn("whether Docker asks us for %s is not known: %v", host, err)
		return
	}
	if helper, ok := file.Helper(host); !ok || helper != helperName {
		a.warn("Docker does not ask us for %s yet; run: %s configure-docker --no-login", host, name)
	}
}

// retire names the identities whose place a saved pull token took, and revokes them
// if revoke says so.
func (a *app) retire(ctx context.Context, client *iam.Client, s *token.Session, ids []string, revoke bool) error {
	saved, err := a.savedTokens(s)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		i := slices.IndexFunc(saved, func(t savedToken) bool { return t.username == id })
		switch {
		case !iam.ValidID(id):
			a.warn("it takes the place of the login of %s", platform.Printable(id))
		case !revoke:
			a.warn("it takes the place of %s, which stays good; to revoke that, run: %s pull-token revoke %s", id, name, id)
		case i >= 0:
			a.warn("it takes the place of %s, which is not revoked: it is still saved for %s (%s)", id, saved[i].host, saved[i].where)
		default:
			errs = append(errs, a.revokeOld(ctx, client, id))
		}
	}
	return errors.Join(errs...)
}

func (a *app) revokeOld(ctx context.Context, client *iam.Client, id string) error {
	err := client.Revoke(ctx, id)
	var gone *iam.NotFoundError
	switch {
	case errors.As(err, &gone):
		a.note("it takes the place of %s, which is gone already", id)
		return nil
	case err != nil:
		return fmt.Errorf("the new pull token is saved, but %s, whose place it takes, is not revoked: %w; to try again, run: %s pull-token revoke %s", id, err, name, id)
	}
	a.note("revoked %s, whose place it takes", id)
	return nil
}
