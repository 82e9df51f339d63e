package token

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

// recordVersion is the version of the records below. A reader takes no other.
const recordVersion = 1

// Times of an access token's life.
const (
	// lastUse is how long before its end a kept token is given for the last
	// time: a pull that starts with it has to get somewhere.
	lastUse = time.Minute
	// maxMargin bounds how early a refresh is tried: BuildKit keeps an answer
	// for almost five minutes, and must not find it expired.
	maxMargin = 10 * time.Minute
	// maxKept is how long an access token is kept at most, whatever it claims.
	maxKept = 24 * time.Hour
)

// credentialRecord is the hot record: what `get` prints for one host and
// identity, so that a warm `get` is one look-up.
type credentialRecord struct {
	Version  int    `json:"v"`
	Issuer   string `json:"issuer"`
	Host     string `json:"host"`
	Identity string `json:"identity,omitempty"`
	Username string `json:"username"`
	Secret   string `json:"secret"`
	Stored   bool   `json:"stored,omitempty"` // given by the user (docker login)
	Kept     int64  `json:"kept"`             // when, as are the next ones, in Unix seconds of this machine's clock
	Renew    int64  `json:"renew,omitempty"`  // from when on a refresh is tried; 0: never
	Expires  int64  `json:"expires,omitempty"`
	// SessionEnds is when the person has to sign in again, so that a `get` that
	// reads nothing else can warn of it; 0 where no warning is due.
	SessionEnds int64 `json:"session_ends,omitempty"`
}

// usable says whether the credential may be given at now. The times of one that
// was kept in the future say nothing, but for a clock that was set back a little.
func (r credentialRecord) usable(now time.Time) bool {
	if r.Secret == "" {
		return false
	}
	if r.Stored {
		return r.Expires == 0 || now.Unix() < r.Expires
	}
	return now.Before(time.Unix(r.Expires, 0).Add(-lastUse)) && now.After(time.Unix(r.Kept, 0).Add(-platform.ClockSlack))
}

// replaces reports whether the credential may be given at now in place of the former
// one: another process has got it meanwhile. Where tokens live for less than lastUse
// there is none better.
func (r credentialRecord) replaces(former credentialRecord, now time.Time) bool {
	return r.usable(now) || r != former && r.Secret != "" && now.Unix() < r.Expires
}

// fresh says whether the credential is usable and no refresh is due.
func (r credentialRecord) fresh(now time.Time) bool {
	return r.usable(now) && (r.Renew == 0 || now.Unix() < r.Renew)
}

func (r credentialRecord) credential() Credential {
	c := Credential{Username: r.Username, Secret: r.Secret, Stored: r.Stored}
	if r.Expires != 0 {
		c.Expires = time.Unix(r.Expires, 0)
	}
	if r.Renew != 0 {
		c.Renew = time.Unix(r.Renew, 0)
	}
	return c
}

// valid says whether the record is a whole one, for this issuer, host and
// identity: what lies under our name need not be ours.
func (r credentialRecord) valid(issuer, host, identity string) error {
	switch {
	case r.Issuer != issuer || r.Host != host || r.Identity != identity:
		return errors.New("it is of another issuer, host or identity")
	case r.Username == "" || r.Secret == "" || platform.HasControl(r.Username) || platform.HasControl(r.Secret):
		return errors.New("it has no user name and secret that can be used")
	case !r.Stored && (r.Expires <= 0 || r.Expires > r.Kept+int64(maxKept/time.Second)):
		return errors.New("its times cannot be right")
	}
	return nil
}

// sessionRecord is what a sign-in left: the refresh token, and whose it is.
type sessionRecord struct {
	Version  int    `json:"v"`
	Issuer   string `json:"issuer"`
	Identity string `json:"identity,omitempty"`
	// Generation grows with every write. Who comes to write compares it with the
	// one that was read: another means that the work was overtaken.
	Generation     int64    `json:"generation"`
	SignedIn       int64    `json:"signed_in,omitempty"` // when, in Unix milliseconds: tells one sign-in from the next
	Refresh        string   `json:"refresh"`             // empty once the issuer has ended the session
	RefreshExpires int64    `json:"refresh_expires,omitempty"`
	Subject        string   `json:"subject"`
	Email          string   `json:"email,omitempty"`
	Hosts          []string `json:"hosts,omitempty"` // that have a credential record of this session
}

// alive says whether there is a refresh token to try. By a clock that is a
// little off, an ended one is tried all the same: the issuer knows.
func (r sessionRecord) alive(now time.Time) bool {
	return r.Refresh != "" && (r.RefreshExpires == 0 || now.Before(time.Unix(r.RefreshExpires, 0).Add(platform.ClockSlack)))
}

func (r sessionRecord) account() Account { return Account{Subject: r.Subject, Email: r.Email} }

// shortSession is how long a session lasts at most whose end is no surprise: some
// organizations have people sign in every hour.
const shortSession = 2 * time.Hour

// endToWarnOf returns when the session ends, in Unix seconds, or 0 where that is
// not known or where the session is short.
func (r sessionRecord) endToWarnOf() int64 {
	if r.Refresh == "" || r.RefreshExpires == 0 || time.Duration(r.RefreshExpires-r.SignedIn/1000)*time.Second <= shortSession {
		return 0
	}
	return r.RefreshExpires
}

func (r sessionRecord) valid(issuer, identity string) error {
	switch {
	case r.Issuer != issuer || r.Identity != identity:
		return errors.New("it is of another issuer or identity")
	case platform.HasControl(r.Refresh):
		return errors.New("its refresh token holds control characters")
	}
	return nil
}

// addHost notes host, and says whether it was new.
func (r *sessionRecord) addHost(host string) bool {
	if slices.Contains(r.Hosts, host) {
		return false
	}
	r.Hosts = append(r.Hosts, host)
	return true
}

// hostsRecord lists the hosts below the registry for which the user has stored a
// pair, and the identities that were assumed, so that signing out finds them all.
// It is apart from the session, which storing a pair must not touch.
type hostsRecord struct {
	Version    int      `json:"v"`
	Issuer     string   `json:"issuer"`
	Hosts      []string `json:"hosts"`
	Identities []string `json:"identities,omitempty"`
}

func (r hostsRecord) valid(issuer string) error {
	if r.Issuer != issuer {
		return errors.New("it is of another issuer")
	}
	return nil
}

// nextGeneration is later than both g and the records of an earlier life, which
// a logout has removed.
func nextGeneration(g int64, now time.Time) int64 { return max(g+1, now.UnixMilli()) }

// decodeRecord reads a record's JSON, after a look at its version alone.
func decodeRecord(text string, record any) error {
	var version struct {
		Version int `json:"v"`
	}
	if json.Unmarshal([]byte(text), &version) != nil {
		return errors.New("it is no record of this program")
	}
	if version.Version != recordVersion {
		return fmt.Errorf("it is of version %d, where this program knows %d", version.Version, recordVersion)
	}
	if json.Unmarshal([]byte(text), record) != nil {
		return errors.New("it is damaged")
	}
	return nil
}

// The names of things in the keychain: each holds all that tells one record from
// another, in a fixed order. An identity's id holds no space.

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

// lockName is the name of a session's lock and of the notes beside it.
func lockName(issuer, identity string) string {
	hash := sha256.Sum256([]byte(sessionName(issuer, identity)))
	return "session-" + hex.EncodeToString(hash[:8])
}
