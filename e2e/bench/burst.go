//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"syscall"
	"time"
	"unsafe"

	"docker-credential-cgr/e2e/fakeplatform"
)

// A state is what the store holds when a burst begins.
type state string

const (
	warm        state = "warm"
	expired     state = "expired"
	notSignedIn state = "not signed in"
)

// A clock is the moment from which the time of a burst counts. It ends with the exit of the last process.
type clock string

const (
	// fromStart counts from the start of the first process, as a user waits. Starting all
	// processes takes longer than a warm get.
	fromStart clock = "first start"
	// fromRelease holds all processes back, after they have started and read their input, and
	// releases them together, so that their start does not hide how they affect each other.
	fromRelease clock = "release of all"
)

// burst is a measurement of many processes at once.
type burst struct {
	store    string
	state    state
	clock    clock
	get      *single
	platform *fakeplatform.Platform
	fixture  *fixture
	base     *burst // the warm burst to compare with, or nil

	took                       []time.Duration // without issuerDelay
	served, refreshes, windows []int
}

// bursts returns the bursts on every store that works here. Each store has a
// platform of its own, because a sign-in clears the other stores.
func (p *fixture) bursts() ([]*burst, error) {
	var all []*burst
	for _, store := range p.stores {
		platform, err := p.newPlatform()
		if err != nil {
			return nil, err
		}
		get := p.get(getPrefix+store, "", platform, p.settingsOf(store)...)
		for _, clock := range []clock{fromStart, fromRelease} {
			b := burst{store: store, state: warm, clock: clock, get: get, platform: platform, fixture: p}
			after := b
			after.state, after.base = expired, &b
			all = append(all, &after, &b)
		}
	}
	platform, err := p.newPlatform()
	if err != nil {
		return nil, err
	}
	get := p.get(getPrefix+signedOutStore, "", platform, p.settingsOf(signedOutStore)...)
	for _, clock := range []clock{fromStart, fromRelease} {
		all = append(all, &burst{store: signedOutStore, state: notSignedIn, clock: clock, get: get, platform: platform, fixture: p})
	}
	return all, nil
}

// signedOutStore is the store of the bursts that begin without a session. They count
// sign-in windows, which do not depend on the store.
const signedOutStore = fileStore

// measureBursts runs each burst once in every round. The warm burst after an
// expired one uses the token that the expired one stored.
func measureBursts(ctx context.Context, bursts []*burst, o options) error {
	var groups [][]*burst
	for _, b := range bursts {
		if last := len(groups) - 1; last >= 0 && groups[last][0].platform == b.platform {
			groups[last] = append(groups[last], b)
		} else {
			groups = append(groups, []*burst{b})
		}
	}
	for range o.bursts {
		for _, i := range rand.Perm(len(groups)) {
			for _, b := range groups[i] {
				if err := b.measure(ctx, o.processes); err != nil {
					return fmt.Errorf("%s, %s: %w", b.store, b.state, err)
				}
			}
		}
	}
	return nil
}

func (b *burst) measure(ctx context.Context, n int) error {
	var delay time.Duration
	switch b.state {
	case expired:
		if err := b.expire(ctx); err != nil {
			return err
		}
		delay = issuerDelay
	case notSignedIn:
		if err := b.run(ctx, "erase"); err != nil {
			return err
		}
	}
	b.platform.Change(func(to *fakeplatform.Behavior) { to.Latency["sts.refresh"] = delay })
	defer b.platform.Change(func(to *fakeplatform.Behavior) { to.Latency["sts.refresh"] = 0 })
	if err := b.fixture.forgetWindows(); err != nil {
		return err
	}
	b.platform.ResetCounts()

	took, served, err := b.processes(ctx, n)
	if err != nil {
		return err
	}
	if b.state != notSignedIn && served != n { // a budget checks the bursts that sign in
		return fmt.Errorf("%d of %d processes were served", served, n)
	}
	b.took = append(b.took, took-delay)
	b.served = append(b.served, served)
	b.refreshes = append(b.refreshes, b.platform.Count("sts.refresh"))
	b.windows = append(b.windows, len(b.fixture.environ.Windows()))
	return nil
}

// expire signs in with an access token that is valid too briefly to be used again.
// Later tokens have the usual lifetime.
func (b *burst) expire(ctx context.Context) error {
	b.platform.Change(func(to *fakeplatform.Behavior) { to.AccessLifetime = 30 * time.Second })
	defer b.platform.Change(func(to *fakeplatform.Behavior) { to.AccessLifetime = 0 })
	return b.run(ctx, "login")
}

// run runs another command of the program.
func (b *burst) run(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, processLimit)
	defer cancel()
	cmd, stdin, err := b.get.command(ctx, b.get.path, args...)
	if err != nil {
		return err
	}
	defer stdin.Close()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%v: %w: %s", args, err, stderr.String())
	}
	return nil
}

// processes runs n processes at once and returns how many printed a credential.
func (b *burst) processes(ctx context.Context, n int) (took time.Duration, served int, err error) {
	ctx, cancel := context.WithTimeout(ctx, processLimit)
	defer cancel()
	// All processes append to one file; each writes its answer in one call.
	answers, err := os.OpenFile(b.fixture.path("answers"), os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return 0, 0, err
	}
	defer answers.Close()

	cmds := make([]*exec.Cmd, 0, n)
	inputs := make([]*os.File, 0, n)
	defer func() {
		cancel() // ends all processes if this returns early
		for _, cmd := range cmds {
			_ = cmd.Wait() // an error means that it was called before
		}
		for _, input := range inputs {
			_ = input.Close() // an error means that it is closed already
		}
	}()
	start := time.Now()
	for range n {
		stdin, input, err := os.Pipe()
		if err != nil {
			return 0, 0, err
		}
		inputs = append(inputs, input)
		cmd := exec.CommandContext(ctx, b.get.path, b.get.args...)
		cmd.Env, cmd.Stdin, cmd.Stdout = b.get.environ, stdin, answers
		_, err = input.WriteString(b.get.input)
		if err == nil {
			err = cmd.Start()
		}
		if err = errors.Join(err, stdin.Close()); err != nil {
			return 0, 0, err
		}
		cmds = append(cmds, cmd)
		if b.clock == fromStart {
			_ = input.Close()
		}
	}
	if b.clock == fromRelease {
		// After that, each process waits for the end of its standard input.
		for _, input := range inputs {
			if err := awaitRead(ctx, input); err != nil {
				return 0, 0, err
			}
		}
		start = time.Now()
		for _, input := range inputs {
			_ = input.Close()
		}
	}
	for _, cmd := range cmds {
		_ = cmd.Wait() // count checks the answers
	}
	took = time.Since(start)
	text, err := os.ReadFile(answers.Name())
	return took, b.count(text), errors.Join(err, ctx.Err())
}

// count returns the number of answers with the last token that the platform issued.
func (b *burst) count(answers []byte) int {
	want, served := lastAccessToken(b.platform), 0
	for line := range bytes.Lines(answers) {
		var answer struct{ Username, Secret string }
		if json.Unmarshal(line, &answer) == nil && answer.Username == "_token" && answer.Secret == want {
			served++
		}
	}
	return served
}

// awaitRead waits until everything in a pipe has been read.
func awaitRead(ctx context.Context, pipe *os.File) error {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		unread := int32(-1)
		var errno syscall.Errno
		err := conn.Control(func(fd uintptr) {
			_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCINQ, uintptr(unsafe.Pointer(&unread)))
		})
		if err == nil && errno != 0 {
			err = errno
		}
		if err != nil || unread == 0 {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return ctx.Err()
}

func (p *fixture) forgetWindows() error {
	if err := os.Remove(p.environ["WINDOWS"]); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
