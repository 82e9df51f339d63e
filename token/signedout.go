package token

import (
	"context"
	"time"
)

// A sign-out leaves word beside the locks, of when it was. Work for an identity
// that was on its way then keeps nothing: unlike a person's session, which is gone,
// an ID token could bring it all back.

func (s *Session) signedOutNote() string { return lockName(s.Issuer, "") + ".out" }

func (s *Session) noteSignedOut() {
	if err := s.Keychain.WriteNote(s.signedOutNote(), []byte(s.Now().UTC().Format(time.RFC3339Nano))); err != nil {
		s.Debug("cannot note the sign-out: %v", err)
	}
}

// SignedOutSince says whether somebody signed out of the issuer since t.
func (s *Session) SignedOutSince(t time.Time) bool {
	text, err := s.Keychain.ReadNote(s.signedOutNote())
	if err != nil {
		return false
	}
	at, err := time.Parse(time.RFC3339Nano, string(text))
	return err == nil && !at.Before(t)
}

// lockHosts takes the lock of the record that all identities share, for a change of
// it, and gives what releases it. After a while it goes on without.
func (s *Session) lockHosts(ctx context.Context) (unlock func()) {
	unlock, _ = s.waitForLock(ctx, "hosts-"+lockName(s.Issuer, ""))
	return unlock
}
