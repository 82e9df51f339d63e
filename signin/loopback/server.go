// Package loopback serves a browser on this machine: sockets on the loopback interface, the
// guards of every page there, and the listener for the callback of a sign-in.
package loopback

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// The hosts that an address of a server can have.
const (
	Localhost = "localhost" // as the platform's issuer has it
	IPv4      = "127.0.0.1" // as RFC 8252, section 8.3, recommends
)

// Listen opens a port of the system's choice for a server at host.
//
// To a browser, localhost may be 127.0.0.1 or ::1, so the port is opened on both if the
// machine has both: another program with the port on the other one would receive what is
// meant for the server. There is at least one socket.
func Listen(host string) ([]net.Listener, error) {
	if host == IPv4 {
		socket, err := net.Listen("tcp4", IPv4+":0")
		return []net.Listener{socket}, err
	}
	var taken []net.Listener // held until the end, so that the system picks another port each time
	defer func() {
		for _, socket := range taken {
			_ = socket.Close()
		}
	}()
	for range 100 { // nearly always, the first port is free on both
		four, err := net.Listen("tcp4", IPv4+":0")
		if err != nil && taken == nil { // no IPv4
			six, err6 := net.Listen("tcp6", "[::1]:0")
			if err6 == nil {
				return []net.Listener{six}, nil
			}
		}
		if err != nil {
			return nil, err
		}
		six, err := net.Listen("tcp6", fmt.Sprintf("[::1]:%d", Port(four)))
		if err == nil {
			return []net.Listener{four, six}, nil
		}
		// Either another program has this port, or there is no IPv6.
		const wsaeAddrInUse = syscall.Errno(10048) // Windows' own number
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, wsaeAddrInUse) {
			return []net.Listener{four}, nil
		}
		taken = append(taken, four)
	}
	return nil, errors.New("other programs use every port on IPv6")
}

// Port returns the port of a socket.
func Port(socket net.Listener) int { return socket.Addr().(*net.TCPAddr).Port }

// Guard returns a handler for a server with this port. It answers requests for other hosts
// and preflights itself, and sets the headers of all other answers: no cache, no frame, no
// referrer, and a content security policy.
func Guard(port int, policy string, next http.Handler) http.Handler {
	hosts := []string{}
	for _, name := range []string{Localhost, IPv4, "::1"} {
		hosts = append(hosts, net.JoinHostPort(name, strconv.Itoa(port)))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		switch {
		case !slices.Contains(hosts, r.Host):
			// Another name for this address: DNS rebinding (RFC 9110, section 15.5.20).
			w.WriteHeader(http.StatusMisdirectedRequest)
		case r.Method == http.MethodOptions:
			w.WriteHeader(http.StatusNoContent) // a preflight: nothing is allowed
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// Allow reports whether the method of a request is one of methods, and answers it if not.
func Allow(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if slices.Contains(methods, r.Method) {
		return true
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	w.WriteHeader(http.StatusMethodNotAllowed)
	return false
}

// IsNavigation reports whether a browser makes a request to show a page, and not for a
// script, an image or a frame (Fetch Metadata, Sec-Fetch-Dest).
func IsNavigation(r *http.Request) bool {
	destination := r.Header.Get("Sec-Fetch-Dest")
	return destination == "" || destination == "document"
}
