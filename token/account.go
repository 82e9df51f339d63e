package token

import (
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/token/store"
)

// Account is the account that a session belongs to, and how long the session lasts.
type Account struct {
	Subject string // UIDP
	Email   string // may be empty
	// Until is when the person has to sign in again; zero if not known.
	Until time.Time
	// Renewable means that the session's tokens are renewed until then.
	Renewable bool

	endsSilently bool // no warning before the end: the session is short, or its end is unknown
}

// String returns the name that people know the account by.
func (a Account) String() string {
	if a.Email != "" {
		return platform.Printable(a.Email)
	}
	return platform.Printable(a.Subject)
}

// Describe returns the account's name, how long its session lasts, and whether it can be
// renewed.
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

// Valid reports whether the session can be used at now.
func (a Account) Valid(now time.Time) bool { return a.Renewable || now.Before(a.Until) }

// EndsSoon reports whether a session that is not short is in its last hour.
func (a Account) EndsSoon(now time.Time) bool {
	return a.Renewable && !a.endsSilently && !a.Until.IsZero() && a.Until.Sub(now) < lastHour
}

// account returns whose session it is. A session without a refresh token lasts as long as
// its access token for the registry.
func (s *Session) account(session store.Session) Account {
	a := accountOf(session)
	if session.Subject == "" {
		return a
	}
	if session.CanRefresh(s.Now()) {
		a.Renewable, a.endsSilently = true, session.EndToWarnOf() == 0
		if session.RefreshExpires != 0 {
			a.Until = time.Unix(session.RefreshExpires, 0)
		}
		return a
	}
	if r, err := s.ReadSlot(s.Registry, s.Identity); err == nil && !r.UserStored && r.IsValid(s.Now()) {
		a.Until = time.Unix(r.Expires, 0)
	}
	return a
}

// accountOf returns whose session it is, without its end.
func accountOf(session store.Session) Account {
	return Account{Subject: session.Subject, Email: session.Email}
}

// Contents is what is stored of a session.
type Contents struct {
	Account Account       // zero if nobody is signed in
	Tokens  []StoredToken // sorted by host
}

// StoredToken is a stored credential without its secret.
type StoredToken struct {
	Host, Username string
	Expires        time.Time // zero if not known
	UserStored     bool      // the user stored it (docker login)
	Valid          bool      // it can be used now
}

// Contents returns what is stored. It sends no request.
func (s *Session) Contents() (Contents, error) {
	session, hosts, err := s.readAll()
	if err != nil {
		return Contents{}, err
	}
	k := Contents{Account: s.account(session)}
	for _, host := range hosts {
		r, err := s.ReadCredential(host)
		if err != nil {
			return Contents{}, err
		}
		if r.Secret != "" {
			c := credentialOf(r)
			k.Tokens = append(k.Tokens, StoredToken{Host: host, Username: c.Username, Expires: c.Expires, UserStored: c.UserStored, Valid: r.IsValid(s.Now())})
		}
	}
	return k, nil
}

// Usernames returns, by host, the user name that Credential would return if it may not ask
// a person. It sends no request.
func (s *Session) Usernames() (map[string]string, error) {
	session, hosts, err := s.readAll()
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, host := range hosts {
		if strings.Contains(host, "://") {
			continue // the API or an MCP server, not a registry
		}
		r, err := s.ReadCredential(host)
		switch {
		case err != nil:
			return nil, err
		case r.IsValid(s.Now()):
			names[host] = r.Username
		case s.canRenew(session):
			names[host] = Username
		}
	}
	return names, nil
}

// readAll returns the session and all hosts that may have a credential, sorted.
func (s *Session) readAll() (store.Session, []string, error) {
	session, err := s.ReadSession()
	if err != nil {
		return session, nil, err
	}
	stored, err := s.ReadHosts()
	hosts := slices.Concat([]string{s.Registry}, session.Hosts, stored.Hosts)
	slices.Sort(hosts)
	return session, slices.Compact(hosts), err
}
