package dockerconfig

import (
	"context"
	"time"
)

// lockTimeout is longer than anyone writes a file of this size.
const lockTimeout = 3 * time.Second

// lock makes those who edit files in dir with this package wait for each other.
// Where there can be no lock (some network file systems), or another user holds it
// on a directory that others may read, the look at the file just before it is
// replaced has to do, as it does beside Docker, which takes none.
func lock(dir string) (unlock func()) {
	l := newLock(dir)
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	if taken, err := l.TryLockContext(ctx, 5*time.Millisecond); err != nil || !taken {
		return func() {}
	}
	return func() { _ = l.Close() }
}
