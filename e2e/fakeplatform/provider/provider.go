// Package provider is the identity provider of an organization, as Okta or Entra are: a real OpenID provider
// (github.com/zitadel/oidc) whose people and requests live in memory.
//
// It has two clients: ClientID, which is the credential helper on somebody's machine, and the platform, which brokers
// sign-ins. It is stricter than most: a request without state, nonce or PKCE with S256 is refused, so that a test
// notices a client that forgets them.
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

// ClientID is the public native client. Its redirect address is http://127.0.0.1:PORT/callback, on any port and by any
// name of the loopback interface (RFC 8252 section 7.3); it may use authorization code and device code.
const ClientID = "docker-credential-cgr"

const (
	authorizePath = "/authorize"
	tokenPath     = "/oauth/token"
	keysPath      = "/keys"
	devicePath    = "/device_authorization"
	userInfoPath  = "/userinfo"
	discoveryPath = "/.well-known/openid-configuration"
	loginPath     = "/login"
	// userCodePath is the page where people type the code of a device.
	userCodePath = "/device"
)

// Config is what a provider is made of.
type Config struct {
	// Issuer is its URL, without a slash at the end.
	Issuer string
	// CheckPassword says whether somebody has this password.
	CheckPassword func(email, password string) bool
	// Settings are asked for at every request.
	Settings func() Settings
	// Hand is told of every secret that leaves: tokens, authorization codes and device codes.
	Hand func(secret string)
	// Broker is the platform as a client, with a secret.
	Broker Broker
}

// Broker is a confidential client that signs people in for others.
type Broker struct {
	ID, Secret  string
	RedirectURI string // matched exactly
}

// Settings are how the provider behaves at the moment. The zero value asks people for their password.
type Settings struct {
	// SignedIn is the email address of somebody for whom no page is shown; empty means that everybody is asked.
	SignedIn string
	// IDTokenLifetime is the life of an ID token; zero means an hour.
	IDTokenLifetime time.Duration
	// ClockSkew is how far the provider's clock is ahead of the machine's.
	ClockSkew time.Duration
	Faults
}

// Provider is the provider as a handler.
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

// ownKey and strangersKey are made once a process, as RSA takes long.
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

// New makes a provider. It has to be reachable at config.Issuer.
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

// routes leaves out what the library serves beside: introspection, revocation and the end of a session.
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

// Endpoint is where a client finds the provider, without discovery.
func (p *Provider) Endpoint() oauth2.Endpoint {
	return oauth2.Endpoint{
		AuthURL:       p.Issuer + authorizePath,
		TokenURL:      p.Issuer + tokenPath,
		DeviceAuthURL: p.Issuer + devicePath,
		AuthStyle:     oauth2.AuthStyleInHeader,
	}
}

// Key is the public key of its ID tokens, which are signed with RS256.
func (p *Provider) Key() *rsa.PublicKey {
	return &p.storage.key.PublicKey
}

// Names are the names of a request to the provider, for counts and faults:
//
//   - "provider.discovery", "provider.keys", "provider.authorize" (authorization requests)
//   - "provider.login" sign-in pages asked for, "provider.form" forms posted
//   - "provider.token" both of "provider.code" (an authorization code was presented) and "provider.poll" (a device code)
//   - "provider.device" device authorization requests, "provider.usercode" the page where the user code is typed
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

// at is a URL of the provider's own.
func (p *Provider) at(path string, query url.Values) string {
	return p.Issuer + path + "?" + query.Encode()
}
