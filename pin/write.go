package pin

import (
	"bytes"
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"

	"docker-credential-cgr/atomicfile"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// change is a file that is about to be replaced.
type change struct {
	*file
	text    []byte // the new content
	pending *atomicfile.Pending
	err     error
}

// Write writes the digests into the files and returns how many files changed. If it is known
// beforehand that one file cannot be written, none is. Each file is replaced in one step. The
// error joins one for each file that did not change; its references then have no New.
func (s *Set) Write(ctx context.Context) (written int, err error) {
	var changes []*change
	for _, f := range s.files {
		if text := f.newText(); !bytes.Equal(text, f.text) {
			changes = append(changes, &change{file: f, text: text})
		} else {
			atomicfile.SweepPending(f.path) // an earlier run may have been killed after this file
		}
	}
	defer func() {
		for _, c := range changes {
			if c.pending != nil {
				c.pending.Discard()
			}
		}
	}()
	parallel(len(changes), func(i int) {
		c := changes[i]
		c.pending, c.err = atomicfile.Prepare(c.path, c.file.text, c.text)
	})
	if errs := failures(changes); errs != nil {
		return 0, errors.Join(append(errs, errors.New("no file was changed"))...)
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if s.beforeCommit != nil {
		s.beforeCommit()
	}
	parallel(len(changes), func(i int) { changes[i].commit() })
	errs := failures(changes)
	return len(changes) - len(errs), errors.Join(errs...)
}

func (c *change) commit() {
	if c.err = c.pending.Commit(); c.err == nil {
		return
	}
	if now, err := os.ReadFile(c.path); err == nil && bytes.Equal(now, c.text) {
		c.err = nil // another run wrote the same
		return
	}
	for _, r := range c.references {
		r.New = ""
	}
}

func failures(changes []*change) (errs []error) {
	for _, c := range changes {
		if c.err != nil {
			errs = append(errs, hint.With(errors.New(platform.Printable(c.err.Error())), hint.Of(c.err)...)) // it names the file
		}
	}
	return errs
}

// parallel calls f with every number below n, from several goroutines.
func parallel(n int, f func(i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(workers, n) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	group.Wait()
}
