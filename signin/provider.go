package signin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin/prompt"
	"docker-credential-cgr/token"
)

// Provider signs a person in at an OpenID provider of their organization, without
// the platform's broker, and exchanges the ID token that they get there. This
// program is a public client of the provider (RFC 8252, section 8.5), whose
// redirect address is http://127.0.0.1/callback on any port.
type Provider struct {
	STS      *platform.STS // of the platform's issuer, which the ID token is exchanged at
	Issuer   string        // URL of the provider, as it spells it
	ClientID string
	// Device asks for a device code (RFC 8628) in place of an authorization code,
	// which needs a browser that can reach this machine.
	Device bool
	// IdentityProvider is the UIDP that the platform knows the provider by.
	IdentityProvider string
	// Identity is the UIDP of the identity to assume; empty for the person's own.
	Identity string
	// Opens says that a browser may be opened here. A device code opens none.
	Opens bool
	// IdentityTokenEnv is as in Browser.
	IdentityTokenEnv string
	Wait             time.Duration // for the person
	Screen           prompt.Screen
	Now              func() time.Time
	Debug            func(format string, args ...any)
	Transport        http.RoundTripper // to the provider
}

const (
	providerLimit  = 10 * time.Second // of one request to the provider
	providerAnswer = 1 << 20          // bytes of its answer
)

// scopes are what the ID token is asked to tell: who it is, for people to read.
var scopes = []string{oidc.ScopeOpenID, oidc.ScopeEmail}

// algorithms are those that an ID token may be signed with: asymmetric ones, so
// that nobody signs with what everybody may read (RFC 8725, section 3.1).
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
	oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// SignIn has a person sign in at the provider, and exchanges their ID token for
// access tokens. Its errors for what the person, the provider or
// the issuer did after the person was asked are *token.SignInError.
func (p *Provider) SignIn(ctx context.Context, r token.SignInRequest) (*token.Grant, error) {
	if p.ClientID == "" {
		return nil, errors.New("auth.oidc.client-id is empty: set it to the id that the provider has for this program")
	}
	found, err := p.discover(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, stopped(ctx)
	case err != nil:
		return nil, err
	}
	redeem := func(ctx context.Context, idToken, nonce string) (*token.Grant, error) {
		if err := p.verify(ctx, found, idToken, nonce); err != nil {
			return nil, p.ended(ctx, err)
		}
		return exchange(ctx, p.STS, idToken, platform.TokenRequest{Identity: p.Identity, IdentityProvider: p.IdentityProvider}, r)
	}
	if p.Device {
		return p.withDevice(ctx, found, redeem)
	}
	return p.withCode(ctx, found, redeem)
}

// redeemer exchanges an ID token of the provider, once it is known to be good and,
// where nonce is not empty, made for it.
type redeemer func(ctx context.Context, idToken, nonce string) (*token.Grant, error)

// discovered is what a provider says of itself (OpenID Connect Discovery 1.0,
// section 3).
type discovered struct {
	oidc.ProviderConfig
	// NamesIssuer says that callbacks name the provider (RFC 9207, section 3).
	NamesIssuer bool `json:"authorization_response_iss_parameter_supported"`
}

// discover asks the provider where its endpoints are. Nothing was shown yet when
// it fails.
func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	p.Debug("asking %s where its endpoints are", p.Issuer)
	ctx, cancel := context.WithTimeout(ctx, providerLimit)
	defer cancel()
	var found discovered
	_, err := platform.Send(ctx, p.Transport, platform.Request{
		Method: http.MethodGet,
		URL:    strings.TrimSuffix(p.Issuer, "/") + "/.well-known/openid-configuration",
	}, &found)
	if err != nil {
		return nil, fmt.Errorf("cannot ask the provider how to sign in: %w; is auth.oidc.issuer right?", err)
	}
	if found.IssuerURL != p.Issuer {
		return nil, fmt.Errorf("the provider at %s calls itself %s: nobody was signed in; if that is it, set auth.oidc.issuer to exactly that", p.Issuer, platform.Printable(found.IssuerURL))
	}
	type endpoint struct{ name, address string }
	endpoints := []endpoint{{"token_endpoint", found.TokenURL}, {"jwks_uri", found.JWKSURL}}
	switch {
	case !p.Device:
		endpoints = append(endpoints, endpoint{"authorization_endpoint", found.AuthURL})
	case found.DeviceAuthURL == "":
		return nil, fmt.Errorf("the provider %s gives no device codes; set auth.oidc.flow to code", p.host())
	default:
		endpoints = append(endpoints, endpoint{"device_authorization_endpoint", found.DeviceAuthURL})
	}
	for _, e := range endpoints {
		if _, err := p.checkAddress(e.address); err != nil {
			return nil, fmt.Errorf("the %s of the provider %s %w: nobody was signed in", e.name, p.host(), err)
		}
	}
	return &found, nil
}

// maxAddress is the length of an address that the provider may name.
const maxAddress = 2048

// checkAddress says what is wrong with an address that the provider named: secrets
// go there, or people. Plain http is for a provider that is reached by it itself, at
// the same host: one on this machine, as the settings have it.
func (p *Provider) checkAddress(text string) (*url.URL, error) {
	own, err := url.Parse(p.Issuer)
	if err != nil {
		return nil, err // not possible: the settings were checked
	}
	u, err := url.Parse(text)
	switch {
	case text == "":
		return nil, errors.New("is missing")
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(text) > maxAddress:
		return nil, errors.New("is no address of a page")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("holds more than plain ASCII")
	case u.Scheme != "https" && (u.Scheme != "http" || own.Scheme != "http" || u.Hostname() != own.Hostname()):
		return nil, errors.New("is no https address")
	}
	return u, nil
}

// sender sends requests to the provider, and follows no redirect.
func (p *Provider) sender() *http.Client {
	return &http.Client{
		Transport:     bounded{p.Transport},
		Timeout:       providerLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// withClient has go-oidc and oauth2 use sender.
func (p *Provider) withClient(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.sender())
}

// bounded is a transport whose requests are sent once, and whose answers end.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	// Not replayed, whatever the transport thinks of the connection: a code is good
	// for one try.
	r.GetBody = nil
	r.Header.Set("User-Agent", "docker-credential-cgr")
	resp, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, providerAnswer), resp.Body}
	return resp, nil
}

// config is this program as a client of the provider.
func (p *Provider) config(found *discovered, redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID:    p.ClientID,
		RedirectURL: redirect,
		Scopes:      scopes,
		// A style that is not set is found out by presenting the code twice.
		Endpoint: oauth2.Endpoint{AuthURL: found.AuthURL, TokenURL: found.TokenURL, AuthStyle: oauth2.AuthStyleInParams},
	}
}

// verify checks an ID token (OpenID Connect Core 1.0, section 3.1.3.7). The nonce is
// empty where none was sent.
func (p *Provider) verify(ctx context.Context, found *discovered, idToken, nonce string) error {
	if idToken == "" {
		return errors.New("gave no ID token; does it let this program ask for the scope openid?")
	}
	ctx = p.withClient(ctx)
	verifier := found.NewProvider(ctx).VerifierContext(ctx, &oidc.Config{
		ClientID:             p.ClientID,
		SupportedSigningAlgs: algorithms,
		SkipExpiryCheck:      true, // it is checked below, with slack for clocks on either side
	})
	verified, err := verifier.Verify(ctx, idToken)
	if err != nil {
		return fmt.Errorf("gave an ID token that is not good: %s", platform.Printable(err.Error(), idToken))
	}
	var claims struct {
		Party     string  `json:"azp"`
		NotBefore float64 `json:"nbf"`
	}
	if err := verified.Claims(&claims); err != nil {
		return errors.New("gave an ID token whose claims cannot be read")
	}
	now := p.Now()
	switch {
	case nonce != "" && verified.Nonce != nonce:
		return errors.New("gave an ID token that was made for another sign-in")
	case claims.Party != "" && claims.Party != p.ClientID:
		return errors.New("gave an ID token that was made for another program")
	case verified.Expiry.Before(now.Add(-platform.ClockSlack)):
		return errors.New("gave an ID token that has expired; is this machine's clock right?")
	case claims.NotBefore > float64(now.Add(platform.ClockSlack).Unix()):
		return errors.New("gave an ID token that is not good yet; is this machine's clock right?")
	}
	return nil
}

// ended is the end of a sign-in that a person did their part in: err says what the
// provider did.
func (p *Provider) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	return failed(fmt.Errorf("the provider %s %w", p.host(), err))
}

// refusedBy is the end of a sign-in that the provider refused, with its words
// (RFC 6749, section 4.1.2.1).
func refusedBy(code, description string) error {
	why := "was refused: " + platform.Printable(code)
	if description != "" {
		why += ": " + platform.Printable(description)
	}
	return notFinished("%s", why)
}

// refusal words what an endpoint of the provider answered in place of a token
// (RFC 6749, section 5.2), or that it did not answer.
func refusal(err error, secrets ...string) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		var request *url.Error // which repeats the address
		if errors.As(err, &request) {
			err = request.Err
		}
		return fmt.Errorf("gave no answer that can be used: %s", platform.Printable(err.Error(), secrets...))
	}
	text := fmt.Sprintf("answered %d %s", refused.Response.StatusCode, http.StatusText(refused.Response.StatusCode))
	for _, words := range []string{refused.ErrorCode, refused.ErrorDescription} {
		if words != "" {
			text += ": " + platform.Printable(words, secrets...)
		}
	}
	return errors.New(text)
}

// host names the provider in messages.
func (p *Provider) host() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.Issuer, "https://"), "http://")
}
