// Package fakeplatform is a fake Chainguard platform for tests: the issuer with its security token service, the platform
// API, a registry with real images, the identity provider of an organization and the token services of CI systems. Each
// listens on its own loopback port.
//
// Paths, JSON and errors of the token service and the API come from the vendor's generated gateway code
// (chainguard.dev/sdk), and the registry is that of the distribution project, so clients see the same protocol as
// from the real platform. State is in memory, and the passwords are constants.
package fakeplatform

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	authv1 "chainguard.dev/sdk/proto/platform/auth/v1"
	"github.com/go-jose/go-jose/v4"

	"docker-credential-cgr/e2e/fakeplatform/provider"
)

// Platform is a running fake platform. Its methods may be called from any goroutine.
type Platform struct {
	// Issuer is the URL of the issuer and its security token service.
	Issuer string
	// API is the URL of the platform API, and the audience of its tokens.
	API string
	// Registry is the URL of the registry; RegistryHost is the audience of its tokens.
	Registry string
	// RegistryAddress is the address that the registry listens on.
	RegistryAddress string
	// Console is the URL of the web console, which is an empty page.
	Console string
	// Provider is the identity provider of Organization. Clients sign in with it through the issuer or directly.
	Provider *provider.Provider

	keys    keys
	ci      string // URL of the token services of CI systems
	broker  provider.Broker
	started time.Time
	stop    context.CancelFunc
	servers []*http.Server
	serving sync.WaitGroup
	images  *registry

	behaviorMu sync.Mutex
	behavior   Behavior
	gates      map[string]chan struct{} // by request name, for Behavior.Gather

	countMu sync.Mutex
	counts  map[string]int

	load load

	issuedMu sync.Mutex
	issued   []string

	// mu guards people, sign-ins, sessions and IAM.
	mu       sync.Mutex
	people   map[string]*person
	signIns  map[string]*signIn
	browsers map[string]browserSession          // by cookie
	brokered map[string]brokered                // by state
	headless map[string]*authv1.HeadlessSession // by code
	refresh  map[string]*refreshToken
	sessions int               // number of sign-ins and exchanges that can open a session
	jobs     map[string]string // subjects of GitHub jobs, by the bearer token of their requests
	iam      iamState
}

// Option changes the behavior with which a platform starts.
type Option func(*Behavior)

// WithAutoApprove approves every sign-in as the default person, without showing a page.
func WithAutoApprove() Option {
	return func(b *Behavior) { b.AutoApprove = true }
}

// WithBehavior changes the behavior before the platform starts.
func WithBehavior(change func(*Behavior)) Option {
	return change
}

// Start starts all servers on free ports of 127.0.0.1. The caller must call Close.
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
	type server struct {
		name    string
		url     *string
		handler func(context.Context) (http.Handler, error)
	}
	servers := []server{
		{"issuer", &p.Issuer, p.issuerHandler},
		{"api", &p.API, p.apiHandler},
		{"registry", &p.Registry, p.registryHandler},
		{"provider", &idp, func(context.Context) (http.Handler, error) { return p.providerHandler(idp) }},
		{"ci", &p.ci, func(context.Context) (http.Handler, error) { return p.ciHandler(), nil }},
	}
	listeners := make([]net.Listener, len(servers))
	for i, server := range servers {
		if listeners[i], *server.url, err = p.listen(server.name); err != nil {
			closeAll(listeners[:i])
			return nil, err
		}
	}
	p.Console = p.Issuer + "/console"
	p.RegistryAddress = listeners[slices.IndexFunc(servers, func(s server) bool { return s.name == "registry" })].Addr().String()

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

// listen opens the port of a server and returns the server's URL.
func (p *Platform) listen(server string) (l net.Listener, url string, err error) {
	b := p.snapshot()
	if server != "registry" || b.RegistryName == "" {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, "", err
		}
		return l, "http://" + l.Addr().String(), nil
	}
	if l, err = net.Listen("tcp", cmp.Or(b.RegistryAddress, "127.0.0.1:443")); err != nil {
		return nil, "", err
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{b.RegistryCertificate}}), "https://" + b.RegistryName, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // it has served nothing yet
	}
}

func (p *Platform) serve(ctx context.Context, l net.Listener, h http.Handler) {
	// The vendor's clients use gRPC over unencrypted HTTP/2; all others use HTTP/1.1.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{
		Handler:           h,
		Protocols:         &protocols,
		ReadHeaderTimeout: time.Minute,
		// Faults cut connections on purpose. The errors would clutter the output of tests.
		ErrorLog:    log.New(io.Discard, "", 0),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	p.servers = append(p.servers, s)
	p.serving.Go(func() {
		_ = s.Serve(l) // always http.ErrServerClosed, after Close
	})
}

// Close stops the servers and closes open connections.
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

// RegistryHost returns the registry's host and port. It is the server name for Docker and the audience of tokens for the
// registry.
func (p *Platform) RegistryHost() string {
	return hostOf(p.Registry)
}

// IssuerHost returns the issuer's host and port. It is the audience of a workload's ID token unless the identity accepts
// another one.
func (p *Platform) IssuerHost() string {
	return hostOf(p.Issuer)
}

func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		panic(fmt.Sprintf("fakeplatform: the listener's address %q is not a URL: %v", rawURL, err))
	}
	return u.Host
}

// Environ returns the environment variables that make a client use this platform.
func (p *Platform) Environ() []string {
	return []string{
		"CHAINGUARD_PLATFORM_ISSUER=" + p.Issuer,
		"CHAINGUARD_PLATFORM_API=" + p.API,
		"CHAINGUARD_PLATFORM_REGISTRY=" + p.Registry,
		"CHAINGUARD_PLATFORM_CONSOLE=" + p.Console,
	}
}

// audiences returns the audiences for which the platform issues access tokens. Hosts below the registry's are separate
// audiences, and so are the URLs of the MCP servers.
func (p *Platform) audiences() []string {
	host := p.RegistryHost()
	all := []string{host, p.API, "apk." + host, librariesName + host, p.Registry + mcpPath, p.API + mcpPath}
	scheme := strings.TrimSuffix(p.Registry, host)
	for _, name := range []string{"apk", "skills", "versions"} {
		all = append(all, scheme+name+"."+host+mcpPath)
	}
	return all
}

// mcpPath is the path of the MCP servers.
const mcpPath = "/mcp"

// serveMCP stands for the MCP server at a URL, which it checks the bearer token for.
func (p *Platform) serveMCP(audience string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		raw, _ := cutPrefixFold(r.Header.Get("Authorization"), "Bearer ")
		if _, err := p.verifyAccess(raw, audience); err != nil {
			http.Error(w, "invalid token", http.StatusUnauthorized)
			return
		}
		if server := p.snapshot().MCPServer; server != nil {
			server.ServeHTTP(w, r)
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"jsonrpc": "2.0", "id": 1, "result": map[string]any{}})
	}
}

// now returns the time of the platform's clock.
func (p *Platform) now() time.Time {
	return time.Now().Add(p.snapshot().ClockSkew)
}

// recordIssued records a secret for Issued and returns it.
func (p *Platform) recordIssued(secret string) string {
	p.issuedMu.Lock()
	defer p.issuedMu.Unlock()
	p.issued = append(p.issued, secret)
	return secret
}

// Issued returns all secrets that the platform has issued: access, refresh, registry, pull and ID tokens.
func (p *Platform) Issued() []string {
	p.issuedMu.Lock()
	defer p.issuedMu.Unlock()
	return append([]string(nil), p.issued...)
}

// publicKeys returns the issuer's JWKS.
func (p *Platform) publicKeys() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.keys.issuer.Public()}}
}
