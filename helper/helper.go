// Package helper speaks Docker's credential helper protocol: a client runs the
// program with a verb, gives a server's name or a credential on standard input,
// and reads the answer on standard output.
//
// https://github.com/docker/docker-credential-helpers describes the protocol.
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

// Helper answers for the configured registry and the hosts below it. It is a
// credentials.Helper.
type Helper struct {
	Config    config.Config
	ConfigErr error // what is wrong in Config, for whoever needs it
	// Session is opened when it is first needed: a foreign server never does.
	Session func() (*token.Session, error)
	// Elsewhere forgets what former choices of the store have left in others.
	// Nil where there are none.
	Elsewhere func(*token.Session)
	Warn      func(error)
	// Line returns an error with its hints as one line.
	Line func(error) string

	// The interface's methods take no context, so the Helper carries the one of
	// the command it was made for.
	Context context.Context
}

var _ credentials.Helper = (*Helper)(nil)

// host says whether server is ours, and as which host.
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

// Get gives the credential for server. What is not ours, and what nobody may be
// asked for now, is "not found", so that pulls that need none go on.
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
	session, err := h.Session()
	if err != nil {
		return "", "", err
	}
	c, err := session.Credential(h.Context, host, true)
	var nobody *token.NotSignedInError
	var left *token.SignInError
	if errors.As(err, &nobody) || errors.As(err, &left) {
		h.Warn(err)
		return "", "", credentials.NewErrCredentialsNotFound()
	}
	return c.Username, c.Secret, err
}

// Add keeps a credential that the user has for one of our hosts.
func (h *Helper) Add(pair *credentials.Credentials) error {
	host, ours, err := h.host(pair.ServerURL)
	if err != nil {
		return err
	}
	if !ours {
		return hint.With(fmt.Errorf("this credential helper is for %s only, not for %q", h.Config.Registry.Host, pair.ServerURL),
			hint.Text(`register it in Docker's config under "credHelpers", not "credsStore"`))
	}
	if h.Config.IdentityID != "" && pair.Username == h.Config.IdentityID && pair.Secret == h.Config.Token {
		return nil // what Get gave from the environment: it would outlive that
	}
	session, err := h.Session()
	if err != nil {
		return err
	}
	return session.Store(h.Context, host, pair.Username, pair.Secret)
}

// Delete forgets what is kept for server. Docker asks so for several spellings of
// a server, and for servers we never had: nothing to do is done.
func (h *Helper) Delete(server string) error {
	host, ours, err := h.host(server)
	if err != nil || !ours {
		return err
	}
	session, err := h.Session()
	if err != nil {
		return err
	}
	err = session.Forget(h.Context, host)
	if host == h.Config.Registry.Host && h.Elsewhere != nil {
		h.Elsewhere(session)
	}
	return err
}

// List gives the user name for each host that Get can answer for now, without
// asking anybody.
func (h *Helper) List() (map[string]string, error) {
	if h.Config.Registry == nil || h.ConfigErr != nil {
		return nil, h.ConfigErr
	}
	if h.Config.IdentityID != "" {
		return map[string]string{h.Config.Registry.Host: h.Config.IdentityID}, nil
	}
	session, err := h.Session()
	if err != nil {
		return nil, err
	}
	return session.Usernames()
}
