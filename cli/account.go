package cli

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/term"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/token"
)

// confirmTimeout is how long the user has to confirm a change of the account.
const confirmTimeout = time.Minute

// confirmAccount asks at a terminal whether the user wants to change the account. A script
// does not need to confirm it.
func (a *app) confirmAccount(ctx context.Context, last, now token.Account) bool {
	if !term.IsTerminal(int(a.Stdin.Fd())) || command.InCI() {
		a.Warn("signed in as %s, replacing %s", now, last)
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	confirmed, _ := a.Ask(ctx, fmt.Sprintf("the browser signed in %s, but this program has the session of %s. Change to %s?", now, last, now))
	return confirmed
}
