package doctor

import (
	"errors"

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
	if errors.Is(err, keychain.ErrNoStore) && (p.Config.Identity != "" || p.Config.IdentityID != "") {
		return warning(check, fixOf(err, ""), "%v: each time a new token is asked for", err)
	}
	mend := "set HOME (or XDG_STATE_HOME) to a folder that you can write to"
	if p.Config.Keychain == config.KeychainOS || p.Config.Keychain == config.KeychainKernel {
		mend = p.unset("keychain") + ", or choose a file: " + name + " config set keychain file"
	}
	return fromError(check, err, mend)
}
