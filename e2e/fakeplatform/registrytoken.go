package fakeplatform

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"chainguard.dev/sdk/proto/capabilities"
)

// tokenUser is the user name for an access token.
const tokenUser = "_token"

// denial is an error of /token.
type denial struct {
	status        int
	code, message string
}

var (
	denyAnonymous  = &denial{http.StatusUnauthorized, "UNAUTHORIZED", "Authentication required"}
	denyForbidden  = &denial{http.StatusForbidden, "FORBIDDEN", "Forbidden"}
	denyUnresolved = &denial{http.StatusBadRequest, "BAD_REQUEST", "unable to resolve"}
)

// serveToken handles the registry's token endpoint.
func (p *Platform) serveToken(w http.ResponseWriter, r *http.Request) {
	token, refused := p.registryToken(r)
	if refused != nil {
		writeRegistryError(w, refused.status, refused.code, refused.message)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"token": token})
}

func (p *Platform) registryToken(r *http.Request) (string, *denial) {
	if r.Method != http.MethodGet {
		return "", &denial{http.StatusMethodNotAllowed, "UNSUPPORTED", "the operation is unsupported"}
	}
	if service := r.URL.Query().Get("service"); service != "" && service != p.RegistryHost() {
		return "", &denial{http.StatusBadRequest, "BAD_REQUEST", fmt.Sprintf("no service %q", service)}
	}
	who, refused := p.registryCaller(r)
	if refused != nil {
		return "", refused
	}
	scopes := strings.Fields(strings.Join(r.URL.Query()["scope"], " "))
	if len(scopes) == 0 && who == anonymous {
		return "", denyForbidden
	}
	granted := make([]access, 0, len(scopes))
	for _, scope := range scopes {
		entry, refused := p.grant(who, scope)
		if refused != nil {
			return "", refused
		}
		p.count(entry.Name + " for " + who)
		granted = append(granted, entry)
	}
	return p.mintRegistryToken(who, granted), nil
}

// registryCaller returns the UIDP of the caller, or anonymous.
func (p *Platform) registryCaller(r *http.Request) (string, *denial) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return anonymous, nil
	}
	secret, isBearer := cutPrefixFold(header, "Bearer ")
	user := tokenUser
	if !isBearer {
		var isBasic bool
		if user, secret, isBasic = r.BasicAuth(); !isBasic {
			return "", denyForbidden
		}
	}
	if user == tokenUser {
		claims, err := p.verifyAccess(secret, p.audienceOf(r))
		if err != nil {
			return "", denyForbidden
		}
		return claims.Subject, nil
	}
	p.mu.Lock()
	identity, ok := p.iam.identities[user]
	p.mu.Unlock()
	if !ok || p.verifyStatic(secret, identity) != nil {
		return "", denyForbidden
	}
	p.updateLastSeen(identity)
	return user, nil
}

// audienceOf returns the audience of tokens for the host that a request is for: the registry's, or that of packages.
func (p *Platform) audienceOf(r *http.Request) string {
	if host := librariesName + p.RegistryHost(); r.Host == host {
		return host
	}
	return p.RegistryHost()
}

// grant returns the access that a caller gets for a scope.
func (p *Platform) grant(who, scope string) (access, *denial) {
	if scope == catalogScope {
		if who == anonymous {
			return access{}, denyAnonymous
		}
		return access{Type: "registry", Name: "catalog", Actions: []string{"*"}}, nil
	}
	kind, rest, _ := strings.Cut(scope, ":")
	i := strings.LastIndex(rest, ":")
	if i < 0 {
		return access{}, &denial{http.StatusBadRequest, "BAD_REQUEST", fmt.Sprintf("scope %q is malformed", scope)}
	}
	repository, actions := rest[:i], strings.Split(rest[i+1:], ",")
	if kind != "repository" || !slices.Contains(actions, "pull") && !slices.Contains(actions, "*") {
		return access{}, denyForbidden
	}
	if refused := p.mayPull(who, repository); refused != nil {
		return access{}, refused
	}
	return access{Type: kind, Name: repository, Actions: []string{"pull"}}, nil
}

// mayPull returns nil if the caller may pull from a repository, or the denial. /v2/ checks whether the repository exists.
func (p *Platform) mayPull(who, repository string) *denial {
	p.mu.Lock()
	defer p.mu.Unlock()
	name, image, _ := strings.Cut(repository, "/")
	org := p.iam.organization(name)
	switch {
	case org == nil || image == "":
		return denyUnresolved
	case name == PublicOrganization:
		return nil
	case who == anonymous:
		return denyAnonymous
	case !p.iam.can(who, org.GetId(), capabilities.Capability_CAP_REPO_BLOBS_GET):
		return denyForbidden
	}
	return nil
}
