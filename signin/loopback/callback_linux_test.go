package loopback

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// inNetwork runs test in a network of its own, which has nothing but a loopback
// interface and the ports 40000 to 40063.
func inNetwork(t *testing.T, test func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		// Not unlocked: the thread, and the network with it, ends with the goroutine.
		runtime.LockOSThread()
		err := syscall.Unshare(syscall.CLONE_NEWNET)
		if err == nil {
			if err = loopbackUp(); err == nil {
				err = os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40063"), 0)
			}
			if err != nil {
				err = fmt.Errorf("in the new network: %w", err)
			} else {
				test()
			}
		}
		done <- err
	}()
	err := <-done
	if errors.Is(err, syscall.EPERM) {
		t.Skipf("a network of its own can be made by root alone: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// loopbackUp switches the loopback interface on.
func loopbackUp() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	var request struct { // struct ifreq
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], "lo")
	request.flags = syscall.IFF_UP
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}

// Whoever has our port on the other family could be handed the token.
func TestListenPortTaken(t *testing.T) {
	inNetwork(t, func() {
		// A stranger has half of the ports, in pairs since the system prefers even
		// ones here and odd ones there.
		for port := 40000; port <= 40063; port += 4 {
			for _, port := range []int{port, port + 1} {
				stranger, err := net.Listen("tcp6", fmt.Sprintf("[::1]:%d", port))
				if err != nil {
					t.Error(err)
					return
				}
				defer stranger.Close()
			}
		}
		for range 10 {
			l, err := ListenForCallback(Localhost, func(string) (Page, error) { return Page{}, nil }, func() {})
			if err != nil {
				t.Errorf("F27 with free ports: got %v, want a listener", err)
				return
			}
			if l.Port%4 < 2 {
				t.Errorf("F27 got port %d, which a stranger has on the other family", l.Port)
			}
			l.Close()
		}
		for port := 40002; port <= 40063; port += 4 {
			for _, port := range []int{port, port + 1} {
				var stranger net.Listener
				waitFor(t, "the port to be free again", func() (free bool) {
					var err error
					stranger, err = net.Listen("tcp6", fmt.Sprintf("[::1]:%d", port))
					return err == nil
				})
				defer stranger.Close()
			}
		}
		l, err := ListenForCallback(Localhost, func(string) (Page, error) { return Page{}, nil }, func() {})
		if err == nil {
			l.Close()
			t.Errorf("F27 with no free port: got port %d, want an error", l.Port)
		} else if !strings.Contains(err.Error(), "loopback") {
			t.Errorf("F27 with no free port: got %q, want one that says for what", err)
		}
	})
}

// A machine with one family alone listens on that one.
func TestListenOneFamily(t *testing.T) {
	inNetwork(t, func() {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0); err != nil {
			t.Error(err)
			return
		}
		l, err := ListenForCallback(Localhost, func(string) (Page, error) { return Page{}, nil }, func() {})
		if err != nil {
			t.Errorf("F26 without IPv6: got %v, want a listener", err)
			return
		}
		defer l.Close()
		conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", l.Port))
		if err != nil {
			t.Errorf("F26 without IPv6: got %v, want a connection", err)
			return
		}
		conn.Close()
	})
}
