package cli

import (
	"os"

	"docker-credential-cgr/config"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin"
	"docker-credential-cgr/signin/openurl"
)

// provider is how a person signs in at the OpenID provider that is configured.
func (p Program) provider(cfg config.Config, sts *platform.STS) *signin.Provider {
	device := usesDevice(cfg)
	wait := signInWait
	if device {
		wait = headlessWait
	}
	return &signin.Provider{
		STS:    sts,
		Issuer: cfg.OIDC.Issuer, ClientID: cfg.OIDC.ClientID, Device: device,
		IdentityProvider: cfg.IdentityProvider, Identity: cfg.Identity,
		Opens:            cfg.Mode == config.ModeBrowser || cfg.Mode == config.ModeAuto && openurl.Usable(os.Getenv, os.Geteuid()),
		IdentityTokenEnv: cfg.IdentityTokenEnv,
		Wait:             wait, Screen: p.screen(), Now: wallClock, Debug: p.debugger(cfg),
		Transport: p.transport(),
	}
}

// usesDevice says whether people are given a device code: where that is set, or
// where a browser elsewhere is asked for and nothing else is set.
func usesDevice(cfg config.Config) bool {
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
