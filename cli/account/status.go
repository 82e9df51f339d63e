package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/config"
	"docker-credential-cgr/doctor"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

func newStatus(a *command.App) *cobra.Command {
	var quick bool
	var audience string
	code := "3"
	if a.Chainctl {
		code = "1"
	}
	c := command.Formats(&cobra.Command{
		Use:   "status",
		Short: "Show the signed-in account and the settings in effect",
		Long: `Show the signed-in account, its roles, the stored credentials and the settings in
effect. Does not sign in. Exits with ` + code + ` if you are not signed in. -o terse prints one line.`,
		Example: `  docker-credential-cgr status
  docker-credential-cgr status --quick -o json`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return showStatus(c.Context(), a, quick, audience) },
	}, "text", "json", "terse")
	command.ForFlag(c.Flags(), "show the session for the images of `ORGANIZATION`")
	c.Flags().BoolVar(&quick, "quick", false, "do not contact the platform; show only what is stored")
	if a.Chainctl {
		c.Flags().StringVar(&audience, "audience", "", "`AUDIENCE` of the token (default: the platform API)")
		new(signInFlags).add(c) // which chainctl's command has, because it signs in
	}
	return c
}

// statusTimeout limits the time for all requests of status.
const statusTimeout = 28 * time.Second

// status is the result of the command.
type status struct {
	Valid         bool           `json:"valid"` // get has a credential without a sign-in
	Identity      string         `json:"identity,omitempty"`
	Email         string         `json:"email,omitempty"`
	From          string         `json:"from,omitempty"` // where the credential comes from
	Organizations []organization `json:"organizations,omitempty"`
	Capabilities  []string       `json:"capabilities,omitempty"`
	sessionEnd
	Sessions    []organizationSession `json:"sessions,omitempty"` // of organizations with one of their own
	Tokens      []storedToken         `json:"tokens,omitempty"`
	Store       string                `json:"store"`
	StoreReason string                `json:"storeReason,omitempty"`
	Problem     string                `json:"problem,omitempty"` // why something is unknown or not valid
	Settings    []config.Setting      `json:"settings,omitempty"`

	expires time.Time // of the token for the audience; zero if not known
}

// sessionEnd is when a session ends.
type sessionEnd struct {
	Until     *time.Time `json:"sessionUntil,omitempty"` // when the user has to sign in again
	Renewable bool       `json:"renewable"`              // without the user, until then
}

// text describes the end, which is known.
func (e sessionEnd) text() string {
	renewal := "cannot be renewed: sign in again then"
	if e.Renewable {
		renewal = "renews itself until then"
	}
	return fmt.Sprintf("until %s (%s), %s", e.Until.Local().Format(command.TimeFormat), command.TimeLeft(e.Until.Sub(command.Now())), renewal)
}

type organization struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Roles        []string `json:"roles"`
	Capabilities []string `json:"capabilities,omitempty"` // that belong to no role
}

type storedToken struct {
	Audience string     `json:"audience"`
	Username string     `json:"username"`
	Stored   bool       `json:"stored,omitempty"` // by docker login
	Expires  *time.Time `json:"expires,omitempty"`
}

func showStatus(ctx context.Context, a *command.App, quick bool, audience string) error {
	s, err := a.Session()
	if err != nil {
		return err
	}
	s.LockTimeout = command.LockTimeout
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	contents, err := s.Contents()
	if err != nil {
		return err
	}
	st := status{
		Identity: contents.Account.Subject, Email: contents.Account.Email,
		sessionEnd: sessionEnd{command.JSONTime(contents.Account.Until), contents.Account.Renewable},
		Store:      s.Keychain.String(), StoreReason: s.Keychain.Why(),
	}
	if audience == "" {
		audience = a.DefaultAudience(s)
	}
	hasStored := false
	for _, t := range contents.Tokens {
		st.Tokens = append(st.Tokens, storedToken{t.Host, t.Username, t.UserStored, command.JSONTime(t.Expires)})
		if t.Host == audience {
			st.expires = t.Expires
		}
		if t.UserStored && t.Valid && t.Host == s.Registry {
			st.From, st.Valid, hasStored = "a stored credential (user "+t.Username+")", true, true
		}
	}
	fix := hint.Do(hint.SignIn)
	switch {
	case a.Config.IdentityID != "":
		st.From, st.Valid, st.Identity, st.Email = "CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN", true, a.Config.IdentityID, ""
		if err := checkExpiry("the pull token in CHAINGUARD_TOKEN", a.Config.Token, s.Now()); err != nil {
			st.setInvalid(a, err)
			fix = doctor.RenewPullToken // get uses the pull token also after a sign-in
		}
	case hasStored:
	case s.IDToken != nil:
		st.From, st.Valid, st.Until, st.Renewable = "this machine's ID token", true, nil, true
		if a.Config.Identity != "" {
			st.From, st.Identity = "the identity of auth.identity", a.Config.Identity
		}
		if quick && (a.Config.IdentityToken != "" || a.Config.IdentityTokenEnv != "") && !contents.Account.Valid(s.Now()) {
			// Reading a file or a variable needs no network.
			idToken, err := s.IDToken(ctx)
			if err == nil {
				err = checkExpiry("the ID token", idToken, s.Now())
			}
			if err != nil {
				st.setInvalid(a, err)
			}
		}
	case contents.Account.Valid(s.Now()):
		st.From, st.Valid = "the session", true
	}
	if st.Valid && !quick && a.Config.IdentityID == "" {
		if c, err := s.Credential(ctx, audience, false); err != nil {
			st.setInvalid(a, err)
		} else {
			st.expires = c.Expires
			account, err := a.Client(ctx, s).WhoAmI(ctx)
			err = st.addAccount(a, account, err)
			if platform.HasCode(err, platform.CodeUnauthenticated) && !hasStored || err != nil && a.Chainctl {
				st.Valid = false // the registry rejects that session too; chainctl fails for any error
			}
		}
	}
	if a.SessionOrganization == "" {
		if st.Sessions, err = organizationSessions(a); err != nil {
			return err
		}
	}
	for _, setting := range a.Config.Settings {
		if setting.Source != "default" {
			st.Settings = append(st.Settings, setting)
		}
	}
	if err := st.print(a); err != nil {
		return err
	}
	if !st.Valid {
		a.PrintError(hint.With(command.ErrNotSignedIn, fix))
		return command.ErrNotSignedIn
	}
	if contents.Account.EndsSoon(s.Now()) && term.IsTerminal(int(a.Stderr.Fd())) {
		a.WarnHint(hint.Do(hint.SignIn), "the session ends within the hour")
	}
	return nil
}

func (st *status) setInvalid(a *command.App, err error) { st.Valid, st.Problem = false, a.OneLine(err) }

// checkExpiry returns an error if a JWT has expired.
func checkExpiry(what, jwt string, now time.Time) error {
	claims, err := platform.ParseClaims(jwt)
	if end := claims.Expires; err == nil && !end.IsZero() && !now.Before(end) {
		return fmt.Errorf("%s expired on %s", what, end.Local().Format(command.TimeFormat))
	}
	return nil
}

// addAccount adds the account and its rights, or the error of the platform, which it
// returns.
func (st *status) addAccount(a *command.App, account iam.Account, err error) error {
	var notSignedIn *token.NotSignedInError
	if errors.As(err, &notSignedIn) {
		problem := errors.New("roles are not known: no token for the platform API is stored")
		st.Problem = a.OneLine(hint.With(problem, hint.Do(hint.SignIn)))
		return err
	}
	if err != nil {
		st.Problem = err.Error()
		return err
	}
	st.Identity, st.Email = account.Subject, account.Email
	for _, c := range account.Capabilities {
		i := slices.IndexFunc(st.Organizations, func(o organization) bool { return o.ID == c.Group.ID })
		if i < 0 {
			i = len(st.Organizations)
			st.Organizations = append(st.Organizations, organization{ID: c.Group.ID, Name: c.Group.Name, Roles: []string{}})
		}
		if o := &st.Organizations[i]; c.Role.Name != "" {
			o.Roles = append(o.Roles, c.Role.Name)
		} else {
			o.Capabilities = append(o.Capabilities, c.Names()...)
		}
		st.Capabilities = append(st.Capabilities, c.Names()...)
	}
	slices.Sort(st.Capabilities)
	st.Capabilities = slices.Compact(st.Capabilities)
	return nil
}

func (st *status) print(a *command.App) error {
	switch {
	case a.Output == "json" && a.Chainctl:
		return a.PrintJSON(st.chainctl(a))
	case a.Output == "json":
		return a.PrintJSON(st)
	case a.Output == "terse" && st.Valid:
		return a.Print("Valid! Id: %s\n", platform.Printable(st.Identity)) // as chainctl prints after a sign-in
	case a.Output == "terse":
		return a.Print("Not valid\n")
	}
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-14s%s\n", label+":", fmt.Sprintf(format, args...))
	}
	valid := "False" // as in chainctl, for scripts
	if st.Valid {
		valid = "True"
	}
	line("Valid", "%s", valid)
	if st.Identity != "" {
		who := platform.Printable(st.Identity)
		if st.Email != "" {
			who = platform.Printable(st.Email) + " (" + who + ")"
		}
		line("Identity", "%s", who)
	}
	if st.From != "" {
		line("Answers with", "%s", platform.Printable(st.From))
	}
	for _, o := range st.Organizations {
		rights := strings.Join(slices.Concat(o.Roles, o.Capabilities), ", ")
		if a.Chainctl {
			line("Capabilities", "%s: %s", platform.Printable(o.Name), platform.Printable(rights))
			continue
		}
		line("Organization", "%s (%s)", platform.Printable(o.Name), platform.Printable(rights))
	}
	if st.Until != nil {
		line("Session", "%s", st.sessionEnd.text())
	}
	for _, session := range st.Sessions {
		line("Session for", "%s", session.text())
	}
	for _, t := range st.Tokens {
		text := "no end known"
		if t.Expires != nil {
			text = command.TimeLeft(t.Expires.Sub(command.Now()))
		}
		if t.Stored {
			text += ", a stored credential, user " + platform.Printable(t.Username)
		}
		line("Token", "%s, %s", platform.Printable(t.Audience), text)
	}
	storage := st.Store
	if st.StoreReason != "" {
		storage += " (" + st.StoreReason + ")"
	}
	line("Storage", "%s", storage)
	for _, s := range st.Settings {
		line("Setting", "%s = %s (%s)", s.Property, platform.Printable(s.Value), s.Source)
	}
	if st.Problem != "" {
		line("Problem", "%s", st.Problem)
	}
	return a.Print("%s", b.String())
}
