//go:build e2e && linux

package faults

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
)

// forward listens on an address and leads to the place's issuer, until stop is
// called.
func (p *fixture) forward(address string) (stop func()) {
	p.t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		p.t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			go func() {
				defer conn.Close()
				issuer, err := net.Dial("tcp", p.platform.IssuerHost())
				if err != nil {
					return
				}
				go func() { // both end when one side leaves
					_, _ = io.Copy(issuer, conn)
					_ = issuer.Close()
				}()
				_, _ = io.Copy(conn, issuer)
			}()
		}
	})
	return func() {
		_ = l.Close()
		serving.Wait()
	}
}

// swallow makes an address a black hole, at which nothing answers, not even with
// a refusal: connections wait for a backlog that is full.
func swallow(t *testing.T, address string) {
	t.Helper()
	tcp, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	at := &syscall.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(tcp.IP.To4())}
	if err := errors.Join(syscall.Bind(fd, at), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	// The queue holds one more than it was told.
	for range 3 {
		conn, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Close(conn) })
		if err := syscall.Connect(conn, at); err != nil && !errors.Is(err, syscall.EINPROGRESS) {
			t.Fatal(err)
		}
	}
}
