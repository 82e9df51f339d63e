package pulltoken

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"docker-credential-cgr/dockerconfig"
	"docker-credential-cgr/token"
)

// Place is where pull tokens are saved on this machine, in the words of --save.
type Place string

// The places.
const (
	Keychain     Place = "keychain"
	DockerConfig Place = "docker-config"
)

// Saved is a credential that is saved on this machine, without its secret.
type Saved struct {
	Place          Place
	Host, Username string
}

// Machine saves pull tokens on this machine.
type Machine struct {
	Session *token.Session
	// DockerConfig reads Docker's configuration file.
	DockerConfig func() (*dockerconfig.File, error)
}

// CheckSave returns what would prevent a pull token from being saved, before there is one.
func (m Machine) CheckSave(place Place) error {
	if place == Keychain {
		return saveError(m.Session.Keychain.Probe())
	}
	file, err := m.withLogin("user", "secret")
	if err != nil {
		return err
	}
	return file.Check()
}

// withLogin returns Docker's configuration with a credential, not yet written.
func (m Machine) withLogin(username, secret string) (*dockerconfig.File, error) {
	file, err := m.DockerConfig()
	if err == nil {
		_, err = file.SetLogin(m.Session.Registry, username, secret)
	}
	return file, err
}

// Save saves a pull token for hosts, for all of them or none.
func (m Machine) Save(ctx context.Context, place Place, hosts []string, c Credential) error {
	if place == DockerConfig {
		file, err := m.withLogin(c.Identity.ID, c.Token)
		if err == nil {
			err = file.Save()
		}
		return saveError(err)
	}
	for _, host := range hosts {
		err := m.Session.Store(ctx, host, c.Identity.ID, c.Token)
		if err == nil {
			continue
		}
		for _, host := range hosts {
			_, undo := m.Session.EraseUserStored(ctx, host, c.Identity.ID)
			err = errors.Join(err, undo)
		}
		return saveError(err)
	}
	return nil
}

func saveError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot save the pull token: %w", err)
}

// List returns the credentials that are saved on this machine. If Docker's configuration
// cannot be read, it returns those in the keychain, and the reason as unread.
func (m Machine) List() (saved []Saved, unread, err error) {
	stored, err := m.Session.Contents()
	if err != nil {
		return nil, nil, err
	}
	for _, t := range stored.Tokens {
		if t.UserStored {
			saved = append(saved, Saved{Keychain, t.Host, t.Username})
		}
	}
	file, unread := m.DockerConfig()
	if unread != nil {
		return saved, unread, nil
	}
	if username, ok := file.Login(m.Session.Registry); ok {
		saved = append(saved, Saved{DockerConfig, m.Session.Registry, username})
	}
	return saved, nil, nil
}

// Usernames returns the usernames that are saved in a place for any of hosts, each once.
func (m Machine) Usernames(place Place, hosts []string) ([]string, error) {
	saved, _, err := m.List()
	var usernames []string
	for _, s := range saved {
		if s.Place == place && slices.Contains(hosts, s.Host) && !slices.Contains(usernames, s.Username) {
			usernames = append(usernames, s.Username)
		}
	}
	return usernames, err
}

// Forget removes a pull token from the keychain, and returns the hosts that it was saved
// for.
func (m Machine) Forget(ctx context.Context, id string) (hosts []string, err error) {
	saved, _, err := m.List()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, s := range saved {
		if s.Username != id || s.Place != Keychain {
			continue
		}
		forgotten, err := m.Session.EraseUserStored(ctx, s.Host, id)
		if errs = append(errs, err); forgotten {
			hosts = append(hosts, s.Host)
		}
	}
	return hosts, errors.Join(errs...)
}
