package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
)

// Store stores a credential of the user's for host, until it expires. An access token of
// the session's own account is not stored: `docker login` stores what it just got from
// Credential, and the copy would outlive the session.
func (s *Session) Store(ctx context.Context, host, username, secret string) error {
	r := credentialRecord{
		Version: recordVersion, Issuer: s.Issuer, Host: host, Username: username, Secret: secret,
		Stored: true, StoredAt: s.Now().Unix(),
	}
	if c, err := platform.ParseClaims(secret); err == nil {
		if username == Username {
			session, _ := s.readSession()
			ours, _ := s.readCredential(host)
			if ours.Secret == secret || session.Subject != "" && session.Subject == c.Subject {
				s.Debug("not stored: it is a token of this session")
				return nil
			}
		}
		if !c.Expires.IsZero() {
			r.Expires = c.Expires.Unix()
		}
	}
	if r.Expires != 0 && !r.isValid(s.Now()) {
		return fmt.Errorf("the secret for %s expired at %s: nothing was stored", host, time.Unix(r.Expires, 0).Format(time.RFC3339))
	}
	if old, err := s.readSlot(host, ""); err == nil && old.Stored && old.Username != username {
		s.warnDiscarded(old)
	}
	defer s.lockToWrite(ctx)()
	if host != s.Registry {
		defer s.lockHosts(ctx)()
		stored, err := s.readHosts()
		if err != nil {
			return err
		}
		if !slices.Contains(stored.Hosts, host) {
			stored.Hosts = append(stored.Hosts, host)
			if err := s.write(hostsName(s.Issuer), stored, 0); err != nil {
				return err
			}
		}
	}
	// The slot without an identity is read whatever identity is configured.
	return s.write(credentialName(s.Issuer, host, ""), r, r.Expires)
}

// Forget removes the credential for host. If host is the registry, it removes all that is
// stored for the issuer: the person's session, those of assumed identities, and the
// credentials that the user stored. To remove nothing is no error.
func (s *Session) Forget(ctx context.Context, host string) error {
	defer s.lockToWrite(ctx)()
	if r, err := s.readSlot(host, ""); err == nil && r.Stored {
		s.warnDiscarded(r)
	}
	if host != s.Registry {
		return errors.Join(
			s.Keychain.Delete(credentialName(s.Issuer, host, "")),
			s.forgetToken(host))
	}
	s.noteSignedOut()
	defer s.lockHosts(ctx)()
	known, err := s.readHosts()
	errs := []error{err}
	for _, h := range known.Hosts {
		if r, err := s.readSlot(h, ""); err == nil && r.Stored && h != host {
			s.warnDiscarded(r)
		}
	}
	identities := append([]string{"", s.Identity}, known.Identities...)
	slices.Sort(identities)
	for _, identity := range slices.Compact(identities) {
		of := *s
		of.Identity = identity
		session, err := of.readSession()
		// The session first: it could bring back the rest.
		errs = append(errs, err, s.Keychain.Delete(sessionName(s.Issuer, identity)))
		for _, h := range slices.Concat([]string{host}, session.Hosts, known.Hosts) {
			errs = append(errs, s.Keychain.Delete(credentialName(s.Issuer, h, identity)))
		}
	}
	errs = append(errs, s.Keychain.Delete(hostsName(s.Issuer)))
	return joinOnce(errs)
}

// SignOut is Forget for the registry, and ends the sign-in backoff: the user asked for it.
func (s *Session) SignOut(ctx context.Context) error {
	s.clearBackoff()
	return s.Forget(ctx, s.Registry)
}

// ForgetElsewhere is Forget for a store that is not in use any more. It gives up if the
// store is not there.
func (s *Session) ForgetElsewhere(ctx context.Context) error {
	if _, err := s.readSession(); err != nil {
		return err
	}
	return s.Forget(ctx, s.Registry)
}

// ForgetToken removes the access token for host, but not the session or what the user
// stored.
func (s *Session) ForgetToken(ctx context.Context, host string) error {
	defer s.lockToWrite(ctx)()
	return s.forgetToken(host)
}

// ForgetStored removes what the user stored for host, if it is of username, and reports
// whether it was. The session stays.
func (s *Session) ForgetStored(ctx context.Context, host, username string) (forgotten bool, err error) {
	defer s.lockToWrite(ctx)()
	r, err := s.readSlot(host, "")
	if err != nil || !r.Stored || r.Username != username {
		return false, err
	}
	err = s.Keychain.Delete(credentialName(s.Issuer, host, ""))
	return err == nil, err
}

func (s *Session) forgetTokens(hosts []string) error {
	for _, host := range hosts {
		if err := s.forgetToken(host); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) forgetToken(host string) error {
	if r, err := s.readSlot(host, s.Identity); err != nil || r.Stored {
		return err
	}
	return s.Keychain.Delete(credentialName(s.Issuer, host, s.Identity))
}

// warnDiscarded names a credential of the user's that is removed from the store. It cannot
// be retrieved again and stays valid on the platform.
func (s *Session) warnDiscarded(r credentialRecord) {
	if !r.isValid(s.Now()) {
		return
	}
	end := ""
	if r.Expires != 0 {
		end = " until " + time.Unix(r.Expires, 0).Local().Format(time.DateOnly)
	}
	err := fmt.Errorf("the credential stored for %s (user %s) is removed here, but remains valid%s", r.Host, platform.Printable(r.Username), end)
	s.Warn(hint.With(err, hint.Do(hint.RevokePullToken, platform.Printable(r.Username))))
}

// joinOnce joins errors, but not two with the same text: a broken store fails for every
// entry.
func joinOnce(errs []error) error {
	seen := map[string]bool{}
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool {
		if err == nil || seen[err.Error()] {
			return true
		}
		seen[err.Error()] = true
		return false
	})...)
}

// readCredential returns the record for host, or the zero record.
func (s *Session) readCredential(host string) (credentialRecord, error) {
	r, err := s.readSlot(host, "")
	if err != nil || s.Identity == "" || r.Stored && r.isValid(s.Now()) {
		return r, err
	}
	return s.readSlot(host, s.Identity)
}

func (s *Session) readSlot(host, identity string) (credentialRecord, error) {
	return read(s, credentialName(s.Issuer, host, identity), func(r credentialRecord) error {
		return r.check(s.Issuer, host, identity)
	})
}

// readSession returns the session's record, or the zero record.
func (s *Session) readSession() (sessionRecord, error) {
	return read(s, sessionName(s.Issuer, s.Identity), func(r sessionRecord) error {
		return r.check(s.Issuer, s.Identity)
	})
}

// readHosts returns the record that all identities share, or an empty one.
func (s *Session) readHosts() (hostsRecord, error) {
	r, err := read(s, hostsName(s.Issuer), func(r hostsRecord) error { return r.check(s.Issuer) })
	r.Version, r.Issuer = recordVersion, s.Issuer
	return r, err
}

// read returns a record, or the zero record if there is none. One that cannot be used
// counts as none: it is reported once, and replaced by the next write.
func read[R any](s *Session, name string, check func(R) error) (R, error) {
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
func (s *Session) write(name string, record any, expires int64) error {
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
