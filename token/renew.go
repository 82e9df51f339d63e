package token

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptrace"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
)

const (
	// earlyLimit is how long a refresh that is tried while a kept token still
	// serves may take to reach the issuer, and answerLimit how long the answer
	// is then waited for: less than the five seconds after which some wrappers
	// kill a helper, which would be left without even the kept token.
	earlyLimit  = 2 * time.Second
	answerLimit = 4 * time.Second
	// earlyPause is how long nobody tries again after that failed.
	earlyPause = 30 * time.Second
	// fetchLimit bounds everything that needs no person.
	fetchLimit = 25 * time.Second
	// writePatience is how long store and erase wait for a process that is at
	// work. They go on without it: what it then writes is compared first.
	writePatience = 5 * time.Second
	// nobodyLimit bounds all of a `get` where nobody may be asked.
	nobodyLimit = 28 * time.Second
	// stopPatience is how long a refresh may go on when we are told to stop.
	stopPatience = 5 * time.Second
	// fetchTries is how often the issuer is asked while there is nothing to give.
	fetchTries = 3
)

// errOvertaken says that the session was replaced or removed while we worked for
// the one that was there before.
var errOvertaken = errors.New("the session was replaced or removed meanwhile: run it again")

// renewEarly tries one refresh for a credential that is still good, if nobody
// else is at it, and gives the best that there is.
func (s *Session) renewEarly(ctx context.Context, host string, r credentialRecord) credentialRecord {
	lock, err := s.Keychain.TryLock(s.lockName())
	if err != nil {
		s.Debug("no early refresh: %v", err)
		return r
	}
	defer lock.Unlock()
	if again, err := s.readCredential(host); err == nil && again.usable(s.Now()) {
		if r = again; r.fresh(s.Now()) {
			return r
		}
	}
	session, err := s.readSession()
	if err == nil && s.renewable(session) {
		watched, stop := s.watch(ctx)
		defer stop()
		s.Keychain.SayHolder(s.lockName(), "refreshing")
		limited, cancel := untilSent(watched)
		defer cancel()
		var renewed credentialRecord
		if session.alive(s.Now()) {
			renewed, err = s.refresh(limited, host, session, 1)
		} else {
			renewed, err = s.assume(limited, host, session, 1)
		}
		if err == nil {
			return renewed
		}
	}
	s.Debug("no early refresh, the kept token serves on: %v", err)
	// Nobody tries for a while, or takes the lock to find out; but what was kept
	// or removed meanwhile stays so.
	if again, readErr := s.readCredential(host); readErr == nil && again == r {
		again.Renew = s.Now().Add(earlyPause).Unix()
		if err == nil || s.ended(host, err) && s.IDToken == nil {
			again.Renew = 0 // there is nothing to refresh with
		}
		if err := s.write(credentialName(s.Issuer, host, s.Identity), again, again.Expires); err != nil {
			s.Debug("cannot put off the next refresh: %v", err)
		}
	}
	return r
}

// obtain gets a credential for host where none is kept but former, which cannot be
// used any more. One process of all that ask does the work; the others wait for it,
// and look at what it left together.
func (s *Session) obtain(ctx context.Context, host string, former credentialRecord) (credentialRecord, error) {
	ctx, stop := s.watch(ctx)
	defer stop()
	if s.storesNothing() {
		// No lock: there is nothing to share with others that wait for it.
		if session, err := s.readSession(); err == nil && !session.alive(s.Now()) {
			return s.assume(ctx, host, session, fetchTries)
		}
	}
	if s.SignIn == nil {
		// Waiting and fetching together: clients have no patience for both.
		limited, cancel := context.WithTimeout(ctx, nobodyLimit)
		defer cancel()
		ctx = limited
	}
	name := s.lockName()
	waiting, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	said := sync.OnceFunc(func() { s.sayWaiting(name) })

	for {
		lock, err := s.Keychain.TryLock(name)
		switch {
		case err == nil:
			defer lock.Unlock()
			return s.obtainLocked(ctx, host, former)
		case errors.Is(err, keychain.ErrNotPrivate):
			return credentialRecord{}, err
		case !errors.Is(err, keychain.ErrBusy):
			// There is no place for one. No refresh token is redeemed then, so
			// what can come of it is a second window.
			s.Warn(fmt.Errorf("continuing without a lock: %w", err))
			return s.obtainLocked(ctx, host, former)
		}

		shared, err := s.Keychain.WaitLock(waiting, name, said)
		if err != nil {
			return credentialRecord{}, s.waitedInVain(err)
		}
		r, err := s.readCredential(host)
		serves := r.replaces(former, s.Now())
		if err == nil && !serves {
			// It left nothing. All who can do no more see so side by side, where
			// one after the other would take seconds for a hundred.
			err = s.hopeless()
		}
		shared.Unlock()
		if err != nil {
			return credentialRecord{}, err
		}
		if serves {
			return r, nil
		}
		// One of those who waited takes over. Not all at the same instant, since
		// the shared lock of one keeps out the next.
		time.Sleep(rand.N(20 * time.Millisecond))
	}
}

// hopeless gives the reason for which this process could do nothing even with the
// lock: no session lives, and no window may open; or nil.
func (s *Session) hopeless() error {
	session, err := s.readSession()
	if err != nil || s.renewable(session) {
		return nil // not that, or the work will tell
	}
	if s.SignIn == nil {
		return s.noSignIn()
	}
	if closed := s.readClosed(); closed.active(s.Now()) && !closed.Open {
		return notSignedIn("%s", closed.reason())
	}
	return nil
}

// noSignIn says why nobody may be asked. Where nothing can be stored either, what
// NoSignIn tells to do is of no use before that is right.
func (s *Session) noSignIn() error {
	err := s.NoSignIn
	if missing := s.Keychain.Missing(); missing != nil {
		err = fmt.Errorf("%w; %w", err, missing)
	}
	return &NotSignedInError{err}
}

// obtainLocked does the work of obtain, with the lock, unless another process has
// done it meanwhile.
func (s *Session) obtainLocked(ctx context.Context, host string, former credentialRecord) (credentialRecord, error) {
	r, err := s.readCredential(host)
	if err != nil || r.replaces(former, s.Now()) {
		return r, err
	}
	session, err := s.readSession()
	if err != nil {
		return credentialRecord{}, err
	}
	if session.alive(s.Now()) {
		fetch, cancel := finishing(ctx, fetchLimit)
		defer cancel()
		s.Keychain.SayHolder(s.lockName(), "refreshing")
		r, err := s.refresh(fetch, host, session, fetchTries)
		var notRedeemed *NotSignedInError
		switch {
		case err == nil:
			return r, nil
		case errors.As(err, &notRedeemed):
			if s.IDToken == nil {
				return credentialRecord{}, err // somebody is signed in: no window
			}
		case s.ended(host, err):
			s.Warn(fmt.Errorf("the session of %s has ended", session.account()))
			// What refresh marked as ended is the one to replace.
			if session, err = s.readSession(); err != nil {
				return credentialRecord{}, err
			}
		case s.SignIn != nil && platform.Refused(err, platform.CodePermissionDenied):
			// Issuers of before autumn 2026 refuse what the sign-in was not for.
			s.Debug("another sign-in, for %s too: %v", host, err)
		default:
			return credentialRecord{}, fmt.Errorf("cannot renew the credential for %s: %w", host, err)
		}
	}
	if s.IDToken != nil {
		r, err := s.assume(ctx, host, session, fetchTries)
		return r, err
	}
	if s.SignIn == nil {
		return credentialRecord{}, s.noSignIn()
	}
	closed := s.readClosed()
	if closed.active(s.Now()) {
		return credentialRecord{}, notSignedIn("%s", closed.reason())
	}
	// Before a person goes through a sign-in for nothing, at each image anew.
	if err := s.Keychain.Probe(); err != nil && !errors.Is(err, keychain.ErrKeepsNothing) {
		return credentialRecord{}, &NotSignedInError{fmt.Errorf("a sign-in could not be stored: %w", err)}
	}
	if r, err = s.signIn(ctx, host, session); err != nil {
		return credentialRecord{}, err
	}
	if session, err = s.readSession(); err == nil && session.Subject != "" {
		s.Note("signed in as %s", s.account(session).Describe())
	}
	return r, nil
}

// finishing bounds a refresh. One that is on its way is not broken off at once
// when somebody wants us to stop: its answer may hold the only refresh token that
// is still good.
func finishing(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(end))
	}
	fetch, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(stopPatience, cancel) })
	return fetch, func() { stop(); cancel() }
}

// untilSent bounds an early refresh: briefly until the request has gone out, since
// whoever asked need not wait for it, and longer from then on, since the issuer may
// have spent the refresh token by then.
func untilSent(ctx context.Context) (context.Context, context.CancelFunc) {
	fetch, cancel := finishing(ctx, answerLimit)
	unsent := time.AfterFunc(earlyLimit, cancel)
	fetch = httptrace.WithClientTrace(fetch, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { unsent.Stop() },
	})
	return fetch, func() { unsent.Stop(); cancel() }
}

// ended says whether err means that the session's refresh token is good for
// nothing any more. That the issuer finds the audience of a host below the
// registry wrong says nothing of the session: anybody can name such a host.
func (s *Session) ended(host string, err error) bool {
	if s.audience(host) != s.Registry {
		return platform.Refused(err, platform.CodeUnauthenticated)
	}
	return platform.Refused(err, platform.CodeUnauthenticated, platform.CodeInvalidArgument, platform.CodeFailedPrecondition)
}

// renewable says whether a credential can be had without asking anybody.
func (s *Session) renewable(session sessionRecord) bool {
	return session.alive(s.Now()) || s.IDToken != nil
}

// refresh spends session's refresh token for an access token for host, with the
// lock held, and keeps both: the new refresh token first, before anybody gets
// the access token that came with it.
func (s *Session) refresh(ctx context.Context, host string, session sessionRecord, tries int) (credentialRecord, error) {
	token, session, err := s.spend(ctx, s.ask(host), host, session, tries)
	if errors.Is(err, errOvertaken) {
		if r, err := s.readCredential(host); err == nil && r.usable(s.Now()) {
			return r, nil
		}
	}
	if err != nil {
		return credentialRecord{}, err
	}
	return s.keep(host, token.AccessToken, token.Expiry, session), nil
}

// spend redeems session's refresh token, with the lock held, and stores the one
// that came for it. It is a *NotSignedInError, and nothing is asked, without the
// lock, and where nothing could be stored. It returns the session as it is then,
// which notes that it has a token for host, if one is named.
func (s *Session) spend(ctx context.Context, ask platform.Ask, host string, session sessionRecord, tries int) (*oauth2.Token, sessionRecord, error) {
	if err := s.checkRedeemable(session); err != nil {
		return nil, session, err
	}
	token, err := s.STS.Refresh(ctx, session.Refresh, ask, tries)

	// Whatever came back belongs to the session we read. If another is there
	// now, somebody signed in or out without our lock, and theirs counts.
	current, readErr := s.readSession()
	if readErr != nil && token == nil {
		return nil, session, errors.Join(err, readErr)
	}
	overtaken := readErr == nil && current.Generation != session.Generation
	if overtaken && current.Refresh == session.Refresh && current.Refresh != "" {
		overtaken, session = false, current // what we spent is what is there
	}
	if overtaken && err == nil && current.Refresh == "" && current.Subject != "" && current.Subject == session.Subject {
		// Somebody without our lock presented the token that we had just spent, and
		// took the session for ended.
		overtaken, session.Generation = false, current.Generation
	}
	ended := s.ended(ask.Audiences[0], err)
	if len(ask.Scopes)+len(ask.Capabilities) > 0 {
		// What is wrong with a narrowed request need not be the session.
		ended = platform.Refused(err, platform.CodeUnauthenticated)
	}
	switch {
	case overtaken && ended && current.alive(s.Now()) && current.Refresh != session.Refresh:
		return s.spend(ctx, ask, host, current, tries)
	case overtaken && err == nil:
		return nil, session, errOvertaken
	case overtaken:
		return nil, session, err
	case ended:
		session.Refresh, session.RefreshExpires = "", 0
		if _, writeErr := s.writeSession(session, ""); writeErr != nil {
			s.Debug("cannot note that the session has ended: %v", writeErr)
		}
		return nil, session, err
	case token == nil:
		return nil, session, err
	}

	changed := false
	if token.RefreshToken != "" && token.RefreshToken != session.Refresh {
		session.Refresh, changed = token.RefreshToken, true
	}
	if err == nil && host != "" {
		changed = session.addHost(host) || changed
	}
	if changed {
		var writeErr error
		if session, writeErr = s.writeSession(session, session.Refresh); writeErr != nil {
			s.Warn(fmt.Errorf("%w: the next run has to sign in again", writeErr))
		}
	}
	if err != nil {
		return nil, session, err
	}
	if c, _ := platform.ParseClaims(token.AccessToken); session.Subject != "" && c.Subject != session.Subject {
		return nil, session, fmt.Errorf("%s gave a token of %s, where %s is signed in: not used", s.STS.Host(), platform.Printable(c.Subject, session.Refresh), session.Subject)
	}
	return token, session, nil
}

// checkRedeemable returns a *NotSignedInError where session's refresh token must not
// be redeemed: its successor could not be stored, or another process may be redeeming
// it, so that the issuer, which sees one token twice, would end the session.
func (s *Session) checkRedeemable(session sessionRecord) error {
	if !s.Keychain.Holds(s.lockName()) {
		return notSignedIn("the session cannot be refreshed without a lock: another process may be refreshing it")
	}
	// The record itself, as it is: what takes its place is as large, and a quota
	// that is full for new entries may have room for it.
	if err := s.write(sessionName(s.Issuer, s.Identity), session, session.RefreshExpires); err != nil {
		return &NotSignedInError{fmt.Errorf("the session cannot be refreshed: the new refresh token could not be stored: %w", err)}
	}
	return nil
}

// writeSession writes the session's record as its next generation.
func (s *Session) writeSession(session sessionRecord, refresh string) (sessionRecord, error) {
	session.Generation = nextGeneration(session.Generation, s.Now())
	session.Refresh, session.RefreshExpires = refresh, 0
	if end := platform.RefreshExpiry(refresh); !end.IsZero() {
		session.RefreshExpires = end.Unix()
	}
	return session, s.write(sessionName(s.Issuer, s.Identity), session, session.RefreshExpires)
}

// keep stores an access token of session for host, and returns its record. Where
// that fails the next run has to refresh, but this one has its token. A token that
// does not say when it ends, or that has ended, is used once and not stored.
func (s *Session) keep(host, accessToken string, expires time.Time, session sessionRecord) credentialRecord {
	now := s.Now()
	r := credentialRecord{
		Version: recordVersion, Issuer: s.Issuer, Host: host, Identity: s.Identity,
		Username: Username, Secret: accessToken, Kept: now.Unix(),
	}
	if expires.IsZero() || !expires.After(now) {
		s.Debug("not kept: the token's end is missing or past")
		return r
	}
	if expires.Sub(now) > maxKept {
		expires = now.Add(maxKept)
	}
	r.Expires = expires.Unix()
	if s.renewable(session) {
		r.Renew = expires.Add(-min(maxMargin, expires.Sub(now)/5)).Unix()
	}
	r.SessionEnds = session.endToWarnOf()

	// What a user stored meanwhile in the same place stays.
	if there, err := s.readSlot(host, s.Identity); err == nil && there.Stored && there.usable(now) {
		return r
	}
	err := s.write(credentialName(s.Issuer, host, s.Identity), r, r.Expires)
	if err != nil && !errors.Is(err, keychain.ErrKeepsNothing) {
		s.Warn(fmt.Errorf("the token for %s is not stored: %w", host, err))
	}
	return r
}

// lockToWrite takes the session's lock for a write that must not be refused, and
// gives what releases it. After a while it goes on without.
func (s *Session) lockToWrite(ctx context.Context) (unlock func()) {
	unlock, taken := s.waitForLock(ctx, s.lockName())
	if taken {
		s.Keychain.SayHolder(s.lockName(), "storing or removing a credential")
	}
	return unlock
}

// waitForLock takes the lock called name, if it is free within writePatience.
func (s *Session) waitForLock(ctx context.Context, name string) (unlock func(), taken bool) {
	ctx, cancel := context.WithTimeout(ctx, writePatience)
	defer cancel()
	for {
		lock, err := s.Keychain.TryLock(name)
		if err == nil {
			return lock.Unlock, true
		}
		if !errors.Is(err, keychain.ErrBusy) || ctx.Err() != nil {
			s.Debug("writing without the lock: %v", err)
			return func() {}, false
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}
