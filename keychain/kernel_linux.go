package keychain

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// kernelStore stores secrets as keys of type "user" in the user keyring of the Linux
// kernel (keyrings(7)). They are in memory only, until a restart at the latest. The user
// keyring, unlike the session keyring, is the same under SSH, su, cron and systemd.
type kernelStore struct{ service string }

func newKernelStore(service string) store { return split(&kernelStore{service}, kernelLimit) }

func (s *kernelStore) name() string { return kernelName }

// kernelLimit is the size limit of a key of type "user", in bytes (keyctl(2)).
const kernelLimit = 32767

// keyPermissions gives all rights to the possessor and the user, and none to others
// (keyctl_setperm(3)). Under SSH or cron, a process does not possess the user keyring.
const keyPermissions = 0x3f3f0000

func (s *kernelStore) describe(name string) string { return s.service + " " + name }

// possess runs do on a thread that possesses the user keyring, which is linked into the
// thread's own keyring. A new key has rights for its possessor only.
func possess(do func() error) error {
	done := make(chan error, 1)
	go func() {
		// Not unlocked, so that the thread and its keyring end with the goroutine.
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
	buf := make([]byte, kernelLimit)
	n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, buf, 0)
	if err != nil {
		return "", keyError(err)
	}
	return string(buf[:n]), nil
}

func (s *kernelStore) set(name, value string, until time.Time) error {
	return possess(func() error {
		// AddKey creates the key or replaces its value. If the new value exceeds the
		// quota, the former one stays.
		id, err := unix.AddKey("user", s.describe(name), []byte(value), unix.KEY_SPEC_USER_KEYRING)
		if err != nil {
			return keyError(err)
		}
		if err := unix.KeyctlSetperm(id, keyPermissions); err != nil {
			return fmt.Errorf("cannot set the key's permissions: %w", err)
		}
		seconds := 0 // no timeout
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

// keyError maps the kernel's errors for a key that does not exist, or no longer, to
// ErrNotFound.
func keyError(err error) error {
	switch {
	case errors.Is(err, unix.ENOKEY), errors.Is(err, unix.EKEYEXPIRED), errors.Is(err, unix.EKEYREVOKED):
		return ErrNotFound
	}
	return err
}

// isKernelAbsent reports whether err means that there is no kernel keyring: it is not built
// in, or a container may not use it.
func isKernelAbsent(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP)
}

func (s *kernelStore) hint(err error) string {
	switch {
	case errors.Is(err, unix.EDQUOT):
		return "remove kernel keys with keyctl, since the user's quota is full (/proc/key-users), or use CHAINGUARD_KEYCHAIN=file"
	case isKernelAbsent(err):
		return "use CHAINGUARD_KEYCHAIN=file: this system does not allow the kernel keyring (a container?)"
	}
	return ""
}
