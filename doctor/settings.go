package doctor

import (
	"errors"
	"fmt"
	"strings"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// checkSettings reports errors in the settings, and which settings are not the defaults.
func (c *Checker) checkSettings() []Result {
	const check = "settings"
	var results []Result
	for _, err := range split(c.ConfigErr) {
		results = append(results, failed(check, err, hint.Text("correct it")))
	}
	if missing := c.Config.Unpaired; missing != "" {
		given := "CHAINGUARD_TOKEN"
		if given == missing {
			given = "CHAINGUARD_IDENTITY_ID"
		}
		results = append(results, warning(check, fmt.Sprintf("%s is set without %s, so it is not used", given, missing),
			hint.Text("set %s too, or: %s", missing, hint.Unset(given).Text)))
	}
	if c.ConfigErr == nil && c.Config.OIDC.Issuer != "" {
		for _, needed := range []struct{ property, value string }{
			{"auth.oidc.client-id", c.Config.OIDC.ClientID},
			{"default.identity-provider", c.Config.IdentityProvider},
		} {
			if needed.value == "" {
				results = append(results, failure(check, "auth.oidc.issuer is set without "+needed.property,
					hint.Do(hint.SetSetting, needed.property, "ID")))
			}
		}
	}
	for _, s := range c.Config.Settings {
		if s.Source != "default" && s.Value != "" {
			results = append(results, ok(check, "%s is %s (%s)", s.Property, platform.Printable(s.Value), s.Source))
		}
	}
	if len(results) == 0 {
		results = append(results, ok(check, "all are the defaults"))
	}
	return results
}

// split returns the errors that err joins.
func split(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// unset returns how to unset a property.
func (c *Checker) unset(property string) hint.Hint {
	for _, s := range c.Config.Settings {
		if s.Property == property && strings.HasPrefix(s.Source, "CHAINGUARD_") {
			return hint.Unset(s.Source)
		}
	}
	return hint.Do(hint.UnsetSetting, property)
}
