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
		says, mend := adviceOnSetting(err.Error())
		results = append(results, failure(check, mend, "%s", says))
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

// adviceOnSetting parts the text of an error of config.Read, which begins with the
// place and may end with advice, into what is wrong and what to do.
func adviceOnSetting(text string) (says, mend string) {
	for _, advice := range []struct{ between, mend string }{
		{"; run: ", ""},
		{"; see what is in it, then run: ", "see what is in it, then run: "},
		{"; did you mean: ", "in its place write: "},
		{"; to see all there are, run: ", "take it out; to see all there are, run: "},
	} {
		if at := strings.LastIndex(text, advice.between); at >= 0 {
			return text[:at], advice.mend + text[at+len(advice.between):]
		}
	}
	place, _, _ := strings.Cut(text, "=")
	switch {
	case strings.Contains(text, " exclude each other"):
		return text, "keep one of them"
	case strings.HasPrefix(text, "flag "):
		return text, "correct the " + place
	case strings.HasPrefix(text, "CHAINGUARD_"):
		variable, _, _ := strings.Cut(place, " ")
		variable = strings.TrimSuffix(variable, ":")
		return text, "unset " + variable + ", or correct it"
	}
	place, _, _ = strings.Cut(text, ": ")
	return text, "correct " + place
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
