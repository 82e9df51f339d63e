//go:build e2e && linux

package clients

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"docker-credential-cgr/e2e/leaks"
)

// process is one that belongs to a folder: its arguments or its environment name
// it.
type process struct {
	pid                int
	arguments, environ string
}

func (p process) String() string {
	return fmt.Sprintf("process %d (%s)", p.pid, strings.TrimSpace(strings.ReplaceAll(p.arguments, "\x00", " ")))
}

// processes gives those that belong to dir, but for those in except.
func processes(dir string, except map[int]bool) []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || except[pid] {
			continue
		}
		// One that ends meanwhile has neither.
		environ, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "environ"))
		arguments, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		folder := []byte(dir + "/")
		if bytes.Contains(environ, folder) || bytes.Contains(arguments, folder) {
			found = append(found, process{pid, string(arguments), string(environ)})
		}
	}
	return found
}

// awaitGone waits until no process belongs to dir. What is still there at the
// end is ended and is an error.
func awaitGone(dir string) error {
	const enough = 15 * time.Second
	var left []process
	for end := time.Now().Add(enough); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if left = processes(dir, nil); len(left) == 0 {
			return nil
		}
	}
	for _, p := range left {
		if running, err := os.FindProcess(p.pid); err == nil {
			_ = running.Kill()
		}
	}
	return fmt.Errorf("left behind for %s: %v", enough, left)
}

// watch samples what the processes of a folder were started with, which everybody
// on the machine may be able to read.
type watch struct {
	dir    string
	before map[int]bool // processes that were there, which cannot be ours
	end    chan struct{}
	ended  sync.WaitGroup

	mu   sync.Mutex
	own  map[string]bool // arguments that the test itself wrote
	seen map[process]bool
}

func startWatch(dir string) *watch {
	w := &watch{
		dir: dir, before: map[int]bool{}, end: make(chan struct{}),
		own: map[string]bool{}, seen: map[process]bool{},
	}
	if entries, err := os.ReadDir("/proc"); err == nil {
		for _, entry := range entries {
			if pid, err := strconv.Atoi(entry.Name()); err == nil {
				w.before[pid] = true
			}
		}
	}
	w.ended.Go(func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-w.end:
				return
			case <-ticker.C:
				w.sample()
			}
		}
	})
	return w
}

func (w *watch) sample() {
	found := processes(w.dir, w.before)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range found {
		w.seen[p] = true
	}
}

// skip leaves out arguments that the test itself wrote, as a person who types a
// password does. They are also those of a child that has not become another
// program yet.
func (w *watch) skip(arguments []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.own[strings.Join(arguments, "\x00")+"\x00"] = true
}

func (w *watch) stop() {
	close(w.end)
	w.ended.Wait()
}

// find gives where secrets were seen: in arguments, and those of the second kind
// in environments.
func (w *watch) find(arguments, environs leaks.Needles) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []string
	for p := range w.seen {
		name, _, _ := strings.Cut(p.arguments, "\x00")
		if environs.In([]byte(p.environ)) {
			found = append(found, fmt.Sprintf("the environment of process %d (%s)", p.pid, name))
		}
		if !w.own[p.arguments] && arguments.In([]byte(p.arguments)) {
			found = append(found, fmt.Sprintf("the arguments of process %d (%s)", p.pid, name))
		}
	}
	return found
}
