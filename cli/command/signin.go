package command

import (
	"cmp"
	"context"
	"errors"
	"os"
	"time"

	"docker-credential-cgr/config"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin"
	"docker-credential-cgr/signin/openurl"
	"docker-credential-cgr/signin/prompt"
	"docker-credential-cgr/token"
)

// How long a sign-in may take: on this machine, or on another device.
const (
	signInTimeout   = 5 * time.Minute
	headlessTimeout = 10 * time.Minute
)

// CheckOrganization checks that users can sign in with the configured organization.
func (a *App) CheckOrganization(ctx context.Context) error {
	if a.Config.OrgName == "" {
		return nil
	}
	return platform.CheckOrganization(ctx, a.Transport(), a.Config.Issuer.String(), a.Config.OrgName)
}

// SignInFunc signs the user in.
type SignInFunc func(context.Context, token.SignInRequest) (*token.Grant, error)

// SignInFunc returns how the user signs in: with the organization's own provider if one is
// configured, in a browser on this machine, or on another device.
func (a *App) SignInFunc(sts *platform.STS, invite string) (SignInFunc, error) {
	cfg := a.Config
	if cfg.OIDC.Issuer != "" {
		if cfg.IdentityProvider == "" {
			return nil, errors.New("auth.oidc.issuer is set, but default.identity-provider is not: it is the ID of this provider on the platform")
		}
		if cfg.OIDC.ClientID == "" {
			return nil, errors.New("auth.oidc.issuer is set, but auth.oidc.client-id is not: it is the ID of this program at the provider")
		}
		return a.provider(sts).SignIn, nil
	}
	provider := cmp.Or(cfg.IdentityProvider, cfg.OrgName)
	browser := &signin.Browser{
		Issuer: cfg.Issuer.String(), Console: cfg.Console.String(),
		Provider: provider, Connection: cfg.SocialLogin, Identity: cfg.Identity, Invite: invite, Opens: true,
		NoRefreshToken: !cfg.UseRefreshToken, IdentityTokenEnv: cfg.IdentityTokenEnv,
		Wait: signInTimeout, Screen: a.screen(), Now: Now, Debug: a.Debug,
	}
	headless := &signin.Headless{
		STS:      sts,
		Provider: provider, Connection: cfg.SocialLogin, Identity: cfg.Identity,
		Wait: headlessTimeout, Screen: a.screen(), Now: Now, Debug: a.Debug,
	}
	switch {
	case cfg.Mode == config.ModeBrowser:
		return browser.SignIn, nil
	case cfg.Mode == config.ModeHeadless || !canOpenBrowser():
		return headless.SignIn, nil
	}
	browser.GiveUp = true
	return func(ctx context.Context, r token.SignInRequest) (*token.Grant, error) {
		grant, err := browser.SignIn(ctx, r)
		if errors.Is(err, signin.ErrNoBrowser) {
			return headless.SignIn(ctx, r)
		}
		return grant, err
	}, nil
}

// provider returns the configured OpenID provider.
func (a *App) provider(sts *platform.STS) *signin.Provider {
	cfg := a.Config
	device, timeout := usesDeviceFlow(cfg), signInTimeout
	if device {
		timeout = headlessTimeout
	}
	return &signin.Provider{
		STS:    sts,
		Issuer: cfg.OIDC.Issuer, ClientID: cfg.OIDC.ClientID, Device: device,
		IdentityProvider: cfg.IdentityProvider, Identity: cfg.Identity,
		Opens:            cfg.Mode == config.ModeBrowser || cfg.Mode == config.ModeAuto && canOpenBrowser(),
		IdentityTokenEnv: cfg.IdentityTokenEnv,
		Wait:             timeout, Screen: a.screen(), Now: Now, Debug: a.Debug,
		Transport: a.Transport(),
	}
}

// usesDeviceFlow reports whether users get a device code: if the setting says so, or if
// they sign in on another device and the setting has its default.
func usesDeviceFlow(cfg config.Config) bool {
	if cfg.Mode != config.ModeHeadless {
		return cfg.OIDC.Flow == config.FlowDevice
	}
	for _, s := range cfg.Settings {
		if s.Property == "auth.oidc.flow" && s.Source != "default" {
			return s.Value == config.FlowDevice
		}
	}
	return true
}

func canOpenBrowser() bool { return openurl.Usable(os.Getenv, os.Geteuid()) }

// OpensPages reports whether a browser can show the user a page of this program.
func (a *App) OpensPages() bool {
	return a.Config.Mode == config.ModeBrowser || a.IsInteractive() && canOpenBrowser()
}

// screen returns where a sign-in prints its instructions.
func (a *App) screen() prompt.Screen {
	screen := prompt.Screen{Out: a.Stderr, Terminal: a.IsInteractive()}
	if a.IsHelper {
		screen.Prefix = Name + ": "
	}
	return screen
}
