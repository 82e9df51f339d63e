package token

import (
	"encoding/json"
	"fmt"
	"time"
)

// After a sign-in that was not finished, no other one starts by itself for a minute, and
// for twice as long after each further one.
const (
	firstPause = time.Minute
	maxPause   = 15 * time.Minute
)

// backoff is the note of sign-ins that were not finished.
type backoff struct {
	Count int       `json:"count"`
	At    time.Time `json:"at"`
	Until time.Time `json:"until"` // when the next sign-in may start by itself
	Why   string    `json:"why"`
	// Open means that the sign-in may still be going on. The note is written before it
	// starts and counts when the lock is free.
	Open bool `json:"open,omitempty"`
}

// isActive reports whether the note applies now. A note by a clock that was ahead applies
// no longer than any other.
func (b backoff) isActive(now time.Time) bool {
	return b.Count > 0 && now.Before(b.Until) && b.Until.Sub(now) <= maxPause
}

func (b backoff) reason() string {
	return fmt.Sprintf("the sign-in at %s %s; the next one may start by itself at %s",
		b.At.Local().Format("15:04:05"), b.Why, b.Until.Local().Format("15:04:05"))
}

func (s *Session) backoffNote() string { return s.lockName() + ".closed" }

// readBackoff returns the note, or the zero note.
func (s *Session) readBackoff() backoff {
	var b backoff
	text, err := s.Keychain.ReadNote(s.backoffNote())
	if err == nil && json.Unmarshal(text, &b) != nil {
		return backoff{}
	}
	return b
}

// extendBackoff notes one more sign-in that was not finished. open says that it may still
// be going on.
func (s *Session) extendBackoff(before backoff, why string, open bool) {
	now := s.Now()
	pause := firstPause
	if before.Count > 0 && now.Sub(before.At) < 24*time.Hour {
		pause = min(maxPause, firstPause<<min(before.Count, 10))
	} else {
		before.Count = 0
	}
	s.writeBackoff(backoff{Count: before.Count + 1, At: now, Until: now.Add(pause), Why: why, Open: open})
}

// restoreBackoff writes the note as it was before a sign-in.
func (s *Session) restoreBackoff(before backoff) {
	if before.Count == 0 {
		s.clearBackoff()
		return
	}
	s.writeBackoff(before)
}

func (s *Session) writeBackoff(b backoff) {
	text, _ := json.Marshal(b)
	if err := s.Keychain.WriteNote(s.backoffNote(), text); err != nil {
		s.Debug("cannot note the sign-in backoff: %v", err)
	}
}

func (s *Session) clearBackoff() {
	if err := s.Keychain.RemoveNote(s.backoffNote()); err != nil {
		s.Debug("cannot remove the note of the sign-in backoff: %v", err)
	}
}

// A sign-out leaves a note of its time. Work that began before it stores nothing: unlike
// a session, which is gone, an ID token could fetch everything again.

func (s *Session) signedOutNote() string { return lockName(s.Issuer, "") + ".out" }

func (s *Session) noteSignedOut() {
	if err := s.Keychain.WriteNote(s.signedOutNote(), []byte(s.Now().UTC().Format(time.RFC3339Nano))); err != nil {
		s.Debug("cannot note the sign-out: %v", err)
	}
}

// SignedOutSince reports whether a process signed out of the issuer since t.
func (s *Session) SignedOutSince(t time.Time) bool {
	text, err := s.Keychain.ReadNote(s.signedOutNote())
	if err != nil {
		return false
	}
	at, err := time.Parse(time.RFC3339Nano, string(text))
	return err == nil && !at.Before(t)
}
