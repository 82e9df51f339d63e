package store

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// After a sign-in that was not finished, no other one starts by itself for a minute, and
// for twice as long after each further one.
const (
	firstPause = time.Minute
	maxPause   = 15 * time.Minute
)

// Backoff is the note of sign-ins that were not finished.
type Backoff struct {
	Count int       `json:"count"`
	At    time.Time `json:"at"`
	Until time.Time `json:"until"` // when the next sign-in may start by itself
	Why   string    `json:"why"`
	// Open means that the sign-in may still be going on. The note is written before it
	// starts and counts when the lock is free.
	Open bool `json:"open,omitempty"`
}

// IsActive reports whether the note applies now. A note by a clock that was ahead applies
// no longer than any other.
func (b Backoff) IsActive(now time.Time) bool {
	return b.Count > 0 && now.Before(b.Until) && b.Until.Sub(now) <= maxPause
}

// Reason returns why no sign-in starts, as the end of a sentence.
func (b Backoff) Reason() string {
	return fmt.Sprintf("the sign-in at %s %s; the next one may start by itself at %s",
		b.At.Local().Format("15:04:05"), b.Why, b.Until.Local().Format("15:04:05"))
}

func (s *Records) backoffNote() string { return s.LockName() + ".closed" }

// ReadBackoff returns the note, or the zero note.
func (s *Records) ReadBackoff() Backoff {
	var b Backoff
	text, err := s.Keychain.ReadNote(s.backoffNote())
	if err == nil && json.Unmarshal(text, &b) != nil {
		return Backoff{}
	}
	return b
}

// ExtendBackoff notes one more sign-in that was not finished. open says that it may still
// be going on.
func (s *Records) ExtendBackoff(before Backoff, why string, open bool) {
	now := s.Now()
	pause := firstPause
	if before.Count > 0 && now.Sub(before.At) < 24*time.Hour {
		pause = min(maxPause, firstPause<<min(before.Count, 10))
	} else {
		before.Count = 0
	}
	s.writeBackoff(Backoff{Count: before.Count + 1, At: now, Until: now.Add(pause), Why: why, Open: open})
}

// RestoreBackoff writes the note as it was before a sign-in.
func (s *Records) RestoreBackoff(before Backoff) {
	if before.Count == 0 {
		s.ClearBackoff()
		return
	}
	s.writeBackoff(before)
}

func (s *Records) writeBackoff(b Backoff) {
	text, _ := json.Marshal(b)
	if err := s.Keychain.WriteNote(s.backoffNote(), text); err != nil {
		s.Debug("cannot note the sign-in backoff: %v", err)
	}
}

// ClearBackoff removes the note.
func (s *Records) ClearBackoff() {
	if err := s.Keychain.RemoveNote(s.backoffNote()); err != nil {
		s.Debug("cannot remove the note of the sign-in backoff: %v", err)
	}
}

// A sign-out leaves a note of its time. Work that began before it stores nothing: unlike
// a session, which is gone, an ID token could fetch everything again.

func (s *Records) signedOutNote() string { return lockName(s.Issuer, "") + ".out" }

// NoteSignedOut notes that the user signed out now.
func (s *Records) NoteSignedOut() {
	if err := s.Keychain.WriteNote(s.signedOutNote(), []byte(s.Now().UTC().Format(time.RFC3339Nano))); err != nil {
		s.Debug("cannot note the sign-out: %v", err)
	}
}

// SignedOutSince reports whether a process signed out of the issuer since t.
func (s *Records) SignedOutSince(t time.Time) bool {
	text, err := s.Keychain.ReadNote(s.signedOutNote())
	if err != nil {
		return false
	}
	at, err := time.Parse(time.RFC3339Nano, string(text))
	return err == nil && !at.Before(t)
}

// WasWarned reports whether the user was warned of the session that ends at end, in Unix
// seconds, and notes that they are now.
func (s *Records) WasWarned(end int64) bool {
	note, text := s.LockName()+".warned", strconv.FormatInt(end, 10)
	if warned, err := s.Keychain.ReadNote(note); err == nil && string(warned) == text {
		return true
	}
	if err := s.Keychain.WriteNote(note, []byte(text)); err != nil {
		s.Debug("cannot note that the user was warned: %v", err)
	}
	return false
}
