//go:build linux

// Command bench measures whole processes of docker-credential-cgr, from start to exit,
// and compares them with other helpers and with minimal programs in the same run. It
// prints tables and writes docs/benchmarks.md:
//
//	go run ./bench
//	go run ./bench -check   # exit 1 unless every budget is met
//
// Files with the build tag "ignore" are the minimal programs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"docker-credential-cgr/e2e/fakebrowser"
	"docker-credential-cgr/e2e/program"
)

// issuerDelay is how long the issuer takes for a refresh in bursts with an expired token.
const issuerDelay = 200 * time.Millisecond

// options are the command's flags.
type options struct {
	rounds, bursts, processes int
	check                     bool
	date, out                 string
}

func main() {
	if filepath.Base(os.Args[0]) == browserName {
		fakebrowser.Main() // as $BROWSER
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 200, "how often each single process is measured")
	flag.IntVar(&o.bursts, "bursts", 20, "how often each burst is measured")
	flag.IntVar(&o.processes, "processes", 100, "number of processes in a burst")
	flag.BoolVar(&o.check, "check", false, "exit 1 unless every budget is met")
	flag.StringVar(&o.date, "date", "", "date of the report")
	flag.StringVar(&o.out, "o", filepath.Join(program.Root(), "docs", "benchmarks.md"), "output `file`; empty writes none")
	flag.Parse()
	if flag.NArg() > 0 || o.rounds < 1 || o.bursts < 1 || o.processes < 1 {
		flag.Usage()
		os.Exit(2)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	met, err := run(ctx, o)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	case o.check && !met:
		fmt.Fprintln(os.Stderr, "bench: not every budget is met")
		os.Exit(1)
	}
}

// run measures everything and reports whether every budget is met.
func run(ctx context.Context, o options) (met bool, err error) {
	p, err := newFixture()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	r := &report{options: o, command: commandLine(), machine: describeMachine()}

	progress("measuring single processes, %d rounds", o.rounds)
	singles, err := p.singles(ctx)
	if err != nil {
		return false, err
	}
	if err := measureSingles(ctx, singles, o.rounds); err != nil {
		return false, err
	}
	progress("measuring peak memory")
	if err := p.measurePeaks(ctx, singles); err != nil {
		return false, err
	}
	progress("measuring bursts of %d, %d rounds", o.processes, o.bursts)
	bursts, err := p.bursts()
	if err != nil {
		return false, err
	}
	if err := measureBursts(ctx, bursts, o); err != nil {
		return false, err
	}
	progress("measuring images commands, %d rounds", imageRounds)
	if r.images, err = p.measureImages(ctx, imageRounds); err != nil {
		return false, err
	}
	r.singles, r.bursts, r.skipped = singles, bursts, p.skipped

	fmt.Print(r.text())
	if o.out != "" {
		if err := os.WriteFile(o.out, []byte(r.markdown()), 0o644); err != nil {
			return false, err
		}
	}
	return r.met(), nil
}

// commandLine returns the command that repeats this run.
func commandLine() string {
	return strings.TrimSpace("go run ./bench " + strings.Join(os.Args[1:], " "))
}

// progress prints progress on standard error.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}
