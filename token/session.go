// Package token says where an access token comes from: it is kept, or refreshed,
// or somebody signs in for it. A Session does this for one issuer and identity,
// and sees to it that of many processes which need a token at once one fetches it.
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

// Username is the user name that goes with an access token as a password.
const Username = "_token"

// Credential is a user name and secret for a registry host.
type Credential struct {
	Username string
	Secret   string
	Expires  time.Time // by this machine's clock; zero where not known
	Renew    time.Time // from when on a new one is tried for; zero: never
	Stored   bool      // the user gave it to us (docker login)
}

// NotSignedInError means that there is no credential, and that no person may be asked to
// sign in now. Public images can still be pulled.
type NotSignedInError struct{ Err error }

func (e *NotSignedInError) Error() string { return "not signed in: " + e.Err.Error() }
func (e *NotSignedInError) Unwrap() error { return e.Err }

// notSignedIn returns a *NotSignedInError with the hint to sign in.
func notSignedIn(format string, args ...any) error {
	return &NotSignedInError{hint.With(fmt.Errorf(format, args...), hint.Do(hint.SignIn))}
}

// Session is one identity's standing with one issuer, as the keychain has it. Its
// fields are set once, before its methods are called, by one goroutine at a time.
type Session struct {
	Issuer   string // URL, without a trailing slash
	Identity string // UIDP of the identity to assume; empty for a person
	Registry string // the registry's host, with its port where that is not 443
	API      string // URL of the platform API, which is its audience too
	// RegistryURL is where a sign-in's access token is tried that the API could
	// not judge; without a trailing slash.
	RegistryURL string

	Keychain *keychain.Keychain
	STS      *platform.STS
	// IDToken returns an ID token of this machine, which may assume Identity or,
	// where that is empty, the one identity that it matches. Nil where there is none.
	IDToken func(context.Context) (string, error)
	// SignIn asks a person to sign in. It is nil if no person may be asked; NoSignIn
	// then says why.
	SignIn   func(context.Context, SignInRequest) (*Grant, error)
	NoSignIn error
	// Audiences are what a sign-in is for beside the registry and the API.
	Audiences []string
	// ConfirmAccount asks whether a sign-in by another account than the last one
	// is meant. Nil refuses it.
	ConfirmAccount func(last, now Account) bool
	// Patience is how long to wait for another process that is at work.
	Patience time.Duration

	// Watch is called before work that takes a while; the context that it gives
	// ends when somebody wants it to stop. Nil where the caller's does already.
	Watch func(context.Context) (context.Context, context.CancelFunc)
	// WarnBeforeEnd has Credential warn once per session when less than an hour of
	// it is left.
	WarnBeforeEnd bool

	Now   func() time.Time
	Warn  func(error)
	Note  func(format string, args ...any) // one line for the user that is no warning
	Debug func(format string, args ...any)

	named map[string]bool // entries that were named as unusable
}

// ErrInterrupted is the cause of a context that a person's Ctrl-C ended.
var ErrInterrupted = errors.New("interrupted")

func (s *Session) watch(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.Watch == nil {
		return ctx, func() {}
	}
	return s.Watch(ctx)
}

func (s *Session) lockName() string { return lockName(s.Issuer, s.Identity) }

// audience is what a token for host is asked for. Hosts below the registry's have
// an audience each, but for skills, which takes the registry's own.
func (s *Session) audience(host string) string {
	if host == "skills."+s.Registry {
		return s.Registry
	}
	return host
}

// ask is what a token for host is refreshed with.
func (s *Session) ask(host string) platform.Ask {
	return platform.Ask{Audiences: []string{s.audience(host)}}
}

// Credential gives a credential for host: what is kept, else a refreshed one,
// else one that somebody signs in for. Its error is a *NotSignedInError where
// there is none to be had, and whatever failed otherwise.
func (s *Session) Credential(ctx context.Context, host string) (Credential, error) {
	r, err := s.readCredential(host)
	if err != nil {
		return Credential{}, err
	}
	switch now := s.Now(); {
	case r.fresh(now):
		s.Debug("the kept credential for %s is good", host)
	case r.usable(now):
		r = s.renewEarly(ctx, host, r)
	default:
		if r, err = s.obtain(ctx, host, r); err != nil {
			return Credential{}, err
		}
	}
	s.warnBeforeEnd(r)
	return r.credential(), nil
}

// Store keeps a credential that the user gave for host; it is given from then on,
// until it expires. An access token of the session's own account is not kept:
// `docker login` stores what it just got from us, and a copy would outlive it.
func (s *Session) Store(ctx context.Context, host, username, secret string) error {
	r := credentialRecord{
		Version: recordVersion, Issuer: s.Issuer, Host: host, Username: username, Secret: secret,
		Stored: true, Kept: s.Now().Unix(),
	}
	if c, err := platform.ParseClaims(secret); err == nil {
		if username == Username {
			session, _ := s.readSession()
			kept, _ := s.readCredential(host)
			if kept.Secret == secret || session.Subject != "" && session.Subject == c.Subject {
				s.Debug("not stored: it is a token of this session")
				return nil
			}
		}
		if !c.Expires.IsZero() {
			r.Expires = c.Expires.Unix()
		}
	}
	if r.Expires != 0 && !r.usable(s.Now()) {
		return fmt.Errorf("the secret given for %s expired at %s: nothing was stored", host, time.Unix(r.Expires, 0).Format(time.RFC3339))
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
	// The slot of no identity is looked at whatever identity is configured.
	return s.write(credentialName(s.Issuer, host, ""), r, r.Expires)
}

// Forget removes the credential for host and, where host is the registry,
// everything: the person's session, those of assumed identities, and all that was
// stored. Nothing there is no error.
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
		// First what could bring the rest back.
		errs = append(errs, err, s.Keychain.Delete(sessionName(s.Issuer, identity)))
		for _, h := range slices.Concat([]string{host}, session.Hosts, known.Hosts) {
			errs = append(errs, s.Keychain.Delete(credentialName(s.Issuer, h, identity)))
		}
	}
	errs = append(errs, s.Keychain.Delete(hostsName(s.Issuer)))
	return joinOnce(errs)
}

// SignOut is Forget for the registry by a person who said so: the window that was
// closed before is forgotten too.
func (s *Session) SignOut(ctx context.Context) error {
	s.clearClosed()
	return s.Forget(ctx, s.Registry)
}

// WarnReplaced names the credential stored for host, if it is of another user than the
// one that is about to take its place.
func (s *Session) WarnReplaced(host, username string) {
	if r, err := s.readSlot(host, ""); err == nil && r.Stored && r.Username != username {
		s.warnDiscarded(r)
	}
}

// warnDiscarded names a credential of the user's that is removed here, and cannot be
// had again: it stays valid on the platform.
func (s *Session) warnDiscarded(r credentialRecord) {
	if !r.usable(s.Now()) {
		return
	}
	end := ""
	if r.Expires != 0 {
		end = " until " + time.Unix(r.Expires, 0).Local().Format("2006-01-02")
	}
	err := fmt.Errorf("the credential stored for %s (user %s) is removed here, but remains valid%s", r.Host, platform.Printable(r.Username), end)
	s.Warn(hint.With(err, hint.Do(hint.RevokePullToken, platform.Printable(r.Username))))
}

// joinOnce joins errors, each text once: a store that fails does so at every entry.
func joinOnce(errs []error) error {
	said := map[string]bool{}
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool {
		if err == nil || said[err.Error()] {
			return true
		}
		said[err.Error()] = true
		return false
	})...)
}

// ForgetToken removes the access token for host alone. The session stays, and
// what the user stored.
func (s *Session) ForgetToken(ctx context.Context, host string) error {
	defer s.lockToWrite(ctx)()
	return s.forgetToken(host)
}

func (s *Session) forgetToken(host string) error {
	if r, err := s.readSlot(host, s.Identity); err != nil || r.Stored {
		return err
	}
	return s.Keychain.Delete(credentialName(s.Issuer, host, s.Identity))
}

// ForgetStored removes what the user stored for host, if it is username's, and
// says whether it was. The session stays.
func (s *Session) ForgetStored(ctx context.Context, host, username string) (forgotten bool, err error) {
	defer s.lockToWrite(ctx)()
	r, err := s.readSlot(host, "")
	if err != nil || !r.Stored || r.Username != username {
		return false, err
	}
	err = s.Keychain.Delete(credentialName(s.Issuer, host, ""))
	return err == nil, err
}

// ForgetElsewhere is Forget for a store that is not the one in use, where a former
// session may rest. It gives up at the first sign that the store is not there.
func (s *Session) ForgetElsewhere(ctx context.Context) error {
	if _, err := s.readSession(); err != nil {
		return err
	}
	return s.Forget(ctx, s.Registry)
}

// Usernames gives, for each host that Credential could answer for without asking
// anybody, the user name that it would give.
func (s *Session) Usernames() (map[string]string, error) {
	names := map[string]string{}
	session, err := s.readSession()
	if err != nil {
		return nil, err
	}
	stored, err := s.readHosts()
	if err != nil {
		return nil, err
	}
	hosts := slices.Concat([]string{s.Registry}, session.Hosts, stored.Hosts)
	slices.Sort(hosts)
	for _, host := range slices.Compact(hosts) {
		if host == s.API {
			continue // it is not a registry: no client asks for it
		}
		r, err := s.readCredential(host)
		if err != nil {
			return nil, err
		}
		if r.usable(s.Now()) {
			names[host] = r.Username
		} else if s.renewable(session) {
			names[host] = Username
		}
	}
	return names, nil
}

// storesNothing reports whether the session is of a machine's ID token without the name
// of an identity. Whose it is shows only at the exchange, and the next job on the same
// machine may be another one, so its tokens are not stored. What a person has stored on
// the machine comes first, as everywhere.
func (s *Session) storesNothing() bool { return s.IDToken != nil && s.Identity == "" }

// readCredential reads the record for host. An absent one is the zero record.
func (s *Session) readCredential(host string) (credentialRecord, error) {
	r, err := s.readSlot(host, "")
	if err != nil || s.Identity == "" || r.Stored && r.usable(s.Now()) {
		return r, err
	}
	return s.readSlot(host, s.Identity)
}

func (s *Session) readSlot(host, identity string) (credentialRecord, error) {
	var r credentialRecord
	name := credentialName(s.Issuer, host, identity)
	err := s.read(name, &r, func() error { return r.valid(s.Issuer, host, identity) })
	if err != nil {
		return credentialRecord{}, hideNotFound(err)
	}
	return r, nil
}

// readSession reads the session's record. An absent one is the zero record.
func (s *Session) readSession() (sessionRecord, error) {
	var r sessionRecord
	name := sessionName(s.Issuer, s.Identity)
	err := s.read(name, &r, func() error { return r.valid(s.Issuer, s.Identity) })
	if err != nil {
		return sessionRecord{}, hideNotFound(err)
	}
	return r, nil
}

// readHosts reads the list of hosts with stored pairs; an absent one is empty.
func (s *Session) readHosts() (hostsRecord, error) {
	var r hostsRecord
	err := s.read(hostsName(s.Issuer), &r, func() error { return r.valid(s.Issuer) })
	if err != nil {
		return hostsRecord{Version: recordVersion, Issuer: s.Issuer}, hideNotFound(err)
	}
	return r, nil
}

// read reads a record. One that cannot be used counts as absent and is named
// once; it is replaced at the next write.
func (s *Session) read(name string, record any, valid func() error) error {
	text, err := s.Keychain.Get(name)
	if err != nil {
		return err
	}
	err = decodeRecord(text, record)
	if err == nil {
		err = valid()
	}
	if err != nil {
		if !s.named[name] {
			s.Warn(fmt.Errorf("the entry %q in the %s is not used: %w", name, s.Keychain, err))
			if s.named == nil {
				s.named = map[string]bool{}
			}
			s.named[name] = true
		}
		return keychain.ErrNotFound
	}
	return nil
}

// write keeps a record; expires is when it is of no use any more, in Unix
// seconds, or 0.
func (s *Session) write(name string, record any, expires int64) error {
	text, err := json.Marshal(record)
	if err != nil {
		return err // not possible: the records hold strings and numbers
	}
	var until time.Time
	if expires != 0 {
		until = time.Unix(expires, 0)
	}
	return s.Keychain.Set(name, string(text), until)
}

func hideNotFound(err error) error {
	if errors.Is(err, keychain.ErrNotFound) {
		return nil
	}
	return err
}
