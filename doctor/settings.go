package doctor

import (
	"errors"
	"strings"

	"docker-credential-cgr/platform"
)

// settings tells what is wrong with the settings, and which are not the defaults.
func (p *Patient) settings() []Result {
	const check = "settings"
	var results []Result
	for _, err := range parts(p.ConfigErr) {
		results = append(results, fromError(check, err, "correct it"))
	}
	if missing := p.Config.Unpaired; missing != "" {
		given := "CHAINGUARD_TOKEN"
		if given == missing {
			given = "CHAINGUARD_IDENTITY_ID"
		}
		results = append(results, warning(check, "set "+missing+" too, or: unset "+given, "%s is set without %s, so it is not used", given, missing))
	}
	if p.ConfigErr == nil {
		results = append(results, p.incomplete()...)
	}
	for _, s := range p.Config.Settings {
		if s.Source != "default" && s.Value != "" {
			results = append(results, ok(check, "%s is %s (%s)", s.Property, platform.Printable(s.Value), s.Source))
		}
	}
	if len(results) == 0 {
		results = append(results, ok(check, "all are the defaults"))
	}
	return results
}

// incomplete tells which settings lack another that they need at a sign-in.
func (p *Patient) incomplete() []Result {
	if p.Config.OIDC.Issuer == "" {
		return nil
	}
	var results []Result
	for _, needs := range []struct{ property, value string }{
		{"auth.oidc.client-id", p.Config.OIDC.ClientID},
		{"default.identity-provider", p.Config.IdentityProvider},
	} {
		if needs.value == "" {
			results = append(results, failure("settings", name+" config set "+needs.property+" ID", "auth.oidc.issuer is set without %s", needs.property))
		}
	}
	return results
}

// parts are the errors that err joins.
func parts(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// unset says how to take back a setting.
func (p *Patient) unset(property string) string {
	for _, s := range p.Config.Settings {
		if s.Property == property && strings.HasPrefix(s.Source, "CHAINGUARD_") {
			return "unset " + s.Source
		}
	}
	return name + " config unset " + property
}
