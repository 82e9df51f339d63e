// Package store stores sessions and credentials: as records in the keychain, with a lock and
// notes beside it.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
)

// Records are the records of one issuer and identity. The fields are set before the methods
// are called.
type Records struct {
	Issuer   string // URL, without a trailing slash
	Identity string // UIDP of the identity to assume; empty for a person
	Keychain *keychain.Keychain
	// LockTimeout is how long to wait for the lock of another process.
	LockTimeout time.Duration

	Now   func() time.Time
	Warn  func(error)
	Note  func(format string, args ...any) // one line for the user that is no warning
	Debug func(format string, args ...any)

	warned map[string]bool // entries that were reported as unusable
	lock   *keychain.Lock  // the last one of the session; nil if there was none
}

// ReadCredential returns the record for host, or the zero record.
func (s *Records) ReadCredential(host string) (Credential, error) {
	r, err := s.ReadSlot(host, "")
	if err != nil || s.Identity == "" || r.UserStored && r.IsValid(s.Now()) {
		return r, err
	}
	return s.ReadSlot(host, s.Identity)
}

// ReadSlot returns the record for host and identity, or the zero record. What the user stored
// is in the slot of the empty identity.
func (s *Records) ReadSlot(host, identity string) (Credential, error) {
	return read(s, credentialName(s.Issuer, host, identity), func(r Credential) error {
		return r.Check(s.Issuer, host, identity)
	})
}

// ReadSession returns the session's record, or the zero record.
func (s *Records) ReadSession() (Session, error) {
	return read(s, sessionName(s.Issuer, s.Identity), func(r Session) error {
		return r.Check(s.Issuer, s.Identity)
	})
}

// ReadHosts returns the record that all identities share, or an empty one.
func (s *Records) ReadHosts() (Hosts, error) {
	r, err := read(s, hostsName(s.Issuer), func(r Hosts) error { return r.Check(s.Issuer) })
	r.Version, r.Issuer = version, s.Issuer
	return r, err
}

// read returns a record, or the zero record if there is none. One that cannot be used
// counts as none: it is reported once, and replaced by the next write.
func read[R any](s *Records, name string, check func(R) error) (R, error) {
	var record, none R
	text, err := s.Keychain.Get(name)
	switch {
	case errors.Is(err, keychain.ErrNotFound):
		return none, nil
	case err != nil:
		return none, err
	}
	if err = decodeRecord(text, &record); err == nil {
		err = check(record)
	}
	if err == nil {
		return record, nil
	}
	if !s.warned[name] {
		s.Warn(fmt.Errorf("the entry %q in the %s is not used: %w", name, s.Keychain, err))
		if s.warned == nil {
			s.warned = map[string]bool{}
		}
		s.warned[name] = true
	}
	return none, nil
}

// write stores a record. From expires on, in Unix seconds, it is not needed any more; 0
// means never.
func (s *Records) write(name string, record any, expires int64) error {
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	var until time.Time
	if expires != 0 {
		until = time.Unix(expires, 0)
	}
	return s.Keychain.Set(name, string(text), until)
}

// WriteCredential stores the record for r.Host and r.Identity.
func (s *Records) WriteCredential(r Credential) error {
	r.Version, r.Issuer = version, s.Issuer
	return s.write(credentialName(s.Issuer, r.Host, r.Identity), r, r.Expires)
}

// DeleteCredential deletes the record for host and identity, if there is one.
func (s *Records) DeleteCredential(host, identity string) error {
	return s.Keychain.Delete(credentialName(s.Issuer, host, identity))
}

// WriteSession stores the session with a refresh token as its next generation.
func (s *Records) WriteSession(session Session, refresh string) (Session, error) {
	session.Version, session.Issuer, session.Identity = version, s.Issuer, s.Identity
	session.Generation = nextGeneration(session.Generation, s.Now())
	session.Refresh, session.RefreshExpires = refresh, 0
	if end := platform.RefreshExpiry(refresh); !end.IsZero() {
		session.RefreshExpires = end.Unix()
	}
	return session, s.write(sessionName(s.Issuer, s.Identity), session, session.RefreshExpires)
}

// RewriteSession stores the session unchanged, to find out whether it can be stored: its next
// generation is as large, and a full quota for new entries may have room for it.
func (s *Records) RewriteSession(session Session) error {
	return s.write(sessionName(s.Issuer, s.Identity), session, session.RefreshExpires)
}

// DeleteSession deletes the session's record, if there is one.
func (s *Records) DeleteSession() error {
	return s.Keychain.Delete(sessionName(s.Issuer, s.Identity))
}

// AddHost stores that the user has stored a credential for host. The caller has the lock of
// LockHosts.
func (s *Records) AddHost(host string) error {
	known, err := s.ReadHosts()
	if err != nil || slices.Contains(known.Hosts, host) {
		return err
	}
	known.Hosts = append(known.Hosts, host)
	return s.write(hostsName(s.Issuer), known, 0)
}

// DeleteHosts deletes the record that all identities share, if there is one.
func (s *Records) DeleteHosts() error { return s.Keychain.Delete(hostsName(s.Issuer)) }

// AddIdentity stores that Identity has tokens, so that signing out finds them when another
// identity is configured.
func (s *Records) AddIdentity(ctx context.Context) error {
	if s.Identity == "" {
		return nil
	}
	defer s.LockHosts(ctx)()
	known, err := s.ReadHosts()
	if err != nil || slices.Contains(known.Identities, s.Identity) {
		return err
	}
	known.Identities = append(known.Identities, s.Identity)
	return s.write(hostsName(s.Issuer), known, 0)
}
