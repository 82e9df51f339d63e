package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"docker-credential-cgr/doctor"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

func (a *app) newStatus() *cobra.Command {
	var quick bool
	c := formats(&cobra.Command{
		Use:   "status",
		Short: "Show the signed-in account and the settings in effect",
		Long: `Show the signed-in account, its roles, the stored credentials and the settings in
effect. Does not sign in. Exits with 3 if you are not signed in.`,
		Example: `  ` + name + ` status
  ` + name + ` status --quick -o json`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return a.status(c.Context(), quick) },
	}, "text", "json")
	c.Flags().BoolVar(&quick, "quick", false, "do not contact the platform; show only what is stored")
	return c
}

// statusLimit bounds all that status asks.
const statusLimit = 28 * time.Second

// standing is the answer of status.
type standing struct {
	Valid         bool           `json:"valid"` // get has an answer without asking anybody
	Identity      string         `json:"identity,omitempty"`
	Email         string         `json:"email,omitempty"`
	From          string         `json:"from,omitempty"` // what get answers with
	Organizations []organization `json:"organizations,omitempty"`
	Capabilities  []string       `json:"capabilities,omitempty"`
	SessionUntil  *time.Time     `json:"sessionUntil,omitempty"` // when the person has to sign in again
	Renewable     bool           `json:"renewable"`              // the session renews its tokens by itself until then
	Tokens        []tokenLeft    `json:"tokens,omitempty"`
	Store         string         `json:"store"`
	StoreReason   string         `json:"storeReason,omitempty"`
	Problem       string         `json:"problem,omitempty"` // why the platform could not say more
	Settings      []settingFrom  `json:"settings,omitempty"`
}

type organization struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
	// Capabilities are those that are of no role.
	Capabilities []string `json:"capabilities,omitempty"`
}

// grants lists what the account may do there: the names of roles, then of capabilities
// that are of no role.
func (o organization) grants() []string { return slices.Concat(o.Roles, o.Capabilities) }

type tokenLeft struct {
	Audience string     `json:"audience"`
	Username string     `json:"username"`
	Stored   bool       `json:"stored,omitempty"` // by docker login
	Expires  *time.Time `json:"expires,omitempty"`
}

type settingFrom struct {
	Property string `json:"property"`
	Value    string `json:"value"`
	Source   string `json:"source"`
}

func (a *app) status(ctx context.Context, quick bool) error {
	s, err := a.session(a.cfg)
	if err != nil {
		return err
	}
	s.Patience = patienceNotInteractive
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	kept, err := s.Kept()
	if err != nil {
		return err
	}
	st := standing{
		Identity: kept.Account.Subject, Email: kept.Account.Email,
		SessionUntil: moment(kept.Account.Until), Renewable: kept.Account.Renewable,
		Store: s.Keychain.String(), StoreReason: s.Keychain.Why(),
	}
	stored := false
	for _, t := range kept.Tokens {
		st.Tokens = append(st.Tokens, tokenLeft{t.Host, t.Username, t.Stored, moment(t.Expires)})
		if t.Stored && t.Valid && t.Host == s.Registry {
			st.From, st.Valid, stored = "a stored credential (user "+t.Username+")", true, true
		}
	}
	fix := hint.Do(hint.SignIn)
	switch {
	case a.cfg.IdentityID != "":
		st.From, st.Valid, st.Identity, st.Email = "CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN", true, a.cfg.IdentityID, ""
		if err := checkExpiry("the pull token in CHAINGUARD_TOKEN", a.cfg.Token, s.Now()); err != nil {
			st.Valid, st.Problem = false, oneLine(err)
			fix = hint.Text(doctor.RenewPullToken) // the pair answers before any sign-in
		}
	case stored:
	case s.IDToken != nil:
		st.From, st.Valid, st.SessionUntil, st.Renewable = "this machine's ID token", true, nil, true
		if a.cfg.Identity != "" {
			st.From, st.Identity = "the identity of auth.identity", a.cfg.Identity
		}
		if quick && (a.cfg.IdentityToken != "" || a.cfg.IdentityTokenEnv != "") && !kept.Account.Valid(s.Now()) {
			// A file or a variable can be read without asking anybody.
			idToken, err := s.IDToken(ctx)
			if err == nil {
				err = checkExpiry("the ID token", idToken, s.Now())
			}
			if err != nil {
				st.Valid, st.Problem = false, oneLine(err)
			}
		}
	case kept.Account.Valid(s.Now()):
		st.From, st.Valid = "the session", true
	}
	if st.Valid && !quick && a.cfg.IdentityID == "" {
		if _, err := s.Credential(ctx, s.Registry, false); err != nil {
			st.Valid, st.Problem = false, oneLine(err)
		} else if err := a.askStanding(ctx, s, &st); platform.HasCode(err, platform.CodeUnauthenticated) && !stored {
			st.Valid = false // the registry refuses that session too; a stored pair has no part in it
		}
	}
	for _, setting := range a.cfg.Settings {
		if setting.Source != "default" {
			st.Settings = append(st.Settings, settingFrom{setting.Property, setting.Value, setting.Source})
		}
	}
	if err := a.sayStanding(st); err != nil {
		return err
	}
	if !st.Valid {
		a.printError(hint.With(errSignedOut, fix))
		return errSignedOut
	}
	if kept.Account.EndsSoon(s.Now()) && term.IsTerminal(int(a.Stderr.Fd())) {
		a.warnHint(hint.Do(hint.SignIn), "the session ends within the hour")
	}
	return nil
}

// checkExpiry returns an error where a JWT says of itself that it has expired.
func checkExpiry(what, jwt string, now time.Time) error {
	claims, err := platform.ParseClaims(jwt)
	if end := claims.Expires; err == nil && !end.IsZero() && !now.Before(end) {
		return fmt.Errorf("%s expired on %s", what, end.Local().Format(dayAndTime))
	}
	return nil
}

// askStanding asks the platform who is signed in, and with which rights. It returns
// the error that it puts into st as the problem.
func (a *app) askStanding(ctx context.Context, s *token.Session, st *standing) error {
	who, err := a.client(ctx, s).WhoAmI(ctx)
	var nobody *token.NotSignedInError
	if errors.As(err, &nobody) {
		st.Problem = "roles are not known: no token for the platform API is stored (hint: " + command(hint.Do(hint.SignIn)) + ")"
		return err
	}
	if err != nil {
		st.Problem = err.Error()
		return err
	}
	st.Identity, st.Email = who.Subject, who.Email
	for _, c := range who.Capabilities {
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

func (a *app) sayStanding(st standing) error {
	if a.output == "json" {
		return a.answerJSON(st)
	}
	var b strings.Builder
	// The words of the first line are what scripts look for.
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-14s%s\n", label+":", fmt.Sprintf(format, args...))
	}
	valid := "False"
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
		line("Organization", "%s (%s)", platform.Printable(o.Name), platform.Printable(strings.Join(o.grants(), ", ")))
	}
	if st.SessionUntil != nil {
		end := fmt.Sprintf("until %s (%s)", st.SessionUntil.Local().Format(dayAndTime), left(st.SessionUntil.Sub(wallClock())))
		if st.Renewable {
			line("Session", "%s, renews itself until then", end)
		} else {
			line("Session", "%s, cannot be renewed: sign in again then", end)
		}
	}
	for _, t := range st.Tokens {
		what := "no end known"
		if t.Expires != nil {
			what = left(t.Expires.Sub(wallClock()))
		}
		if t.Stored {
			what += ", a stored credential, user " + platform.Printable(t.Username)
		}
		line("Token", "%s, %s", platform.Printable(t.Audience), what)
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
	return a.answer("%s", b.String())
}

// left says how long something has still to go, for people.
func left(d time.Duration) string {
	switch {
	case d <= 0:
		return "expired"
	case d < time.Hour:
		return fmt.Sprintf("%d min left", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h left", int(d.Hours()))
	}
	return fmt.Sprintf("%d days left", int(d.Hours()/24))
}
