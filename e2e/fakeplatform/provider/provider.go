// Package provider is a fake identity provider of an organization, such as Okta or Entra: a real OpenID provider
// (github.com/zitadel/oidc) with its state in memory.
//
// It has two clients: the credential helper (ClientID) and the platform (Broker). It refuses requests without state,
// nonce or PKCE with S256, so that tests find clients that omit them.
package provider

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/oauth2"

	"docker-credential-cgr/e2e/fakeplatform/page"
)

// ClientID is the public native client. Its redirect URL is http://127.0.0.1:PORT/callback with any port and any
// loopback host (RFC 8252 section 7.3). It can use the authorization code and device code grants.
const ClientID = "docker-credential-cgr"

const (
	authorizePath = "/authorize"
	tokenPath     = "/oauth/token"
	keysPath      = "/keys"
	devicePath    = "/device_authorization"
	userInfoPath  = "/userinfo"
	discoveryPath = "/.well-known/openid-configuration"
	loginPath     = "/login"
	// userCodePath is the page for the user code of a device.
	userCodePath = "/device"
)

// Config configures a provider.
type Config struct {
	// Issuer is its URL, without a slash at the end.
	Issuer string
	// CheckPassword reports whether the password of a person is correct.
	CheckPassword func(email, password string) bool
	// Settings returns the current settings. It is called at every request.
	Settings func() Settings
	// OnIssue is called with every issued secret: tokens, authorization codes and device codes.
	OnIssue func(secret string)
	// Broker is the platform as a client.
	Broker Broker
}

// Broker is a confidential client that brokers sign-ins.
type Broker struct {
	ID, Secret  string
	RedirectURI string // matched exactly
}

// Settings are the changeable behavior of the provider. The zero value is a healthy provider.
type Settings struct {
	// SignedIn is the email address of a person who is signed in without a page; empty shows the page.
	SignedIn string
	// IDTokenLifetime is how long an ID token is valid; zero means an hour.
	IDTokenLifetime time.Duration
	// ClockSkew is how far the provider's clock is ahead of the machine's.
	ClockSkew time.Duration
	Faults
}

// Provider is an identity provider. It is an http.Handler.
type Provider struct {
	// Issuer is its URL.
	Issuer string

	config  Config
	openid  *op.Provider
	storage *storage
	mux     *http.ServeMux

	mu     sync.Mutex
	strays []int
}

// ownKey and strangersKey are generated once per process, because RSA keys take long.
var (
	ownKey       = sync.OnceValues(newKey)
	strangersKey = sync.OnceValues(newKey)
)

func newKey() (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return key, nil
}

// New returns a provider. The caller must serve it at config.Issuer.
func New(config Config) (*Provider, error) {
	key, err := ownKey()
	if err != nil {
		return nil, err
	}
	p := &Provider{Issuer: config.Issuer, config: config, mux: http.NewServeMux()}
	p.storage = newStorage(p.clients(), key)
	var seal [32]byte
	_, _ = rand.Read(seal[:]) // never fails, since Go 1.24
	p.openid, err = op.NewProvider(&op.Config{
		CryptoKey:      seal,
		CodeMethodS256: true,
		DeviceAuthorization: op.DeviceAuthorizationConfig{
			Lifetime:     10 * time.Minute,
			PollInterval: 5 * time.Second,
			UserFormPath: userCodePath,
			UserCode:     op.UserCodeBase20,
		},
	}, p.storage, op.StaticIssuer(config.Issuer), op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	p.routes()
	return p, nil
}

// routes leaves out other endpoints of the library: introspection, revocation and the end of a session.
func (p *Provider) routes() {
	p.mux.Handle("GET "+discoveryPath, edit(p.openid, p.editDiscovery))
	p.mux.Handle("GET "+keysPath, p.openid)
	p.mux.Handle(userInfoPath, p.openid)
	p.mux.Handle(authorizePath, p.answer(p.openid))
	p.mux.Handle("GET "+authorizePath+"/callback", p.answer(p.openid))
	p.mux.Handle("POST "+tokenPath, edit(p.openid, p.editTokens))
	p.mux.Handle("POST "+devicePath, edit(p.openid, p.editDevice))
	p.mux.HandleFunc("GET "+loginPath, p.serveLogin)
	p.mux.HandleFunc("GET "+userCodePath, p.serveUserCode)
	p.mux.Handle("POST "+page.FormPath, p.answer(http.HandlerFunc(p.serveForm)))
}

func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mux.ServeHTTP(w, r)
}

// Endpoint returns the provider's endpoints, for clients without discovery.
func (p *Provider) Endpoint() oauth2.Endpoint {
	return oauth2.Endpoint{
		AuthURL:       p.Issuer + authorizePath,
		TokenURL:      p.Issuer + tokenPath,
		DeviceAuthURL: p.Issuer + devicePath,
		AuthStyle:     oauth2.AuthStyleInHeader,
	}
}

// Key returns the public key of its ID tokens, which are signed with RS256.
func (p *Provider) Key() *rsa.PublicKey {
	return &p.storage.key.PublicKey
}

// Names returns the names of a request to the provider, for counts and faults:
//
//   - "provider.discovery", "provider.keys", "provider.authorize" (authorization requests)
//   - "provider.login": the sign-in page, "provider.form": its form
//   - "provider.code": token requests with an authorization code, "provider.poll": with a device code,
//     "provider.token": both
//   - "provider.device": device authorization requests, "provider.usercode": the page for the user code
func Names(r *http.Request) []string {
	switch r.URL.Path {
	case discoveryPath:
		return []string{"provider.discovery"}
	case keysPath:
		return []string{"provider.keys"}
	case authorizePath:
		return []string{"provider.authorize"}
	case loginPath:
		return []string{"provider.login"}
	case page.FormPath:
		return []string{"provider.form"}
	case devicePath:
		return []string{"provider.device"}
	case userCodePath:
		return []string{"provider.usercode"}
	case tokenPath:
		switch r.PostFormValue("grant_type") {
		case "authorization_code":
			return []string{"provider.token", "provider.code"}
		case "urn:ietf:params:oauth:grant-type:device_code":
			return []string{"provider.token", "provider.poll"}
		}
		return []string{"provider.token"}
	}
	return nil
}

// at returns a URL of the provider.
func (p *Provider) at(path string, query url.Values) string {
	return p.Issuer + path + "?" + query.Encode()
}
