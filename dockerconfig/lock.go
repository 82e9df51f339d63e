package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// lockTimeout is longer than anybody writes a file of this size.
const lockTimeout = 10 * time.Second

// lock makes those who edit files in dir with this package wait for each other.
// Where there can be no lock (some network file systems), the look at the file
// just before it is replaced has to do, as it does beside Docker, which takes
// none.
func lock(dir string) (unlock func(), err error) {
	l := newLock(dir)
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	switch _, err := l.TryLockContext(ctx, 5*time.Millisecond); {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("another process has been writing in %s for %v; run this again when it has ended", dir, lockTimeout)
	case err != nil:
		return func() {}, nil
	}
	return func() { _ = l.Close() }, nil
}
