package fakeplatform

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/token" // the access controller named in the configuration
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory" // the storage named in the configuration
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/sirupsen/logrus"
)

// forbidden is the registry's message at /v2/ if a valid token lacks a permission.
const forbidden = "caller does not have the required capabilities"

// silenceLog silences the registry's log, which always goes to logrus's global logger.
var silenceLog = sync.OnceFunc(func() { logrus.SetLevel(logrus.PanicLevel) })

// registry is distribution's registry with the history of its tags.
type registry struct {
	app *handlers.App

	mu      sync.Mutex
	history map[string][]HistoryRecord // by repository:tag; a repository exists if it has an entry
}

// registryHandler serves /token and /v2/.
func (p *Platform) registryHandler(ctx context.Context) (http.Handler, error) {
	silenceLog()
	config, err := p.registryConfiguration()
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(filepath.Dir(config.Auth.Parameters()["jwks"].(string))) }()
	p.images = &registry{app: handlers.NewApp(ctx, config), history: make(map[string][]HistoryRecord)}
	if err := p.seed(ctx); err != nil {
		return nil, fmt.Errorf("seeding the registry: %w", err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("/token", p.serveToken)
	mux.HandleFunc("/v2/", p.serveV2)
	mux.HandleFunc(pythonPath, p.servePython)
	mux.HandleFunc(goProxyPath, p.serveGo)
	mux.HandleFunc(javascriptPath, p.serveJavaScript)
	mux.HandleFunc(mcpPath, p.serveMCP(p.Registry+mcpPath))
	return mux, nil
}

// registryConfiguration returns the registry's configuration. The access controller reads its keys from a file in a
// temporary folder, which can be removed once the registry is created.
func (p *Platform) registryConfiguration() (*configuration.Configuration, error) {
	public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.keys.registry.Public()}})
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "fakeplatform-registry-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "jwks.json")
	if err := os.WriteFile(file, public, 0o600); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	config := &configuration.Configuration{
		Storage: configuration.Storage{
			"inmemory":    configuration.Parameters{},
			"maintenance": configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}},
		},
		Auth: configuration.Auth{"token": configuration.Parameters{
			"realm":             p.Registry + "/token",
			"service":           p.RegistryHost(),
			"issuer":            p.RegistryHost(),
			"jwks":              file,
			"signingalgorithms": []any{p.keys.registry.Algorithm},
		}},
	}
	config.HTTP.Secret = randomHex(32)
	return config, nil
}

// access is an entry of a registry token.
type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// anonymous is the subject of registry tokens that were issued without credentials.
const anonymous = "anonymous"

// mintRegistryToken returns a registry token. It uses the machine's clock, because distribution's cannot be changed.
func (p *Platform) mintRegistryToken(who string, granted []access) string {
	now := time.Now()
	return p.recordIssued(sign(p.keys.registry, map[string]any{
		"iss": p.RegistryHost(), "sub": who, "aud": p.RegistryHost(), "jti": randomHex(16),
		"iat": now.Unix(), "exp": now.Add(orDefault(p.snapshot().RegistryTokenLifetime, 5*time.Minute)).Unix(),
		"access": granted,
	}))
}

// registryClaims are the claims of a registry token.
type registryClaims struct {
	jwt.Claims
	Access []access `json:"access"`
}

func (c registryClaims) mayPull(repository string) bool {
	return slices.ContainsFunc(c.Access, func(a access) bool {
		return a.Type == "repository" && a.Name == repository && slices.Contains(a.Actions, "pull")
	})
}

func (p *Platform) verifyRegistryToken(raw string) (registryClaims, error) {
	var claims registryClaims
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return claims, err
	}
	if err := token.Claims(p.keys.registry.Public().Key, &claims); err != nil {
		return claims, err
	}
	return claims, claims.ValidateWithLeeway(jwt.Expected{
		Issuer: p.RegistryHost(), AnyAudience: jwt.Audience{p.RegistryHost()}, Time: time.Now(),
	}, 0)
}

// serveV2 handles the requests to which the vendor's registry responds differently from distribution.
func (p *Platform) serveV2(w http.ResponseWriter, r *http.Request) {
	if match := historyPath.FindStringSubmatch(r.URL.Path); match != nil {
		p.serveHistory(w, r, match[1], match[2])
		return
	}
	if r.URL.Path == catalogPath {
		p.serveCatalog(w, r)
		return
	}
	raw, _ := cutPrefixFold(r.Header.Get("Authorization"), "Bearer ")
	claims, err := p.verifyRegistryToken(raw)
	if err != nil {
		// Distribution accepts tokens for a minute after their expiry, which is too long for tests.
		r = r.Clone(r.Context())
		r.Header.Del("Authorization")
		p.images.app.ServeHTTP(w, r)
		return
	}
	repository, reference := splitV2(r.URL.Path)
	switch {
	case repository == "":
	case !claims.mayPull(repository), claims.Subject == anonymous && !publicReference(reference):
		writeRegistryError(w, http.StatusForbidden, "FORBIDDEN", forbidden)
		return
	case !p.images.has(repository):
		writeRegistryError(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
		return
	}
	p.images.app.ServeHTTP(w, r)
}

// splitV2 returns the repository in a path below /v2/, and the reference of a manifest.
func splitV2(path string) (repository, reference string) {
	rest := strings.TrimPrefix(path, "/v2/")
	for _, kind := range []string{"/manifests/", "/blobs/", "/tags/"} {
		if i := strings.LastIndex(rest, kind); i >= 0 {
			if kind == "/manifests/" {
				reference = rest[i+len(kind):]
			}
			return rest[:i], reference
		}
	}
	return "", ""
}

// publicReference reports whether an anonymous token can read a reference: digests, and the tags latest and latest-dev.
func publicReference(reference string) bool {
	return reference == "" || reference == "latest" || reference == "latest-dev" || strings.Contains(reference, ":")
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// registryErrors returns an error in the format of the OCI distribution specification.
func registryErrors(code, message string) any {
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	return map[string][]entry{"errors": {{code, message}}}
}

func writeRegistryError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, registryErrors(code, message))
}
