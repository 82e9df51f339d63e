package pin

import (
	"bytes"
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"

	"docker-credential-cgr/atomicfile"
	"docker-credential-cgr/platform"
)

// Write puts the digests into the files: into all of them or, where it is known
// beforehand that one cannot be written, into none. Each is replaced in one step. The
// errors, joined, name each file that is not as it should be; its places have nothing
// new from then on. written is how many have changed.
func (s *Set) Write(ctx context.Context) (written int, err error) {
	var changes []*change
	for _, f := range s.files {
		if text, changed := f.changed(); changed {
			changes = append(changes, &change{file: f, text: text})
		} else {
			atomicfile.SweepPending(f.path) // a run that was killed may have got this far
		}
	}
	defer each(changes, (*change).discard)
	each(changes, (*change).prepare)
	if err := failures(changes); err != nil {
		return 0, errors.Join(append(err, errors.New("no file was changed"))...)
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if s.prepared != nil {
		s.prepared()
	}
	each(changes, (*change).commit)
	for _, c := range changes {
		if c.err != nil {
			c.keep()
		}
	}
	errs := failures(changes)
	return len(changes) - len(errs), errors.Join(errs...)
}

// change is what a file is to hold.
type change struct {
	*file
	text    []byte
	pending *atomicfile.Pending
	err     error
}

func (c *change) prepare() { c.pending, c.err = atomicfile.Prepare(c.path, c.file.text, c.text) }

// commit also succeeds where another run has written the same meanwhile.
func (c *change) commit() {
	if c.err = c.pending.Commit(); c.err == nil {
		return
	}
	if now, err := os.ReadFile(c.path); err == nil && bytes.Equal(now, c.text) {
		c.err = nil
	}
}

// keep notes that the file has not changed.
func (c *change) keep() {
	for _, p := range c.places {
		p.New = ""
	}
}

func (c *change) discard() {
	if c.pending != nil {
		c.pending.Discard()
	}
}

func failures(changes []*change) (errs []error) {
	for _, c := range changes {
		if c.err != nil {
			errs = append(errs, errors.New(platform.Printable(c.err.Error()))) // it names the file
		}
	}
	return errs
}

// each does a step of all changes, some side by side: most of the time goes into
// waiting for the disk.
func each(changes []*change, step func(*change)) {
	parallel(len(changes), func(i int) { step(changes[i]) })
}

// parallel calls f with every number below n, some side by side.
func parallel(n int, f func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(workers, n) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}
