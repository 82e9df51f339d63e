//go:build e2e && linux

package faults

import (
	"net"
	"net/url"
	"regexp"
	"time"
)

var signInAddress = regexp.MustCompile(`(?m)^ {4}(http\S+)$`)

// addressOf gives the address that a process shows for a sign-in.
func (p *fixture) addressOf(r *running) string {
	p.t.Helper()
	r.says("waiting until")
	found := signInAddress.FindAllStringSubmatch(r.stderr.String(), -1)
	if found == nil {
		p.t.Fatalf("it shows no address:\n%s", r.stderr)
	}
	return found[len(found)-1][1] // the last is the one that it waits for
}

// listenerOf gives host and port that a process waits on for a sign-in's end.
func (p *fixture) listenerOf(r *running) string {
	p.t.Helper()
	page, err := url.Parse(p.addressOf(r))
	if err != nil {
		p.t.Fatal(err)
	}
	back, err := url.Parse(page.Query().Get("redirect"))
	if err != nil {
		p.t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", back.Port())
}

func listens(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}
