package fakeplatform

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	catalogPath = "/v2/_catalog"
	// catalogScope is the scope of a token that lists repositories.
	catalogScope = "registry:catalog:*"
)

// serveCatalog lists the repositories that the subject of a registry token, or of an access token, can pull from, without
// those of PublicOrganization.
func (p *Platform) serveCatalog(w http.ResponseWriter, r *http.Request) {
	raw, isBearer := cutPrefixFold(r.Header.Get("Authorization"), "Bearer ")
	if !isBearer {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q,service=%q", p.Registry+"/token", p.RegistryHost()))
		writeRegistryError(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		return
	}
	who, allowed := p.catalogCaller(raw)
	if !allowed {
		writeRegistryError(w, http.StatusForbidden, "FORBIDDEN", forbidden)
		return
	}
	names := slices.DeleteFunc(p.images.repositories(), func(name string) bool {
		return strings.HasPrefix(name, PublicOrganization+"/") || p.mayPull(who, name) != nil
	})
	if last := r.URL.Query().Get("last"); last != "" {
		names = slices.DeleteFunc(names, func(name string) bool { return name <= last })
	}
	size := orDefault(p.snapshot().CatalogPage, 1000)
	if n, err := strconv.Atoi(r.URL.Query().Get("n")); err == nil && n > 0 {
		size = min(size, n)
	}
	if size < len(names) {
		names = names[:size]
		next := url.Values{"last": {names[size-1]}, "n": {strconv.Itoa(size)}}
		w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, catalogPath, next.Encode()))
	}
	writeJSON(w, http.StatusOK, map[string]any{"repositories": names})
}

func (p *Platform) catalogCaller(raw string) (who string, allowed bool) {
	if claims, err := p.verifyRegistryToken(raw); err == nil {
		return claims.Subject, slices.ContainsFunc(claims.Access, func(a access) bool { return a.Type == "registry" && a.Name == "catalog" })
	}
	claims, err := p.verifyAccess(raw, p.RegistryHost())
	return claims.Subject, err == nil
}

// repositories returns the names of all repositories, sorted.
func (r *registry) repositories() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := []string{}
	for key := range r.history {
		name, _, _ := strings.Cut(key, ":")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
