package command

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"docker-credential-cgr/dockerconfig"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/pulltoken"
	"docker-credential-cgr/state"
	"docker-credential-cgr/token"
)

// DockerHome returns the home directory as Docker and Podman find it, or "": $HOME, else
// the home directory in the user database.
func DockerHome() string {
	if home, err := os.UserHomeDir(); err == nil {
		return home
	}
	home, _ := state.Home(os.Getenv) // the caller reports a missing home directory
	return home
}

// DockerPath returns the path of Docker's configuration. It returns an error if that would
// have to be created in the root directory, which is HOME for users of a container without
// a home directory.
func DockerPath() (string, error) {
	home := DockerHome()
	path, err := dockerconfig.DockerPath(os.Getenv, home)
	if err == nil && os.Getenv("DOCKER_CONFIG") == "" && filepath.Clean(home) == "/" && !Exists(path) {
		return "", hint.With(errors.New("cannot create Docker's configuration in the root directory, which is HOME"), hint.Text("set HOME or DOCKER_CONFIG"))
	}
	return path, err
}

// DockerFile reads Docker's configuration.
func DockerFile() (*dockerconfig.File, error) {
	path, err := DockerPath()
	if err != nil {
		return nil, err
	}
	return dockerconfig.Load(path)
}

// Exists reports whether there is a file with this path.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Machine returns where pull tokens are stored on this machine.
func Machine(s *token.Session) pulltoken.Machine {
	return pulltoken.Machine{Session: s, DockerConfig: DockerFile}
}

// SavedTokens returns the credentials that are stored on this machine, without those in
// Docker's configuration if that cannot be read.
func (a *App) SavedTokens(s *token.Session) ([]pulltoken.Saved, error) {
	saved, unread, err := Machine(s).List()
	if unread != nil {
		a.Debug("cannot read Docker's config: %v", unread)
	}
	return saved, err
}

// ForgetSaved removes a revoked pull token from the keychain.
func (a *App) ForgetSaved(ctx context.Context, s *token.Session, id string) error {
	hosts, err := Machine(s).Forget(ctx, id)
	for _, host := range hosts {
		a.Note("Removed it from the keychain, where it was stored for %s.", host)
	}
	saved, listErr := a.SavedTokens(s)
	for _, t := range saved {
		if t.Username == id && t.Place == pulltoken.DockerConfig {
			a.WarnHint(hint.Text("docker logout %s", t.Host), "the pull token is still in Docker's config")
		}
	}
	return errors.Join(err, listErr)
}

// RegistryCredential returns the credential for an image: that of the environment, else
// what get returns, else the login in Docker's configuration, which is not for an organization
// with a session of its own. It lets the user sign in unless there is such a login or the image
// should be public.
func (a *App) RegistryCredential(ctx context.Context, public bool) (*token.Credential, error) {
	if a.Config.IdentityID != "" {
		return &token.Credential{Username: a.Config.IdentityID, Secret: a.Config.Token}, nil
	}
	s, err := a.SignInSession()
	if err != nil {
		return nil, err
	}
	var username, password string
	var hasLogin bool
	if file, err := DockerFile(); err == nil && a.SessionOrganization == "" { // doctor reports an unreadable file
		username, password, hasLogin = file.Pair(a.Config.Registry.Host)
	}
	c, err := s.Credential(ctx, s.Registry, !hasLogin && !public)
	var notSignedIn *token.NotSignedInError
	switch {
	case hasLogin && errors.As(err, &notSignedIn):
		a.Debug("not signed in: using the login of %s in Docker's configuration", platform.Printable(username))
		return &token.Credential{Username: username, Secret: password}, nil
	case err != nil:
		return nil, err
	}
	return &c, nil
}
