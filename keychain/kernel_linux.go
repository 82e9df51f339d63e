package keychain

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// kernelStore keeps secrets as keys of type "user" in the user keyring of the
// Linux kernel (keyrings(7)). They are in memory alone, and gone at the latest with
// a restart. The user keyring, unlike the session keyring, is the same under SSH,
// su, cron and systemd.
type kernelStore struct{ service string }

func newKernelStore(service string) store { return newParts(&kernelStore{service}) }

func (s *kernelStore) name() string { return kernelName }

// limit is what a key of type "user" holds: 32,767 bytes (keyctl(2)).
func (s *kernelStore) limit() int { return 32767 }

// keyPermissions give every right to the possessor and to the user, none to
// others (keyctl_setperm(3)). The user's are needed where the process does not
// possess the user keyring, as under SSH or cron.
const keyPermissions = 0x3f3f0000

func (s *kernelStore) describe(name string) string { return s.service + " " + name }

// possess runs do on a thread that possesses the user keyring: linked into the
// thread's own keyring, which ends with the thread. Without it a key that was
// just made, with the rights that it has at first, could not be touched.
func possess(do func() error) error {
	done := make(chan error, 1)
	go func() {
		// Not unlocked: the thread ends with the goroutine, and its keyring too.
		runtime.LockOSThread()
		_, err := unix.KeyctlInt(unix.KEYCTL_LINK, unix.KEY_SPEC_USER_KEYRING, unix.KEY_SPEC_THREAD_KEYRING, 0, 0)
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return <-done
}

func (s *kernelStore) get(name string) (value string, err error) {
	value, err = s.read(name)
	if errors.Is(err, unix.EACCES) {
		// Its writer was killed before it could set the permissions.
		err = possess(func() error {
			value, err = s.read(name)
			return err
		})
	}
	return value, err
}

func (s *kernelStore) read(name string) (string, error) {
	id, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, "user", s.describe(name), 0)
	if err != nil {
		return "", keyError(err)
	}
	buf := make([]byte, s.limit())
	n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, buf, 0)
	if err != nil {
		return "", keyError(err)
	}
	return string(buf[:n]), nil
}

func (s *kernelStore) set(name, value string, until time.Time) error {
	return possess(func() error {
		// One call makes the key or replaces its value; a value that does not
		// fit the quota leaves the former one.
		id, err := unix.AddKey("user", s.describe(name), []byte(value), unix.KEY_SPEC_USER_KEYRING)
		if err != nil {
			return keyError(err)
		}
		if err := unix.KeyctlSetperm(id, keyPermissions); err != nil {
			return fmt.Errorf("cannot set the key's permissions: %w", err)
		}
		seconds := 0 // for ever
		if !until.IsZero() {
			seconds = int(min(max(time.Until(until)/time.Second+1, 1), math.MaxInt32))
		}
		_, err = unix.KeyctlInt(unix.KEYCTL_SET_TIMEOUT, id, seconds, 0, 0)
		return err
	})
}

func (s *kernelStore) delete(name string) error {
	return possess(func() error {
		id, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, "user", s.describe(name), 0)
		if err != nil {
			return keyError(err)
		}
		_, err = unix.KeyctlInt(unix.KEYCTL_UNLINK, id, unix.KEY_SPEC_USER_KEYRING, 0, 0)
		return keyError(err)
	})
}

// keyError turns the kernel's words for "not there, or not any more" into this
// package's.
func keyError(err error) error {
	switch {
	case errors.Is(err, unix.ENOKEY), errors.Is(err, unix.EKEYEXPIRED), errors.Is(err, unix.EKEYREVOKED):
		return ErrNotFound
	}
	return err
}

// kernelAbsent says whether err means that there is no kernel keyring to be had here:
// not built in, or kept from containers.
func kernelAbsent(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP)
}

func (s *kernelStore) hint(err error) string {
	switch {
	case errors.Is(err, unix.EDQUOT):
		return "the user's quota for kernel keys is full: see /proc/key-users, remove some with keyctl, or use CHAINGUARD_KEYCHAIN=file"
	case kernelAbsent(err):
		return "this system keeps it from you (a container?): use CHAINGUARD_KEYCHAIN=file"
	}
	return ""
}
