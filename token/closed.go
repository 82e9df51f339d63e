package token

import (
	"encoding/json"
	"fmt"
	"time"
)

// A sign-in that was left is an answer: nothing opens another window by itself
// for a minute, and twice as long after each further one.
const (
	firstPause = time.Minute
	maxPause   = 15 * time.Minute
)

// closedWindow is the note of sign-ins that did not end well.
type closedWindow struct {
	Count int       `json:"count"`
	At    time.Time `json:"at"`
	Until time.Time `json:"until"` // when `get` may open the next window
	Why   string    `json:"why"`
	// Open says that the window may still be open: the note was made beforehand,
	// and counts only once the lock is free.
	Open bool `json:"open,omitempty"`
}

// active says whether the note still holds. One from a clock that was ahead does
// not hold for longer than any could.
func (c closedWindow) active(now time.Time) bool {
	return c.Count > 0 && now.Before(c.Until) && c.Until.Sub(now) <= maxPause
}

func (c closedWindow) reason() string {
	return fmt.Sprintf("the sign-in at %s %s; the next window may open by itself at %s",
		c.At.Local().Format("15:04:05"), c.Why, c.Until.Local().Format("15:04:05"))
}

// readClosed gives the note, or the zero note.
func (s *Session) readClosed() closedWindow {
	var c closedWindow
	text, err := s.Keychain.ReadNote(s.lockName() + ".closed")
	if err == nil && json.Unmarshal(text, &c) != nil {
		return closedWindow{}
	}
	return c
}

// noteOpen writes the note of a window that is about to open, for the case that
// its process is killed: that writes no note.
func (s *Session) noteOpen(before closedWindow) { s.note(before, "was left", true) }

// noteClosed writes the note of one more sign-in that ended for the reason why.
func (s *Session) noteClosed(before closedWindow, why string) { s.note(before, why, false) }

func (s *Session) note(before closedWindow, why string, open bool) {
	now := s.Now()
	pause := firstPause
	// After a quiet day the count starts anew.
	if before.Count > 0 && now.Sub(before.At) < 24*time.Hour {
		pause = min(maxPause, firstPause<<min(before.Count, 10))
	} else {
		before.Count = 0
	}
	text, _ := json.Marshal(closedWindow{Count: before.Count + 1, At: now, Until: now.Add(pause), Why: why, Open: open})
	if err := s.Keychain.WriteNote(s.lockName()+".closed", text); err != nil {
		s.Debug("cannot note the closed window: %v", err)
	}
}

// restoreClosed puts back the note as it was before a sign-in began.
func (s *Session) restoreClosed(before closedWindow) {
	if before.Count == 0 {
		s.clearClosed()
		return
	}
	text, _ := json.Marshal(before)
	if err := s.Keychain.WriteNote(s.lockName()+".closed", text); err != nil {
		s.Debug("cannot restore the note of a closed window: %v", err)
	}
}

func (s *Session) clearClosed() {
	if err := s.Keychain.RemoveNote(s.lockName() + ".closed"); err != nil {
		s.Debug("cannot remove the note of a closed window: %v", err)
	}
}
