// Package helper implements the protocols by which programs ask for credentials. In Docker's,
// a client runs the program with a verb, writes a server's name or a credential to its
// standard input, and reads its standard output
// (https://github.com/docker/docker-credential-helpers). Bazel and MCP clients ask for the
// headers of an HTTP request.
package helper

import (
	"context"
	"errors"
	"fmt"

	"github.com/docker/docker-credential-helpers/credentials"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/token"
)

// Helper is the credentials.Helper for the configured registry and its subdomains.
type Helper struct {
	Config    config.Config
	ConfigErr error // from config.Read
	// Session opens the session of an organization, or the default one for "". The user may be
	// prompted in it if mayPrompt is set. It is called only for our servers.
	Session func(organization string, mayPrompt bool) (*token.Session, error)
	// Elsewhere erases what is left in stores that were configured before. It may be nil.
	Elsewhere func(*token.Session)
	Warn      func(error)
	// Line returns an error with its hints as one line.
	Line func(error) string

	// Context is the command's. The methods of credentials.Helper take none.
	Context context.Context
}

var _ credentials.Helper = (*Helper)(nil)

// host returns the host of a server, and reports whether it is ours.
func (h *Helper) host(server string) (host string, ours bool, err error) {
	if h.Config.Registry == nil {
		return "", false, h.ConfigErr
	}
	host, ours = registryHost(h.Config.Registry, server)
	if ours && h.ConfigErr != nil {
		return "", false, h.ConfigErr
	}
	return host, ours, nil
}

// Get returns the credential for a server. If the server is not ours, or the user is not
// signed in, the error is "not found", so that pulls of public images go on.
func (h *Helper) Get(server string) (username, secret string, err error) {
	host, ours, err := h.host(server)
	if err != nil {
		return "", "", err
	}
	if !ours {
		return "", "", credentials.NewErrCredentialsNotFound()
	}
	if h.Config.IdentityID != "" {
		return h.Config.IdentityID, h.Config.Token, nil
	}
	session, err := h.Session(organization(h.Config, server), true)
	if err != nil {
		return "", "", err
	}
	c, err := session.Credential(h.Context, host, true)
	var notSignedIn *token.NotSignedInError
	var notFinished *token.SignInError
	if errors.As(err, &notSignedIn) || errors.As(err, &notFinished) {
		h.Warn(err)
		return "", "", credentials.NewErrCredentialsNotFound()
	}
	return c.Username, c.Secret, err
}

// Add stores a user's credential for one of our servers.
func (h *Helper) Add(c *credentials.Credentials) error {
	host, ours, err := h.host(c.ServerURL)
	if err != nil {
		return err
	}
	if !ours {
		return hint.With(fmt.Errorf("this credential helper is for %s only, not for %q", h.Config.Registry.Host, c.ServerURL),
			hint.Text(`register it in Docker's config under "credHelpers", not "credsStore"`))
	}
	if h.Config.IdentityID != "" && c.Username == h.Config.IdentityID && c.Secret == h.Config.Token {
		return nil // Get returned it from the environment, which decides how long it is used
	}
	session, err := h.Session(organization(h.Config, c.ServerURL), true)
	if err != nil {
		return err
	}
	return session.Store(h.Context, host, c.Username, c.Secret)
}

// Delete erases the credential for a server. It succeeds if there is none: Docker erases
// several spellings of a server's name, and other servers.
func (h *Helper) Delete(server string) error {
	host, ours, err := h.host(server)
	if err != nil || !ours {
		return err
	}
	session, err := h.Session(organization(h.Config, server), true)
	if err != nil {
		return err
	}
	err = session.Erase(h.Context, host)
	if host == h.Config.Registry.Host && h.Elsewhere != nil {
		h.Elsewhere(session)
	}
	return err
}

// List returns the user name for each host for which Get has a credential now. It is not
// interactive and sends no requests.
func (h *Helper) List() (map[string]string, error) {
	if h.Config.Registry == nil || h.ConfigErr != nil {
		return nil, h.ConfigErr
	}
	if h.Config.IdentityID != "" {
		return map[string]string{h.Config.Registry.Host: h.Config.IdentityID}, nil
	}
	session, err := h.Session("", true)
	if err != nil {
		return nil, err
	}
	return session.Usernames()
}
