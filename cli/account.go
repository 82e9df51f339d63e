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

// forgetElsewhere clears the stores other than the one that session uses: what
// lies there is of an earlier one, and would come back as soon as the choice of
// store falls on it, as in a cron job that has no session bus.
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
			p.warn("the %s, which is not in use, could not be cleared: %v", other, err)
		}
	}
}

// confirmPatience is how long the question about another account waits.
const confirmPatience = time.Minute

// confirmAccount asks at a terminal whether another account than the last one is
// meant; a script that signs in as another means it.
func (p Program) confirmAccount(ctx context.Context, last, now token.Account) bool {
	if !term.IsTerminal(int(p.Stdin.Fd())) || inCI() {
		p.warn("signed in as %s, where %s was before", now, last)
		return true
	}
	fmt.Fprintf(p.Stderr, "%s: %s signed in in the browser, and %s is signed in here. Change to %s? [y/N] ", name, now, last, now)
	typed := make(chan string, 1)
	go func() { // left behind, reading, when nobody answers
		answer, _ := bufio.NewReader(p.Stdin).ReadString('\n')
		typed <- strings.ToLower(strings.TrimSpace(answer))
	}()
	select {
	case answer := <-typed:
		return answer == "y" || answer == "yes"
	case <-ctx.Done():
	case <-time.After(confirmPatience):
	}
	fmt.Fprintln(p.Stderr)
	return false
}
