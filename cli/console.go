package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/console"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/kubernetes"
	"docker-credential-cgr/pulltoken"
	"docker-credential-cgr/signin/openurl"
	"docker-credential-cgr/token"
)

// The limits of --idle.
const (
	minIdle     = time.Second
	defaultIdle = 15 * time.Minute
	maxIdle     = 24 * time.Hour
)

// openLimit is how long a browser may take to show the page before the user is told what
// to do.
const openLimit = 10 * time.Second

func (a *app) newConsole() *cobra.Command {
	var parent string
	var idle time.Duration
	var noBrowser bool
	c := &cobra.Command{
		Use:   "console",
		Short: "Manage pull tokens in the browser",
		Long: `List, create and revoke the pull tokens of your organizations on a web page that only
this machine can reach. It is served until you press Ctrl-C or stop using it for a
while. Its URL works once, in one browser.`,
		Example: `  docker-credential-cgr console
  docker-credential-cgr console --parent example.com --idle 1h`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if idle < minIdle || idle > maxIdle {
				return command.Usagef("--idle %s: give a time from 1s to 24h", idle)
			}
			return a.console(c.Context(), parent, idle, !noBrowser && a.OpensPages())
		},
	}
	c.Flags().StringVar(&parent, "parent", "", "name or ID of the `ORGANIZATION` or folder (default: all)")
	c.Flags().BoolVar(&noBrowser, "no-browser", false, "print the page's URL instead of opening a browser")
	c.Flags().DurationVar(&idle, "idle", defaultIdle, "stop when not used for this `DURATION`, such as 1h (max 24h)")
	return c
}

func (a *app) console(ctx context.Context, parent string, idle time.Duration, opens bool) error {
	client, s, err := a.API(ctx)
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
	// The page shows the account if it is known.
	if kept, err := s.Kept(); err == nil && kept.Account.Subject != "" {
		page.Account = kept.Account.String()
	}
	closePage := func() {}
	err = page.Serve(ctx, func(address string, used <-chan struct{}) {
		a.Note("the page is at %s", address)
		a.Note("the address works once; press Ctrl-C to end the page")
		if opens {
			closePage = a.openPage(address, used)
		}
	})
	closePage()
	if errors.Is(err, console.ErrIdle) {
		a.Note("the page has ended: it was not used for %s", idle)
		return nil
	}
	return err
}

// openPage opens a browser on the page. Its address contains a key that other users of the
// machine must not see. closePage removes the file that the browser was opened on, and
// must be called at the end.
func (a *app) openPage(address string, used <-chan struct{}) (closePage func()) {
	failed := make(chan struct{})
	remove, err := openurl.StartPrivately(address, a.Config.IdentityTokenEnv, func() { close(failed) })
	if err != nil {
		a.Debug("cannot start the opener: %v", err)
		remove = func() {}
		close(failed)
	}
	over := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		a.awaitBrowser(used, failed, over)
		remove()
	})
	return func() {
		close(over)
		watching.Wait()
	}
}

// awaitBrowser waits until the key of the page was used, no browser could be opened, or the
// page has ended. It tells the user if the browser takes long: it may not be allowed to
// read the file that it was opened on.
func (a *app) awaitBrowser(used, failed, over <-chan struct{}) {
	late := time.After(openLimit)
	for {
		select {
		case <-used:
			return
		case <-over:
			return
		case <-failed:
			a.Note("cannot open a browser: open the address above yourself")
			return
		case <-late:
			a.Note("no browser has shown the page within %s: open the address above yourself", openLimit)
		}
	}
}

// consoleOrganizations returns the organizations of the page: the one of --parent, else
// that of default.group, else all that the user may see.
func (a *app) consoleOrganizations(ctx context.Context, client *iam.Client, parent string) ([]iam.Group, error) {
	if parent == "" && a.Config.Group == "" {
		organizations, err := client.Organizations(ctx)
		if err == nil && len(organizations) == 0 {
			err = &iam.NotFoundError{What: "organization"}
		}
		return organizations, err
	}
	group, err := a.Organization(ctx, client, parent)
	return []iam.Group{group}, err
}

// consoleTokens manages the pull tokens for the page.
type consoleTokens struct {
	client  *iam.Client
	session *token.Session
	parent  string // id of the organization or folder; empty for all
}

func (t *consoleTokens) List(ctx context.Context) ([]console.Token, error) {
	infos, err := pulltoken.List(ctx, t.client, pulltoken.Filter{Parent: t.parent})
	now := command.Now()
	tokens := make([]console.Token, len(infos))
	for i, info := range infos {
		days := info.DaysLeft(now)
		tokens[i] = console.Token{Info: info, DaysLeft: days, Soon: days != nil && *days < pulltoken.ExpiresSoon}
	}
	return tokens, err
}

func (t *consoleTokens) Create(ctx context.Context, parent iam.Group, r pulltoken.Request) (pulltoken.Credential, []console.Snippet, error) {
	created, err := pulltoken.Prepare(ctx, t.client, r).Create(ctx, parent, t.session.Issuer, command.Now)
	if err != nil {
		return created, nil, err
	}
	snippets, err := consoleSnippets(t.session.Registry, created, r.Repositories)
	if err != nil {
		return created, nil, t.client.UndoCreate(ctx, created.Identity, err)
	}
	return created, snippets, nil
}

// consoleSnippets returns the ways to use a new pull token, as pull-token create prints
// them, without those for container clients if it is not for images.
func consoleSnippets(host string, t pulltoken.Credential, repositories []pulltoken.Repository) ([]console.Snippet, error) {
	env := console.Snippet{Title: "Environment", Text: envScript(t, repositories)}
	if !slices.Contains(repositories, pulltoken.OCI) {
		return []console.Snippet{env}, nil
	}
	secret := kubernetes.Secret{
		Name: t.Identity.Name, Registry: host,
		Username: t.Identity.ID, Password: t.Token, Expires: t.Expires,
	}
	if kubernetes.CheckNames(secret.Name, "") != nil {
		secret.Name = "chainguard-pull" // pull tokens may have names that secrets may not
	}
	text, err := secret.YAML()
	if err != nil {
		return nil, err
	}
	return []console.Snippet{{Title: "docker login", Text: dockerScript(host, t)}, env, {Title: "Kubernetes", Text: string(text)}}, nil
}

func (t *consoleTokens) Revoke(ctx context.Context, id string) error {
	return pulltoken.Revoke(ctx, t.client, id)
}

func (t *consoleTokens) Saved() (id string, err error) {
	kept, err := t.session.Kept()
	if err != nil {
		return "", fmt.Errorf("cannot tell which pull token is saved on this machine: %w", err)
	}
	for _, k := range kept.Tokens {
		if k.Stored && k.Host == t.session.Registry {
			return k.Username, nil
		}
	}
	return "", nil
}
