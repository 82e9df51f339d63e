package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/term"

	"docker-credential-cgr/keychain"
	"docker-credential-cgr/token"
)

// forgetElsewhere clears the stores that the session does not use. They may contain an
// earlier session, which would be used again when the choice falls on its store, as in a
// cron job without a session bus.
func (p Program) forgetElsewhere(ctx context.Context, session token.Session) {
	used := session.Keychain.String()
	for _, kind := range keychain.Kinds() {
		other, err := keychain.Open(kind, name, 0)
		if err != nil || other.String() == used {
			continue
		}
		session.Keychain = other
		var failed *keychain.Error
		if err := session.ForgetElsewhere(ctx); err != nil && !(errors.As(err, &failed) && failed.Absent) {
			p.warn("cannot clear the %s, which is not in use: %v", other, err)
		}
	}
}

// confirmTimeout is how long the question about another account may take.
const confirmTimeout = time.Minute

// confirmAccount asks at a terminal whether the user means to change the account. A script
// that signs in with another account does.
func (p Program) confirmAccount(ctx context.Context, last, now token.Account) bool {
	if !term.IsTerminal(int(p.Stdin.Fd())) || inCI() {
		p.warn("signed in as %s, replacing %s", now, last)
		return true
	}
	fmt.Fprintf(p.Stderr, "%s: the browser signed in %s, but this program has the session of %s. Change to %s? [y/N] ", name, now, last, now)
	typed := make(chan string, 1)
	go func() { // goes on reading if there is no answer
		answer, _ := bufio.NewReader(p.Stdin).ReadString('\n')
		typed <- strings.ToLower(strings.TrimSpace(answer))
	}()
	select {
	case answer := <-typed:
		return answer == "y" || answer == "yes"
	case <-ctx.Done():
	case <-time.After(confirmTimeout):
	}
	fmt.Fprintln(p.Stderr)
	return false
}
