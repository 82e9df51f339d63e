// Package fakeplatform is a Chainguard platform small enough to start in a test: issuer and security token service, platform
// API, a registry with real images, the identity provider of an organization and the token services of CI systems, each
// on a loopback port of its own.
//
// Paths, JSON and errors of the token service and the API come from the vendor's generated gateway code
// (chainguard.dev/sdk), and the registry is distribution's own, so what a client meets here is what it meets outside.
// Everything a client cannot tell apart from the outside is kept simple: state lives in memory, and people sign in with
// a password that everybody knows.
package fakeplatform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	authv1 "chainguard.dev/sdk/proto/platform/auth/v1"
	"github.com/go-jose/go-jose/v4"

	"docker-credential-cgr/e2e/fakeplatform/provider"
)

// Platform is a running fake platform. Its methods may be called from any goroutine.
type Platform struct {
	// Issuer is the URL of the issuer, which is the security token service too.
	Issuer string
	// API is the URL of the platform API, and the audience of its tokens.
	API string
	// Registry is the URL of the registry; RegistryHost is the audience of its tokens.
	Registry string
	// Console is the URL of a page for people.
	Console string
	// Provider is the identity provider of Organization. The issuer brokers it, and its people may use it themselves.
	Provider *provider.Provider

	keys    keys
	ci      string // URL of what stands for CI systems
	broker  provider.Broker
	started time.Time
	stop    context.CancelFunc
	servers []*http.Server
	serving sync.WaitGroup
	images  *registry

	behaviorMu sync.Mutex
	behavior   Behavior
	gates      map[string]chan struct{} // by name of the requests that Behavior.Gather holds

	countMu sync.Mutex
	counts  map[string]int

	load load

	issuedMu sync.Mutex
	issued   []string

	// mu guards what the platform knows: people, sign-ins, sessions and IAM.
	mu       sync.Mutex
	people   map[string]*person
	signIns  map[string]*signIn
	browsers map[string]browserSession          // by cookie
	brokered map[string]brokered                // by state
	headless map[string]*authv1.HeadlessSession // by code
	refresh  map[string]*refreshToken
	sessions int               // how many sign-ins and exchanges would have opened a session
	jobs     map[string]string // subjects of GitHub's jobs, by the bearer of their token requests
	iam      iamState
}

// Option sets how a platform starts.
type Option func(*Behavior)

// WithAutoApprove makes every sign-in succeed at once, without a page, as the default person.
func WithAutoApprove() Option {
	return func(b *Behavior) { b.AutoApprove = true }
}

// WithBehavior changes the behavior before the first request.
func WithBehavior(change func(*Behavior)) Option {
	return change
}

// Start runs every server, each on a port of 127.0.0.1 that the system picks, until Close.
func Start(opts ...Option) (_ *Platform, err error) {
	keys, err := loadKeys()
	if err != nil {
		return nil, fmt.Errorf("making keys: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Platform{
		keys:     keys,
		started:  time.Now(),
		stop:     stop,
		gates:    make(map[string]chan struct{}),
		counts:   make(map[string]int),
		people:   knownPeople(),
		signIns:  make(map[string]*signIn),
		browsers: make(map[string]browserSession),
		brokered: make(map[string]brokered),
		headless: make(map[string]*authv1.HeadlessSession),
		refresh:  make(map[string]*refreshToken),
		jobs:     make(map[string]string),
		iam:      newIAMState(),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	for _, opt := range opts {
		p.Change(opt)
	}

	var idp string
	servers := []struct {
		name    string
		url     *string
		handler func(context.Context) (http.Handler, error)
	}{
		{"issuer", &p.Issuer, p.issuerHandler},
		{"api", &p.API, p.apiHandler},
		{"registry", &p.Registry, p.registryHandler},
		{"provider", &idp, func(context.Context) (http.Handler, error) { return p.providerHandler(idp) }},
		{"ci", &p.ci, func(context.Context) (http.Handler, error) { return p.ciHandler(), nil }},
	}
	listeners := make([]net.Listener, len(servers))
	for i, server := range servers {
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			closeAll(listeners[:i])
			return nil, err
		}
		*server.url = "http://" + listeners[i].Addr().String()
	}
	p.Console = p.Issuer + "/console"

	handlers := make([]http.Handler, len(servers))
	for i, server := range servers {
		if handlers[i], err = server.handler(ctx); err != nil {
			closeAll(listeners)
			return nil, err
		}
	}
	for i, server := range servers {
		p.serve(ctx, listeners[i], p.behave(server.name, handlers[i]))
	}
	return p, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // nothing was served on it yet
	}
}

func (p *Platform) serve(ctx context.Context, l net.Listener, h http.Handler) {
	// The vendor's own clients speak gRPC over HTTP/2 without TLS to a server on http; everybody else speaks HTTP/1.1.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{
		Handler:           h,
		Protocols:         &protocols,
		ReadHeaderTimeout: time.Minute,
		// A cut connection is what a fault asked for; it is nothing to print in the middle of a test.
		ErrorLog:    log.New(io.Discard, "", 0),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	p.servers = append(p.servers, s)
	p.serving.Go(func() {
		_ = s.Serve(l) // always http.ErrServerClosed, after Close
	})
}

// Close stops the servers and cuts what they still answer.
func (p *Platform) Close() error {
	p.stop()
	var errs []error
	for _, s := range p.servers {
		errs = append(errs, s.Close())
	}
	p.serving.Wait()
	if p.images != nil {
		errs = append(errs, p.images.app.Shutdown())
	}
	return errors.Join(errs...)
}

// RegistryHost is the registry's host and port, the server that Docker asks about and the audience of registry tokens.
func (p *Platform) RegistryHost() string {
	return hostOf(p.Registry)
}

// IssuerHost is the issuer's host and port: the audience that an ID token of a workload carries unless its identity
// says otherwise.
func (p *Platform) IssuerHost() string {
	return hostOf(p.Issuer)
}

func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		panic(fmt.Sprintf("fakeplatform: %q was made from a listener's address and is no URL: %v", rawURL, err))
	}
	return u.Host
}

// Environ is the settings that point a client here, as an addition to its environment.
func (p *Platform) Environ() []string {
	return []string{
		"CHAINGUARD_PLATFORM_ISSUER=" + p.Issuer,
		"CHAINGUARD_PLATFORM_API=" + p.API,
		"CHAINGUARD_PLATFORM_REGISTRY=" + p.Registry,
		"CHAINGUARD_PLATFORM_CONSOLE=" + p.Console,
	}
}

// audiences are those the platform mints access tokens for. Hosts below the registry's have an audience of their own.
func (p *Platform) audiences() []string {
	host := p.RegistryHost()
	return []string{host, p.API, "apk." + host, "libraries." + host}
}

// now is the platform's clock.
func (p *Platform) now() time.Time {
	return time.Now().Add(p.snapshot().ClockSkew)
}

// hand notes a secret that leaves the platform, and returns it.
func (p *Platform) hand(secret string) string {
	p.issuedMu.Lock()
	defer p.issuedMu.Unlock()
	p.issued = append(p.issued, secret)
	return secret
}

// Issued is every secret the platform ever made: access, refresh, registry, pull and ID tokens.
func (p *Platform) Issued() []string {
	p.issuedMu.Lock()
	defer p.issuedMu.Unlock()
	return append([]string(nil), p.issued...)
}

// publicKeys is the issuer's JWKS.
func (p *Platform) publicKeys() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.keys.issuer.Public()}}
}
