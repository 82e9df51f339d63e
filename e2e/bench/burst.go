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

// A state is how the program finds its store.
type state string

const (
	warm    state = "warm"
	expired state = "expired"
	nobody  state = "nobody signed in"
)

// A clock says from when on the time of a burst counts. It ends with the last
// process that exits.
type clock string

const (
	// fromStart counts from the start of the first process, as one waits who runs
	// so many. Starting them takes a machine longer than a warm get takes them.
	fromStart clock = "first start"
	// fromRelease holds all processes back, started and with their input read,
	// until they are let go on together: nothing of what they do to each other
	// hides behind their start.
	fromRelease clock = "release of all"
)

// burst is many processes at once.
type burst struct {
	store    string
	state    state
	clock    clock
	get      *single
	platform *fakeplatform.Platform
	place    *fixture
	base     *burst // the same, warm; nil for itself

	took                       []time.Duration // less what the issuer took on purpose
	served, refreshes, windows []int
}

// bursts gives the bursts on every store that can be measured. Each store has a
// platform of its own: a sign-in clears what other stores hold for it.
func (p *fixture) bursts() ([]*burst, error) {
	var all []*burst
	for _, store := range p.stores {
		platform, err := p.newPlatform()
		if err != nil {
			return nil, err
		}
		get := p.get(getPrefix+store, "", platform, p.settingsOf(store)...)
		for _, clock := range []clock{fromStart, fromRelease} {
			b := burst{store: store, state: warm, clock: clock, get: get, platform: platform, place: p}
			after := b
			after.state, after.base = expired, &b
			all = append(all, &after, &b)
		}
	}
	platform, err := p.newPlatform()
	if err != nil {
		return nil, err
	}
	get := p.get(getPrefix+nobodyStore, "", platform, p.settingsOf(nobodyStore)...)
	for _, clock := range []clock{fromStart, fromRelease} {
		all = append(all, &burst{store: nobodyStore, state: nobody, clock: clock, get: get, platform: platform, place: p})
	}
	return all, nil
}

// nobodyStore is where a session goes that nobody had before: it is about
// windows, which are the same for all stores.
const nobodyStore = fileStore

// measureBursts runs each burst once in every round. Where one is expired, the
// warm one that follows it finds what it kept.
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
	case nobody:
		if err := b.run(ctx, "erase"); err != nil {
			return err
		}
	}
	b.platform.Change(func(to *fakeplatform.Behavior) { to.Latency["sts.refresh"] = delay })
	defer b.platform.Change(func(to *fakeplatform.Behavior) { to.Latency["sts.refresh"] = 0 })
	if err := b.place.forgetWindows(); err != nil {
		return err
	}
	b.platform.ResetCounts()

	took, served, err := b.processes(ctx, n)
	if err != nil {
		return err
	}
	if b.state != nobody && served != n { // of those who sign in, a budget tells
		return fmt.Errorf("%d of %d processes were served", served, n)
	}
	b.took = append(b.took, took-delay)
	b.served = append(b.served, served)
	b.refreshes = append(b.refreshes, b.platform.Count("sts.refresh"))
	windows, err := b.place.windows()
	b.windows = append(b.windows, windows)
	return err
}

// expire has somebody sign in for an access token that is too short to be given
// again, and the platform give usual ones from then on.
func (b *burst) expire(ctx context.Context) error {
	b.platform.Change(func(to *fakeplatform.Behavior) { to.AccessLifetime = 30 * time.Second })
	defer b.platform.Change(func(to *fakeplatform.Behavior) { to.AccessLifetime = 0 })
	return b.run(ctx, "login")
}

// run runs one of the program's other commands.
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

// processes runs n processes at once, and says how many were served.
func (b *burst) processes(ctx context.Context, n int) (took time.Duration, served int, err error) {
	ctx, cancel := context.WithTimeout(ctx, processLimit)
	defer cancel()
	// One file for all: each writes its answer in one piece, to the end.
	answers, err := os.OpenFile(b.place.path("answers"), os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return 0, 0, err
	}
	defer answers.Close()

	cmds := make([]*exec.Cmd, 0, n)
	inputs := make([]*os.File, 0, n)
	defer func() {
		cancel() // nothing is left behind where this breaks off
		for _, cmd := range cmds {
			_ = cmd.Wait() // or it has been waited for
		}
		for _, input := range inputs {
			_ = input.Close() // or it is closed
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
		// Each waits for the end of its standard input then.
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
		_ = cmd.Wait() // the answers tell
	}
	took = time.Since(start)
	text, err := os.ReadFile(answers.Name())
	return took, b.count(text), errors.Join(err, ctx.Err())
}

// count counts the answers that hold the token that the platform made last.
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

// windows is how many browser windows were opened since forgetWindows.
func (p *fixture) windows() (int, error) {
	text, err := os.ReadFile(p.environ["WINDOWS"])
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	return bytes.Count(text, []byte("\n")), err
}

func (p *fixture) forgetWindows() error {
	if err := os.Remove(p.environ["WINDOWS"]); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
