package cli

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"docker-credential-cgr/config"
	"docker-credential-cgr/token"
)

// login signs in, whatever is kept, and says who it was and what to type next.
func (p Program) login(ctx context.Context) int {
	cfg, err := config.Load(os.Getenv)
	if err != nil {
		return p.failed(ctx, err)
	}
	session, err := p.session(cfg)
	if err != nil {
		return p.failed(ctx, err)
	}
	session.SignIn = p.browser(cfg).SignIn
	session.Patience = patiencePerson
	session.ConfirmAccount = p.confirmAccount

	account, err := session.Login(ctx)
	if err != nil {
		return p.failed(ctx, err)
	}
	fmt.Fprintf(p.Stdout, "Signed in as %s%s.\n", account, until(account.Until))
	p.warn("kept in the %s; now pull, for example: docker pull %s/ORGANISATION/IMAGE", session.Keychain, cfg.Registry.Host)
	return exitDone
}

// confirmAccount asks at a terminal whether another account than the last one is
// meant; a script that signs in as another means it.
func (p Program) confirmAccount(last, now token.Account) bool {
	if !term.IsTerminal(int(p.Stdin.Fd())) {
		p.warn("signed in as %s, where %s was before", now, last)
		return true
	}
	fmt.Fprintf(p.Stderr, "%s: signed in as %s, where %s was before. Change to %s? [y/N] ", name, now, last, now)
	answer, _ := bufio.NewReader(p.Stdin).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
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
