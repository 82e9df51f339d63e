package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token/store"
)

// Store stores a credential of the user's for host, until it expires. An access token of
// the session's own account is not stored: `docker login` stores what it just got from
// Credential, and the copy would outlive the session.
func (s *Session) Store(ctx context.Context, host, username, secret string) error {
	r := store.Credential{
		Host: host, Username: username, Secret: secret, UserStored: true, StoredAt: s.Now().Unix(),
	}
	if c, err := platform.ParseClaims(secret); err == nil {
		if username == Username {
			session, _ := s.ReadSession()
			ours, _ := s.ReadCredential(host)
			if ours.Secret == secret || session.Subject != "" && session.Subject == c.Subject {
				s.Debug("not stored: it is a token of this session")
				return nil
			}
		}
		if !c.Expires.IsZero() {
			r.Expires = c.Expires.Unix()
		}
	}
	if r.Expires != 0 && !r.IsValid(s.Now()) {
		return fmt.Errorf("the secret for %s expired at %s: nothing was stored", host, time.Unix(r.Expires, 0).Format(time.RFC3339))
	}
	if old, err := s.ReadSlot(host, ""); err == nil && old.UserStored && old.Username != username {
		s.warnDiscarded(old)
	}
	defer s.LockToWrite(ctx)()
	if host != s.Registry {
		defer s.LockHosts(ctx)()
		if err := s.AddHost(host); err != nil {
			return err
		}
	}
	// The slot without an identity is read whatever identity is configured.
	return s.WriteCredential(r)
}

// Erase removes the credential for host. If host is the registry, it removes all that is
// stored for the issuer: the person's session, those of assumed identities, and the
// credentials that the user stored. It is not an error if nothing is stored.
func (s *Session) Erase(ctx context.Context, host string) error {
	defer s.LockToWrite(ctx)()
	if r, err := s.ReadSlot(host, ""); err == nil && r.UserStored {
		s.warnDiscarded(r)
	}
	if host != s.Registry {
		return errors.Join(
			s.DeleteCredential(host, ""),
			s.eraseToken(host))
	}
	s.NoteSignedOut()
	defer s.LockHosts(ctx)()
	known, err := s.ReadHosts()
	errs := []error{err}
	for _, h := range known.Hosts {
		if r, err := s.ReadSlot(h, ""); err == nil && r.UserStored && h != host {
			s.warnDiscarded(r)
		}
	}
	identities := append([]string{"", s.Identity}, known.Identities...)
	slices.Sort(identities)
	for _, identity := range slices.Compact(identities) {
		of := *s
		of.Identity = identity
		session, err := of.ReadSession()
		// The session first: another process could fetch tokens with it.
		errs = append(errs, err, of.DeleteSession())
		for _, h := range slices.Concat([]string{host}, session.Hosts, known.Hosts) {
			errs = append(errs, s.DeleteCredential(h, identity))
		}
	}
	errs = append(errs, s.DeleteHosts())
	return joinOnce(errs)
}

// SignOut is Erase for the registry, and ends the sign-in backoff: the user asked for it.
func (s *Session) SignOut(ctx context.Context) error {
	s.ClearBackoff()
	return s.Erase(ctx, s.Registry)
}

// EraseElsewhere is Erase for a store that is not in use any more. It gives up if the
// store is not there.
func (s *Session) EraseElsewhere(ctx context.Context) error {
	if _, err := s.ReadSession(); err != nil {
		return err
	}
	return s.Erase(ctx, s.Registry)
}

// EraseToken removes the access token for host, but not the session or what the user
// stored.
func (s *Session) EraseToken(ctx context.Context, host string) error {
	defer s.LockToWrite(ctx)()
	return s.eraseToken(host)
}

// EraseUserStored removes what the user stored for host, if it is of username, and reports
// whether it was. The session stays.
func (s *Session) EraseUserStored(ctx context.Context, host, username string) (forgotten bool, err error) {
	defer s.LockToWrite(ctx)()
	r, err := s.ReadSlot(host, "")
	if err != nil || !r.UserStored || r.Username != username {
		return false, err
	}
	err = s.DeleteCredential(host, "")
	return err == nil, err
}

func (s *Session) eraseTokens(hosts []string) error {
	for _, host := range hosts {
		if err := s.eraseToken(host); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) eraseToken(host string) error {
	if r, err := s.ReadSlot(host, s.Identity); err != nil || r.UserStored {
		return err
	}
	return s.DeleteCredential(host, s.Identity)
}

// warnDiscarded names a credential of the user's that is removed from the store. It cannot
// be retrieved again and stays valid on the platform.
func (s *Session) warnDiscarded(r store.Credential) {
	if !r.IsValid(s.Now()) {
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
