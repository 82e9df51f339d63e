// Package web has the command that manages pull tokens on a local web page.
package web

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
	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/kubernetes"
	"docker-credential-cgr/pulltoken"
	"docker-credential-cgr/signin/openurl"
	"docker-credential-cgr/token"
)

// browserTimeout is how long a browser may take to show the page before the user is told to
// open it.
const browserTimeout = 10 * time.Second

// New returns the command console.
func New(a *command.App) *cobra.Command {
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
			if idle < time.Second || idle > 24*time.Hour {
				return command.Usagef("--idle %s is not a duration from 1s to 24h", idle)
			}
			return serve(c.Context(), a, parent, idle, !noBrowser && a.OpensPages())
		},
	}
	c.Flags().StringVar(&parent, "parent", "", "name or ID of the `ORGANIZATION` or folder (default: all)")
	c.Flags().BoolVar(&noBrowser, "no-browser", false, "print the page's URL instead of opening a browser")
	c.Flags().DurationVar(&idle, "idle", 15*time.Minute, "stop when not used for this `DURATION`, such as 1h (max 24h)")
	return c
}

func serve(ctx context.Context, a *command.App, parent string, idle time.Duration, openBrowser bool) error {
	client, s, err := a.API(ctx)
	if err != nil {
		return err
	}
	tokens := pullTokens{client: client, session: s}
	page := &console.Console{PullTokens: &tokens, Registry: s.Registry, Idle: idle}
	if page.Organizations, err = organizations(ctx, a, client, parent); err != nil {
		return err
	}
	if len(page.Organizations) == 1 {
		tokens.parent = page.Organizations[0].ID
	}
	if stored, err := s.Contents(); err == nil && stored.Account.Subject != "" {
		page.Account = stored.Account.String()
	}
	closePage := func() {}
	err = page.Serve(ctx, func(address string, used <-chan struct{}) {
		a.Note("the page is at %s", address)
		a.Note("the address works once; press Ctrl-C to end the page")
		if openBrowser {
			closePage = openPage(a, address, used)
		}
	})
	closePage()
	if errors.Is(err, console.ErrIdle) {
		a.Note("the page has ended: it was not used for %s", idle)
		return nil
	}
	return err
}

// openPage opens a browser on the page by way of a file, because other users of the machine
// must not see the key in its address. closePage removes the file, and must be called at
// the end.
func openPage(a *command.App, address string, used <-chan struct{}) (closePage func()) {
	failed := make(chan struct{})
	remove, err := openurl.StartPrivately(address, a.Config.IdentityTokenEnv, func() { close(failed) })
	if err != nil {
		a.Debug("cannot start the opener: %v", err)
		remove = func() {}
		close(failed)
	}
	ended := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		awaitBrowser(a, used, failed, ended)
		remove()
	})
	return func() {
		close(ended)
		waiting.Wait()
	}
}

// awaitBrowser waits until the key of the page is used, no browser can be opened, or the
// page has ended. It tells the user if the browser takes long, which may not be allowed to
// read the file.
func awaitBrowser(a *command.App, used, failed, ended <-chan struct{}) {
	late := time.After(browserTimeout)
	for {
		select {
		case <-used:
			return
		case <-ended:
			return
		case <-failed:
			a.Note("cannot open a browser: open the address above yourself")
			return
		case <-late:
			a.Note("no browser has shown the page within %s: open the address above yourself", browserTimeout)
		}
	}
}

// organizations returns the organization of --parent or default.group, or else all that the
// user can see.
func organizations(ctx context.Context, a *command.App, client *iam.Client, parent string) ([]iam.Group, error) {
	if parent == "" && a.Config.Group == "" {
		all, err := client.Organizations(ctx)
		if err == nil && len(all) == 0 {
			err = &iam.NotFoundError{What: "organization"}
		}
		return all, err
	}
	group, err := a.Organization(ctx, client, parent)
	return []iam.Group{group}, err
}

// pullTokens manages the pull tokens for the page.
type pullTokens struct {
	client  *iam.Client
	session *token.Session
	parent  string // ID of the organization or folder; empty for all
}

func (t *pullTokens) List(ctx context.Context) ([]console.Token, error) {
	infos, err := pulltoken.List(ctx, t.client, pulltoken.Filter{Parent: t.parent})
	now := command.Now()
	tokens := make([]console.Token, len(infos))
	for i, info := range infos {
		days := info.DaysLeft(now)
		tokens[i] = console.Token{Info: info, DaysLeft: days, Soon: days != nil && *days < pulltoken.ExpiresSoon}
	}
	return tokens, err
}

func (t *pullTokens) Create(ctx context.Context, parent iam.Group, r pulltoken.Request) (pulltoken.Credential, []console.Snippet, error) {
	created, err := pulltoken.Prepare(ctx, t.client, r).Create(ctx, parent, t.session.Issuer, command.Now)
	if err != nil {
		return created, nil, err
	}
	snippets, err := newSnippets(t.session.Registry, created, r.Repositories)
	if err != nil {
		return created, nil, t.client.UndoCreate(ctx, created.Identity, err)
	}
	return created, snippets, nil
}

// newSnippets returns the scripts that use a new pull token, without those for container
// clients if it is not for images.
func newSnippets(host string, t pulltoken.Credential, repositories []pulltoken.Repository) ([]console.Snippet, error) {
	script, err := t.EnvScript(hint.SystemShell(), repositories)
	if err != nil {
		return nil, err
	}
	env := console.Snippet{Title: "Environment", Text: script}
	if !slices.Contains(repositories, pulltoken.OCI) {
		return []console.Snippet{env}, nil
	}
	secret := kubernetes.Secret{
		Name: t.Identity.Name, Registry: host,
		Username: t.Identity.ID, Password: t.Token, Expires: t.Expires,
	}
	if kubernetes.CheckNames(secret.Name, "") != nil {
		secret.Name = "chainguard-pull" // not every name of a pull token is one for a secret
	}
	text, err := secret.YAML()
	if err != nil {
		return nil, err
	}
	return []console.Snippet{{Title: "docker login", Text: t.DockerScript(host)}, env, {Title: "Kubernetes", Text: string(text)}}, nil
}

func (t *pullTokens) Revoke(ctx context.Context, id string) error {
	return pulltoken.Revoke(ctx, t.client, id)
}

func (t *pullTokens) Saved() (id string, err error) {
	stored, err := t.session.Contents()
	if err != nil {
		return "", fmt.Errorf("cannot tell which pull token is saved on this machine: %w", err)
	}
	for _, c := range stored.Tokens {
		if c.UserStored && c.Host == t.session.Registry {
			return c.Username, nil
		}
	}
	return "", nil
}
