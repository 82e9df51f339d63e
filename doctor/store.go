package doctor

import (
	"errors"
	"strings"

	"docker-credential-cgr/config"
	"docker-credential-cgr/keychain"
)

// store checks that a secret comes back from the place where secrets rest.
func (p *Patient) store() []Result {
	const check = "store"
	k := p.Session.Keychain
	err := k.Probe()
	switch {
	case errors.Is(err, keychain.ErrKeepsNothing):
		if p.Config.Identity != "" || p.Config.IdentityID != "" {
			return []Result{ok(check, "nothing is kept, by the setting keychain=none: each time a new token is asked for")}
		}
		return []Result{warning(check, p.unset("keychain"), "nothing is kept, by the setting keychain=none, so nobody can stay signed in")}
	case err != nil:
		return []Result{p.storeFailure(err)}
	}
	return []Result{rests(k.String(), k.Why(), k.Volatile())}
}

// rests says in which store a secret has come back; why names the stronger ones that
// are not here, where nobody has chosen it.
func rests(store, why string, volatile bool) Result {
	const check = "store"
	since := ""
	if why != "" {
		since = " (there is " + why + ")"
	}
	switch {
	case volatile:
		return ok(check, "secrets rest in the %s%s, which is memory: a restart empties it", store, since)
	case why != "": // files are what is left when nothing else is there
		return warning(check, "accept it: "+name+" config set keychain file (or start a keyring, such as gnome-keyring)",
			"secrets rest in the %s%s, where all that runs as you can read them", store, since)
	}
	return ok(check, "secrets rest in the %s, and come back", store)
}

// storeFailure is what a store that is there and does not work makes of the check.
func (p *Patient) storeFailure(err error) Result {
	const check = "store"
	var failed *keychain.Error
	switch {
	case errors.Is(err, keychain.ErrNoStore):
		text, advice, _ := cutLast(err.Error(), "; ")
		if p.Config.Identity != "" || p.Config.IdentityID != "" {
			return warning(check, advice, "%s: each time a new token is asked for", text)
		}
		return failure(check, advice, "%s", text)
	case errors.As(err, &failed) && failed.Hint != "":
		return failure(check, failed.Hint, "cannot %s the %s: %v", failed.Do, failed.Store, failed.Err)
	case errors.Is(err, keychain.ErrNotPrivate):
		// "cannot …: not used: WHAT IS WRONG: WHAT TO DO"
		if text, advice, found := cutLast(err.Error(), ": see "); found {
			return failure(check, "see "+advice, "%s", text)
		}
		if text, advice, found := cutLast(err.Error(), ": remove it"); found {
			return failure(check, "remove it"+advice, "%s", text)
		}
	}
	if p.Config.Keychain == config.KeychainOS || p.Config.Keychain == config.KeychainKernel {
		return failure(check, p.unset("keychain")+", or choose a file: "+name+" config set keychain file", "%v", err)
	}
	return failure(check, "set HOME (or XDG_STATE_HOME) to a folder that you can write to", "%v", err)
}

func cutLast(text, separator string) (before, after string, found bool) {
	at := strings.LastIndex(text, separator)
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+len(separator):], true
}
