package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"docker-credential-cgr/config"
	"docker-credential-cgr/keychain"
	"docker-credential-cgr/token"
)

// login signs in, whatever is kept, and says who it was and what to type next.
func (p Program) login(ctx context.Context) int {
	cfg, err := config.Load(os.Getenv)
	if err != nil {
		return p.failed(ctx, err)
	}
	if cfg.Keychain == config.KeychainNone {
		return p.failed(ctx, errors.New("nothing would be kept of a sign-in: CHAINGUARD_KEYCHAIN is none"))
	}
	if cfg.IdentityID != "" {
		p.warn("CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN are set and answer first: unset them to use this sign-in")
	}
	session, err := p.session(cfg)
	if err != nil {
		return p.failed(ctx, err)
	}
	session.SignIn = p.browser(cfg).SignIn
	session.Patience = patiencePerson
	session.ConfirmAccount = func(last, now token.Account) bool { return p.confirmAccount(ctx, last, now) }

	account, err := session.Login(ctx)
	if err != nil {
		return p.failed(ctx, err)
	}
	p.forgetElsewhere(ctx, *session)
	fmt.Fprintf(p.Stdout, "Signed in as %s%s.\n", account, until(account.Until))
	why := session.Keychain.Why()
	if why != "" {
		why = " (" + why + ")"
	}
	p.warn("kept in the %s%s", session.Keychain, why)
	if session.Keychain.Volatile() {
		p.warn("that is memory, which a restart empties; CHAINGUARD_KEYCHAIN=file lasts")
	}
	p.warn("now pull, for example: docker pull %s/ORGANISATION/IMAGE", cfg.Registry.Host)
	return exitDone
}

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
	if !term.IsTerminal(int(p.Stdin.Fd())) {
		p.warn("signed in as %s, where %s was before", now, last)
		return true
	}
	fmt.Fprintf(p.Stderr, "%s: signed in as %s, where %s was before. Change to %s? [y/N] ", name, now, last, now)
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

// failed says what failed, and gives the exit code for it.
func (p Program) failed(ctx context.Context, err error) int {
	if ctx.Err() != nil {
		p.warn("%v", err)
		return exitInterrupted
	}
	p.warn("%v", err)
	return exitFailed
}
