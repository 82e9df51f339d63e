package dockerconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Concurrent writers lose no change, and a reader always sees whole JSON.
func TestConcurrent(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	path := writeFile(t, before)
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	reads := 0
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			text, err := os.ReadFile(path)
			if err != nil || !json.Valid(text) {
				t.Errorf("C16 got %q, %v, want whole JSON", text, err)
				return
			}
			reads++
		}
	})
	const each = 50
	for _, name := range []string{"a.example", "b.example"} {
		writers.Go(func() {
			for i := range 2*each + 1 {
				f, err := Load(path)
				if err != nil {
					t.Error(err)
					return
				}
				if i%2 == 0 {
					_, err = f.Add(name, helper, false)
				} else {
					_, err = f.Remove(name, helper)
				}
				if err := errors.Join(err, f.Save()); err != nil {
					t.Errorf("C16 %s, round %d: %v", name, i, err)
					return
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	f := load(t, path)
	for _, name := range []string{"a.example", "b.example"} {
		if got, _ := f.Helper(name); got != helper {
			t.Errorf("C16 %s: got %q, want %q: %s", name, got, helper, f.new.text)
		}
	}
	if reads == 0 {
		t.Error("got no read, want many")
	}
	wantAlone(t, path)
}

// Several processes create the file at once.
func TestConcurrentNewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "config.json")
	var all sync.WaitGroup
	const n = 8
	for i := range n {
		all.Go(func() {
			f, err := Load(path)
			if err == nil {
				_, err = f.Add(fmt.Sprintf("r%d.example", i), helper, false)
			}
			if err := errors.Join(err, f.Save()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	f := load(t, path)
	for i := range n {
		if _, ok := f.Helper(fmt.Sprintf("r%d.example", i)); !ok {
			t.Errorf("C16 r%d.example is missing, want all of them: %s", i, f.new.text)
		}
	}
}
