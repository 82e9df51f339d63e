package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"docker-credential-cgr/platform"
)

// version is the version of the records below. Records of other versions are not used.
const version = 1

// lastUse is how long before its end a token is used for the last time: the pull that it is
// for takes a while.
const lastUse = time.Minute

// Credential is the record of a user name and secret for one host and identity. A valid one
// is found in one look-up.
type Credential struct {
	Version    int    `json:"v"`
	Issuer     string `json:"issuer"`
	Host       string `json:"host"`
	Identity   string `json:"identity,omitempty"`
	Username   string `json:"username"`
	Secret     string `json:"secret"`
	UserStored bool   `json:"stored,omitempty"` // by the user (docker login)
	// Times are in Unix seconds by this machine's clock.
	StoredAt int64 `json:"stored_at"`
	Renew    int64 `json:"renew,omitempty"` // when to refresh it; 0: never
	Expires  int64 `json:"expires,omitempty"`
	// SessionEnds is when the person has to sign in again, so that a `get` that reads no
	// other record can warn; 0 if no warning is due.
	SessionEnds int64 `json:"session_ends,omitempty"`
}

// MaxStored is how long an access token is stored at most, whatever its claims say.
const MaxStored = 24 * time.Hour

// IsValid reports whether the credential can be used at now. A token that was stored in the
// future, by a clock that has been set back since, cannot.
func (r Credential) IsValid(now time.Time) bool {
	if r.Secret == "" {
		return false
	}
	if r.UserStored {
		return r.Expires == 0 || now.Unix() < r.Expires
	}
	return now.Before(time.Unix(r.Expires, 0).Add(-lastUse)) && now.After(time.Unix(r.StoredAt, 0).Add(-platform.ClockSlack))
}

// NeedsRefresh reports whether the credential should be refreshed at now.
func (r Credential) NeedsRefresh(now time.Time) bool {
	return r.Renew != 0 && now.Unix() >= r.Renew
}

// Replaces reports whether the credential can be used at now in place of previous: another
// process has fetched it. Tokens that live for less than lastUse are never valid.
func (r Credential) Replaces(previous Credential, now time.Time) bool {
	return r.IsValid(now) || r != previous && r.Secret != "" && now.Unix() < r.Expires
}

// Check returns an error unless this is a complete record for the issuer, host and
// identity. Another program may have written it.
func (r Credential) Check(issuer, host, identity string) error {
	switch {
	case r.Issuer != issuer || r.Host != host || r.Identity != identity:
		return errors.New("it is of another issuer, host or identity")
	case r.Username == "" || r.Secret == "" || platform.HasControl(r.Username) || platform.HasControl(r.Secret):
		return errors.New("its user name or secret is not usable")
	case !r.UserStored && (r.Expires <= 0 || r.Expires > r.StoredAt+int64(MaxStored/time.Second)):
		return errors.New("its times are not plausible")
	}
	return nil
}

// Session is the record of a sign-in: its refresh token, and whose it is.
type Session struct {
	Version  int    `json:"v"`
	Issuer   string `json:"issuer"`
	Identity string `json:"identity,omitempty"`
	// Generation grows with every write. A process that finds another generation than it
	// has read knows that the session was replaced.
	Generation     int64    `json:"generation"`
	SignedIn       int64    `json:"signed_in,omitempty"` // Unix milliseconds; tells one sign-in from the next
	Refresh        string   `json:"refresh"`             // empty if there is none, or the issuer has ended the session
	RefreshExpires int64    `json:"refresh_expires,omitempty"`
	Subject        string   `json:"subject"`
	Email          string   `json:"email,omitempty"`
	Hosts          []string `json:"hosts,omitempty"` // that have a credential of this session
}

// CanRefresh reports whether there is a refresh token to try. The clock may be a little
// off, and the issuer knows.
func (r Session) CanRefresh(now time.Time) bool {
	return r.Refresh != "" && (r.RefreshExpires == 0 || now.Before(time.Unix(r.RefreshExpires, 0).Add(platform.ClockSlack)))
}

// shortSession is the length of a session up to which its end is no surprise: some
// organizations have people sign in every hour.
const shortSession = 2 * time.Hour

// EndToWarnOf returns when the session ends, in Unix seconds, or 0 if that is not known or
// the session is short.
func (r Session) EndToWarnOf() int64 {
	if r.Refresh == "" || r.RefreshExpires == 0 || time.Duration(r.RefreshExpires-r.SignedIn/1000)*time.Second <= shortSession {
		return 0
	}
	return r.RefreshExpires
}

func (r Session) Check(issuer, identity string) error {
	switch {
	case r.Issuer != issuer || r.Identity != identity:
		return errors.New("it is of another issuer or identity")
	case platform.HasControl(r.Refresh):
		return errors.New("its refresh token has control characters")
	}
	return nil
}

// AddHost adds host and reports whether it is new.
func (r *Session) AddHost(host string) bool {
	if slices.Contains(r.Hosts, host) {
		return false
	}
	r.Hosts = append(r.Hosts, host)
	return true
}

// Hosts is the record that lists the hosts below the registry for which the user has stored a
// credential, and the identities that were assumed, so that signing out finds them. It is
// not part of the session, which storing a credential must not change.
type Hosts struct {
	Version    int      `json:"v"`
	Issuer     string   `json:"issuer"`
	Hosts      []string `json:"hosts"`
	Identities []string `json:"identities,omitempty"`
}

func (r Hosts) Check(issuer string) error {
	if r.Issuer != issuer {
		return errors.New("it is of another issuer")
	}
	return nil
}

// nextGeneration returns a generation after g, and after those of records that a sign-out
// has removed.
func nextGeneration(g int64, now time.Time) int64 { return max(g+1, now.UnixMilli()) }

// decodeRecord decodes a record if its version is known.
func decodeRecord(text string, record any) error {
	var envelope struct {
		Version int `json:"v"`
	}
	if json.Unmarshal([]byte(text), &envelope) != nil {
		return errors.New("it is not a record of this program")
	}
	if envelope.Version != version {
		return fmt.Errorf("it has version %d, and this program knows version %d", envelope.Version, version)
	}
	if json.Unmarshal([]byte(text), record) != nil {
		return errors.New("it is damaged")
	}
	return nil
}

// The names of the entries in the keychain. An identity's ID contains no space.

func credentialName(issuer, host, identity string) string {
	return withIdentity("credential "+host+" "+issuer, identity)
}

func sessionName(issuer, identity string) string {
	return withIdentity("session "+issuer, identity)
}

func hostsName(issuer string) string { return "hosts " + issuer }

func withIdentity(name, identity string) string {
	if identity == "" {
		return name
	}
	return name + " " + identity
}

// lockName returns the name of a session's lock. The names of its notes begin with it.
func lockName(issuer, identity string) string {
	hash := sha256.Sum256([]byte(sessionName(issuer, identity)))
	return "session-" + hex.EncodeToString(hash[:8])
}
