package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/config"
	"docker-credential-cgr/console"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/signin"
	"docker-credential-cgr/token"
)

// The times that console can wait for.
const (
	minIdle     = time.Second
	defaultIdle = 15 * time.Minute
	maxIdle     = 24 * time.Hour
)

func (a *app) newConsole() *cobra.Command {
	var parent string
	var idle time.Duration
	var noBrowser bool
	c := &cobra.Command{
		Use:   "console",
		Short: "See, make and revoke pull tokens on a page in the browser",
		Long: `Serves a page on this machine alone, with the pull tokens of an organisation: to see
when they end, to make new ones, and to revoke them. The page ends with Ctrl-C, or
when nobody has used it for a while. Its address works once, in one browser.`,
		Example: `  ` + name + ` console
  ` + name + ` console --parent example.com --idle 1h`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if idle < minIdle || idle > maxIdle {
				return misuse("--idle %s: give a time from 1s to 24h", idle)
			}
			return a.console(c.Context(), parent, idle, !noBrowser && a.opensPage())
		},
	}
	c.Flags().StringVar(&parent, "parent", "", "name or `ID` of the organisation or folder (default: all that you are in)")
	c.Flags().BoolVar(&noBrowser, "no-browser", false, "print the page's address, and leave opening it to you")
	c.Flags().DurationVar(&idle, "idle", defaultIdle, "end after this `TIME` without use")
	return c
}

// opensPage says whether a browser can show somebody a page here by itself.
func (a *app) opensPage() bool {
	return a.cfg.Mode == config.ModeBrowser || a.personThere() && signin.Usable(os.Getenv, os.Geteuid())
}

func (a *app) console(ctx context.Context, parent string, idle time.Duration, opens bool) error {
	client, s, err := a.api(ctx)
	if err != nil {
		return err
	}
	tokens := consoleTokens{client: client, session: s}
	page := &console.Console{PullTokens: &tokens, Registry: s.Registry, Idle: idle}
	if page.Organizations, err = a.consoleOrganizations(ctx, client, parent); err != nil {
		return err
	}
	if len(page.Organizations) == 1 {
		tokens.parent = page.Organizations[0].ID
	}
	// Who it is is for the page to show; without, it works too.
	if kept, err := s.Kept(); err == nil && kept.Account.Subject != "" {
		page.Account = kept.Account.String()
	}
	err = page.Serve(ctx, func(address string) {
		a.warn("the page is at %s", address)
		a.warn("the address works once; Ctrl-C ends the page")
		if opens {
			a.openPage(address)
		}
	})
	if errors.Is(err, console.ErrIdle) {
		a.warn("nobody has used the page for %s: it has ended", idle)
		return nil
	}
	return err
}

// openPage opens a browser on the page. Where that fails, the person is told.
func (a *app) openPage(address string) {
	failed := func() { a.warn("no browser could be opened: open the address above yourself") }
	if err := signin.Open(address, a.cfg.IdentityTokenEnv, failed); err != nil {
		a.debug(a.cfg, "cannot start the opener: %v", err)
		failed()
	}
}

// consoleOrganizations are those that the page is about: the one of --parent, else
// default.group's, else all that whoever is signed in may see.
func (a *app) consoleOrganizations(ctx context.Context, client *iam.Client, parent string) ([]iam.Group, error) {
	if parent == "" && a.cfg.Group == "" {
		organizations, err := client.Organizations(ctx)
		if err == nil && len(organizations) == 0 {
			err = &iam.NotFoundError{What: "organisation"}
		}
		return organizations, err
	}
	group, err := a.organization(ctx, client, parent)
	return []iam.Group{group}, err
}

// consoleTokens are the pull tokens of the page.
type consoleTokens struct {
	client  *iam.Client
	session *token.Session
	parent  string // id of the organisation or folder; empty for all
}

func (t *consoleTokens) List(ctx context.Context) ([]iam.PullTokenInfo, error) {
	return t.client.PullTokens(ctx, iam.PullTokenFilter{Parent: t.parent})
}

func (t *consoleTokens) Create(ctx context.Context, r iam.PullTokenRequest) (iam.PullToken, error) {
	return t.client.CreatePullToken(ctx, r, t.session.Issuer, wallClock)
}

func (t *consoleTokens) Revoke(ctx context.Context, id string) error {
	return t.client.Revoke(ctx, id)
}

func (t *consoleTokens) Saved() (id string, err error) {
	kept, err := t.session.Kept()
	if err != nil {
		return "", fmt.Errorf("cannot tell which pull token is saved here: %w", err)
	}
	for _, k := range kept.Tokens {
		if k.Stored && k.Host == t.session.Registry {
			return k.Username, nil
		}
	}
	return "", nil
}
