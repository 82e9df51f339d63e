package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
)

// SignInError means that a person closed or refused a sign-in, or did not finish it in time.
type SignInError struct {
	Why string // continues a sentence that begins with "the sign-in"
}

func (e *SignInError) Error() string { return "the sign-in " + e.Why }

// Account is who signed in, and for how long.
type Account struct {
	Subject string // UIDP
	Email   string // may be empty
	// Until is when the person has to sign in again; zero where not known.
	Until time.Time
	// Renewable says that the session renews its tokens by itself until then.
	Renewable bool

	short bool // it lasts no longer than shortSession
}

// String is the name that people know the account by.
func (a Account) String() string {
	if a.Email != "" {
		return platform.Printable(a.Email)
	}
	return platform.Printable(a.Subject)
}

// Describe returns the account's name, until when its session lasts, and whether
// it has to be renewed by hand.
func (a Account) Describe() string {
	text := a.String()
	if a.Until.IsZero() {
		return text
	}
	text += " until " + a.Until.Local().Format("2006-01-02 15:04")
	if !a.Renewable {
		text += " (this session cannot be renewed: sign in again then)"
	}
	return text
}

// EndsSoon reports whether a session that lasts longer than some hours has less
// than one left at now.
func (a Account) EndsSoon(now time.Time) bool {
	return a.Renewable && !a.short && !a.Until.IsZero() && a.Until.Sub(now) < hourLeft
}

// Login has a person sign in, whatever is stored, or exchanges an ID token where
// there is one, and returns whose session it is. If another process is at a sign-in
// already, that one's outcome counts.
func (s *Session) Login(ctx context.Context) (Account, error) {
	before, err := s.readSession()
	if err != nil {
		return Account{}, err
	}
	// Before a person goes through a sign-in for nothing.
	if err := s.Keychain.Probe(); err != nil &&
		!(s.IDToken != nil && (errors.Is(err, keychain.ErrKeepsNothing) || errors.Is(err, keychain.ErrNoStore))) {
		return Account{}, fmt.Errorf("a sign-in could not be kept: %w", err)
	}
	if before.alive(s.Now()) {
		s.Note("%s is already signed in; signing in again", before.account())
	}
	if r, err := s.readSlot(s.Registry, ""); err == nil && r.Stored && r.usable(s.Now()) {
		err := fmt.Errorf("get still answers with the credential stored for %s (user %s), not with this sign-in", s.Registry, platform.Printable(r.Username))
		s.Warn(hint.With(err, hint.Text("docker logout %s", s.Registry), hint.Do(hint.SignIn)))
	}
	unlock, err := s.lockToLogin(ctx)
	if err != nil {
		return Account{}, err
	}
	defer unlock()
	session, err := s.readSession()
	if err != nil {
		return Account{}, err
	}
	if s.IDToken != nil {
		r, err := s.assume(ctx, s.Registry, session, fetchTries)
		if err != nil {
			return Account{}, err
		}
		claims, err := platform.ParseClaims(r.Secret)
		return Account{Subject: claims.Subject, Until: r.credential().Expires, Renewable: true}, err
	}
	if session.SignedIn != before.SignedIn && s.account(session).Valid(s.Now()) {
		return s.account(session), nil // another process's sign-in, while this one waited
	}
	if _, err := s.signIn(ctx, s.Registry, session); err != nil {
		return Account{}, err
	}
	if session, err = s.readSession(); err == nil && session.Subject == "" {
		err = errors.New("signed in, but nothing was kept of it")
	}
	return s.account(session), err
}

// Valid reports whether the account's session serves at now: it renews itself, or
// its token has not ended.
func (a Account) Valid(now time.Time) bool { return a.Renewable || now.Before(a.Until) }

// lockToLogin takes the session's lock for Login, waiting for the process that holds it.
func (s *Session) lockToLogin(ctx context.Context) (unlock func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	name := s.lockName()
	said := sync.OnceFunc(func() { s.sayWaiting(name) })
	for {
		lock, err := s.Keychain.TryLock(name)
		switch {
		case err == nil:
			return lock.Unlock, nil
		case errors.Is(err, keychain.ErrNotPrivate):
			return nil, err
		case !errors.Is(err, keychain.ErrBusy):
			s.Warn(fmt.Errorf("continuing without a lock: %w", err))
			return func() {}, nil
		}
		shared, err := s.Keychain.WaitLock(waiting, name, said)
		if err != nil {
			return nil, s.waitedInVain(err)
		}
		shared.Unlock()
		time.Sleep(rand.N(20 * time.Millisecond))
	}
}

func (s *Session) sayWaiting(name string) {
	s.Note("waiting for %s, for %s at most", s.Keychain.ReadHolder(name), s.Patience)
}

// waitedInVain says for whom the wait that ended with err was.
func (s *Session) waitedInVain(err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return hint.With(fmt.Errorf("gave up after waiting %s for %s", s.Patience, s.Keychain.ReadHolder(s.lockName())),
		hint.Text("end that process, or try again"))
}

// signIn opens a window, with the lock held, in place of session.
func (s *Session) signIn(ctx context.Context, host string, session sessionRecord) (credentialRecord, error) {
	s.Keychain.SayHolder(s.lockName(), "signing in")
	closed := s.readClosed()
	s.noteOpen(closed)

	grant, err := s.SignIn(ctx, s.signInRequest(host, session))
	if err != nil {
		var left *SignInError
		switch {
		case errors.As(err, &left):
			s.noteClosed(closed, left.Why)
		case ctx.Err() == nil || errors.Is(context.Cause(ctx), ErrInterrupted):
			// It never came to a window, or the person stopped it and knows.
			s.restoreClosed(closed)
		default:
			s.noteClosed(closed, "was left")
		}
		return credentialRecord{}, err
	}
	defer grant.finish()
	r, err := s.begin(ctx, host, session, grant)
	var other *otherAccountError
	switch {
	case err == nil:
		s.clearClosed()
	case errors.As(err, &other):
		s.noteClosed(closed, "was by another account")
	default: // the next window would end as this one
		s.noteClosed(closed, "failed")
	}
	return r, err
}

// otherAccountError is a sign-in by another account than the session's, which was
// not meant.
type otherAccountError struct{ now, last Account }

func (e *otherAccountError) Error() string {
	return fmt.Sprintf("it is by %s, and %s is signed in here", e.now, e.last)
}

// begin starts a session with what a sign-in brought, in place of former, and
// returns the credential for host.
func (s *Session) begin(ctx context.Context, host string, former sessionRecord, grant *Grant) (credentialRecord, error) {
	if grant.RefreshToken != "" && !grant.redeemed {
		if err := s.redeem(ctx, host, grant); err != nil {
			return credentialRecord{}, hint.With(fmt.Errorf("signed in as %s, but %w", grant.Account(), err), hint.Do(hint.SignIn))
		}
	}
	if _, ok := s.only(grant, s.audience(host)); !ok {
		return credentialRecord{}, fmt.Errorf("the sign-in brought no access token for %s alone: nothing was stored", s.audience(host))
	}
	if former.Subject != "" && former.Subject != grant.Subject {
		if s.ConfirmAccount != nil && !s.ConfirmAccount(former.account(), grant.Account()) {
			return credentialRecord{}, fmt.Errorf("nothing was changed: %s stays signed in here", former.account())
		}
		if s.ConfirmAccount == nil {
			return credentialRecord{}, hint.With(&otherAccountError{now: grant.Account(), last: former.account()}, hint.Do(hint.SignIn))
		}
	}
	if s.Identity != "" && grant.Subject != s.Identity {
		return credentialRecord{}, fmt.Errorf("the sign-in was for the identity %s, but brought a token of %s: nothing was kept", s.Identity, grant.Account())
	}
	if err := s.noteIdentity(ctx); err != nil {
		s.Debug("signing out will not find all that is kept: %v", err)
	}
	session := sessionRecord{
		Version: recordVersion, Issuer: s.Issuer, Identity: s.Identity,
		Generation: former.Generation, SignedIn: s.Now().UnixMilli(), Subject: grant.Subject, Email: grant.Email,
		Refresh: grant.RefreshToken,
	}
	if former.Subject == grant.Subject {
		// Its access tokens for other hosts stay good, and so does a refresh token
		// that this sign-in did not replace.
		session.Hosts = former.Hosts
		if grant.RefreshToken == "" && former.alive(s.Now()) {
			session.Refresh = former.Refresh
		}
		session.Email = cmp.Or(grant.Email, former.Email) // not every token names it
	} else if err := s.forgetTokens(former.Hosts); err != nil {
		return credentialRecord{}, err
	}
	session.addHost(host)
	for _, t := range grant.AccessTokens {
		session.addHost(s.hostOf(t))
	}
	session, err := s.writeSession(session, session.Refresh)
	if err != nil {
		s.Warn(fmt.Errorf("%w: the next run has to sign in again", err))
	}
	for _, t := range grant.AccessTokens {
		if other := s.hostOf(t); other != host {
			s.keep(other, t.Secret, t.Expires, session)
		}
	}
	t, _ := s.only(grant, s.audience(host))
	return s.keep(host, t.Secret, t.Expires, session), nil
}

// hostOf returns the host under which an access token is stored.
func (s *Session) hostOf(t AccessToken) string {
	if len(t.Audiences) == 1 {
		return t.Audiences[0]
	}
	return s.API
}

// forgetTokens removes the access tokens for hosts, but not what the user stored.
func (s *Session) forgetTokens(hosts []string) error {
	for _, host := range hosts {
		if err := s.forgetToken(host); err != nil {
			return err
		}
	}
	return nil
}

// hourLeft is what is left of a session when its user is warned.
const hourLeft = time.Hour

// warnBeforeEnd warns, once per session, that less than an hour of it is left, so
// that no long build meets a sign-in unprepared.
func (s *Session) warnBeforeEnd(r credentialRecord) {
	left := time.Unix(r.SessionEnds, 0).Sub(s.Now())
	if !s.WarnBeforeEnd || r.SessionEnds == 0 || left <= 0 || left > hourLeft {
		return
	}
	note, end := s.lockName()+".warned", strconv.FormatInt(r.SessionEnds, 10)
	if told, err := s.Keychain.ReadNote(note); err == nil && string(told) == end {
		return
	}
	if err := s.Keychain.WriteNote(note, []byte(end)); err != nil {
		s.Debug("cannot note that the user was warned: %v", err)
	}
	err := fmt.Errorf("the session ends at %s, in %d min", time.Unix(r.SessionEnds, 0).Local().Format("15:04"), int(left.Minutes())+1)
	s.Warn(hint.With(err, hint.Do(hint.SignIn)))
}
