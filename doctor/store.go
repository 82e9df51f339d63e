package doctor

import (
	"errors"
	"fmt"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/keychain"
)

// checkStore checks that the credential store returns a secret that was stored.
func (c *Checker) checkStore() []Result {
	const check = "store"
	store := c.Session.Keychain
	err := store.Probe()
	switch {
	case errors.Is(err, keychain.ErrStoresNothing) && c.hasOwnCredential():
		return []Result{ok(check, "nothing is stored (keychain=none): each command requests a new token")}
	case errors.Is(err, keychain.ErrStoresNothing):
		return []Result{warning(check, "nothing is stored (keychain=none), so no session outlasts a command", c.unset("keychain"))}
	case err != nil:
		return []Result{c.storeFailure(err)}
	}
	return []Result{describeStore(store.String(), store.Why(), store.Volatile())}
}

// hasOwnCredential reports whether the settings name an identity or a pull token, so that
// no sign-in is needed.
func (c *Checker) hasOwnCredential() bool {
	return c.Config.Identity != "" || c.Config.IdentityID != ""
}

// describeStore returns the result for a store that works. missing names the more secure
// stores that were not found, or "" if the user chose the store.
func describeStore(store, missing string, volatile bool) Result {
	const check = "store"
	reason := ""
	if missing != "" {
		reason = " (there is " + missing + ")"
	}
	switch {
	case volatile:
		return ok(check, "secrets are stored in the %s%s, which is in memory: a restart clears it", store, reason)
	case missing != "": // files are the last resort
		return warning(check, fmt.Sprintf("secrets are stored in the %s%s, where every program that you run can read them", store, reason),
			hint.Text("start a keyring, such as gnome-keyring, or accept the files"), hint.Do(hint.SetSetting, "keychain", "file"))
	}
	return ok(check, "secrets are stored in the %s", store)
}

// storeFailure returns the result for a store that does not work.
func (c *Checker) storeFailure(err error) Result {
	const check = "store"
	if errors.Is(err, keychain.ErrNoStore) && c.hasOwnCredential() {
		return warning(check, err.Error()+": each command requests a new token", hint.Of(err)...)
	}
	if c.Config.Keychain == config.KeychainOS || c.Config.Keychain == config.KeychainKernel {
		return failed(check, err, c.unset("keychain"), hint.Do(hint.SetSetting, "keychain", "file"))
	}
	return failed(check, err, hint.Text("set HOME (or XDG_STATE_HOME) to a directory that you can write to"))
}
