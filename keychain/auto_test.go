package keychain

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

var errAbsent = errors.New("no such store here")

func nowhere() (string, error)     { return "", errAbsent }
func isErrAbsent(err error) bool   { return errors.Is(err, errAbsent) }
func failAbsent(_, _ string) error { return errAbsent }

// absentCandidate returns a store that does not exist.
func absentCandidate() candidate {
	m := newMemory(0)
	m.before = failAbsent
	return candidate{m, nowhere, isErrAbsent}
}

// candidates returns two stores in memory, the second for when the first does not exist.
func candidates() (first, second *memory, auto *autoStore) {
	first, second = newMemory(0), newMemory(0)
	return first, second, newAutoStore(candidate{first, nowhere, isErrAbsent}, candidate{second, nowhere, never})
}

func TestAutoUsesTheFirst(t *testing.T) {
	first, second, auto := candidates()
	must(t, auto.set("n", "value", time.Time{}))
	if len(first.values) != 1 || len(second.values) != 0 {
		t.Errorf("got %d and %d entries, want it in the first", len(first.values), len(second.values))
	}
	t.Run("P9 and keeps it", func(t *testing.T) {
		first.before = failAbsent
		if _, err := auto.get("n"); !errors.Is(err, errAbsent) {
			t.Errorf("got %v, want the first's error", err)
		}
		if err := auto.set("n", "new-secret", time.Time{}); err == nil || len(second.values) != 0 {
			t.Errorf("got %v and %d entries in the second, want an error and none", err, len(second.values))
		}
	})
	t.Run("P9 also if it was empty", func(t *testing.T) {
		first, second, auto := candidates()
		wantAbsent(t, auto, "n")
		first.before = failAbsent
		if err := auto.set("n", "new-secret", time.Time{}); err == nil || len(second.values) != 0 {
			t.Errorf("got %v and %d entries in the second, want an error and none", err, len(second.values))
		}
	})
}

// A locked or broken store is never a reason to use a weaker one.
func TestAutoLocked(t *testing.T) {
	for _, do := range []string{"get", "set", "delete"} {
		first, second, auto := candidates()
		locked := errors.New("locked")
		first.before = func(string, string) error { return locked }
		_, err := auto.get("n")
		switch do {
		case "set":
			err = auto.set("n", "new-secret", time.Time{})
		case "delete":
			err = auto.delete("n")
		}
		if !errors.Is(err, locked) || errors.Is(err, ErrNotFound) || len(second.values) != 0 {
			t.Errorf("P9 %s: got %v and %d entries in the second, want the first's error and none", do, err, len(second.values))
		}
	}
}

func TestAutoUsesTheNext(t *testing.T) {
	first, second, auto := candidates()
	first.before = failAbsent
	must(t, auto.set("n", "value", time.Time{}))
	if second.values["n"] != "value" {
		t.Errorf("got %q in the second, want the value", second.values)
	}
	k := &Keychain{store: auto}
	if why := k.Why(); !strings.Contains(why, "no memory: no such store here") {
		t.Errorf("P9 got the reason %q, want the absent store named", why)
	}
	// A store that appears later is not used by this process.
	first.before = nil
	wantValue(t, auto, "n", "value")
	t.Run("the last is used in any case", func(t *testing.T) {
		auto := newAutoStore(absentCandidate())
		if _, err := auto.get("n"); !errors.Is(err, errAbsent) {
			t.Errorf("got %v, want its error", err)
		}
	})
}

func TestAutoConcurrent(t *testing.T) {
	second := newMemory(0)
	second.values["n"] = "value"
	auto := newAutoStore(absentCandidate(), absentCandidate(), candidate{second, nowhere, never})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { wantValue(t, auto, "n", "value") })
	}
	all.Wait()
	if len(auto.absent) != 2 {
		t.Errorf("got %q, want two absent stores", auto.absent)
	}
}

// A bus that accepts calls and never answers only makes the calls fail, and does not block
// the locks, whose folder depends on the store.
func TestAutoBusSilent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a session bus is Linux's")
	}
	if os.Getenv("SILENT_BUS_CHILD") == "" {
		// In a child process: abandoned calls stay in godbus, which would start a bus
		// for them after the end of this test.
		path := filepath.Join(t.TempDir(), "bus")
		socket, err := net.Listen("unix", path)
		must(t, err)
		defer socket.Close()
		go func() {
			for {
				conn, err := socket.Accept()
				if err != nil {
					return
				}
				defer conn.Close() // kept open and silent
			}
		}()
		self, err := os.Executable()
		must(t, err)
		child := exec.Command(self, "-test.run=^TestAutoBusSilent$", "-test.v")
		child.Env = append(os.Environ(), "SILENT_BUS_CHILD=1", "DBUS_SESSION_BUS_ADDRESS=unix:path="+path, "XDG_STATE_HOME="+t.TempDir())
		if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestAutoBusSilent/F4_get") {
			t.Errorf("got %v\n%s", err, out)
		}
		return
	}
	for name, call := range map[string]func(k *Keychain) error{
		"F4 get": func(k *Keychain) error { _, err := k.Get("n"); return err },
		"F4 set": func(k *Keychain) error { return k.Set("n", "value-of-n", time.Time{}) },
		"F4 lock": func(k *Keychain) error {
			lock, err := k.TryLock("session-of-test")
			if err == nil {
				lock.Unlock()
			}
			return nil // only its end matters
		},
		"F4 why": func(k *Keychain) error { _ = k.Why(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			k, err := Open(Auto, "docker-credential-cgr-test", 50*time.Millisecond)
			must(t, err)
			done := make(chan error, 1)
			go func() { done <- call(k) }()
			select {
			case err := <-done:
				var failed *Error
				if strings.HasSuffix(name, "et") && !errors.As(err, &failed) {
					t.Errorf("got %v, want an *Error", err)
				}
			case <-time.After(2 * time.Second):
				t.Error("P11 got no end within 2 s, want an end after 50 ms")
			}
		})
	}
}

func TestNone(t *testing.T) {
	k := opened(t, None)
	if err := k.Set("n", "new-secret", time.Time{}); err == nil || !strings.Contains(err.Error(), "keychain is none") {
		t.Errorf("set: got %v, want an error that names the setting", err)
	}
	if _, err := k.Get("n"); err != ErrNotFound {
		t.Errorf("get: got %v, want ErrNotFound", err)
	}
	must(t, k.Delete("n"))
}
