package pin

import (
	"context"
	"errors"
	"sync"

	"docker-credential-cgr/atomicfile"
	"docker-credential-cgr/platform"
)

// Write puts the digests into the files: into all of them or, where it is known
// beforehand that one cannot be written, into none. Each is replaced in one step. The
// errors, joined, name each file that is not as it should be. written is how many have
// changed.
func (s *Set) Write(ctx context.Context) (written int, err error) {
	var changes []*change
	for _, f := range s.files {
		if text, changed := f.changed(); changed {
			changes = append(changes, &change{file: f, text: text})
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
	each(changes, (*change).commit)
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
func (c *change) commit()  { c.err = c.pending.Commit() }

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
	var all sync.WaitGroup
	next := make(chan *change)
	for range min(workers, len(changes)) {
		all.Go(func() {
			for c := range next {
				step(c)
			}
		})
	}
	for _, c := range changes {
		next <- c
	}
	close(next)
	all.Wait()
}
