package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

// PublicOrganization is the organization whose images need no credential.
const PublicOrganization = "chainguard"

// Reader reads what a registry has about images. It uses a credential only if the registry
// requires one, and one token for each repository. Several goroutines can call its methods
// at once. Its errors are those of a Client and of Credential.
type Reader struct {
	Client
	// Credential returns the credential to use if the registry requires one, or nil if
	// there is none. public reports whether the image is one of those that usually need
	// none. It is called at most once for each of the two, with the context of the
	// goroutine that needs it first. It may be nil.
	Credential func(ctx context.Context, public bool) (*token.Credential, error)
	// Timeout is how long one request may be repeated while the registry is busy; zero
	// for not at all.
	Timeout time.Duration

	credentials cache[bool, *token.Credential]
	tokens      cache[tokenKey, Token]
}

type tokenKey struct {
	repository string
	anonymous  bool
}

// Digest returns the digest that a tag ("latest" if the reference has none) points to now,
// or the digest of the reference if the registry has it. With a platform ("linux/arm64",
// "linux/arm/v7") it is the digest of that platform's image in the index. An image for
// only one platform is returned for every platform.
func (r *Reader) Digest(ctx context.Context, ref Reference, platform string) (string, error) {
	l, err := r.newLookup(ref, platform)
	if err != nil {
		return "", err
	}
	return l.digest(ctx, ref)
}

// lookup is a question about an image, which may take several requests.
type lookup struct {
	*Reader
	ref       Reference
	platform  string // "" for all
	anonymous bool   // no request has needed a credential yet
}

// newLookup checks the reference and the platform.
func (r *Reader) newLookup(ref Reference, platform string) (*lookup, error) {
	if err := ref.check(); err != nil {
		return nil, err
	}
	if platform != "" {
		if err := CheckPlatform(platform); err != nil {
			return nil, err
		}
	}
	l := &lookup{r, ref, platform, false}
	l.anonymous = l.isPublic()
	return l, nil
}

// isPublic reports whether the image is one of those that usually need no credential.
func (l *lookup) isPublic() bool { return strings.HasPrefix(l.ref.Repository, PublicOrganization+"/") }

// digest returns the digest of an image in the repository of the lookup.
func (l *lookup) digest(ctx context.Context, ref Reference) (digest string, err error) {
	err = l.withToken(ctx, func(t Token) error {
		if l.platform != "" {
			digest, err = l.platformDigest(ctx, ref, t, l.platform)
			return err
		}
		m, err := l.Manifest(ctx, ref, t)
		digest = m.Digest
		return err
	})
	if err != nil {
		return "", err
	}
	return digest, nil
}

// withToken makes a request with a token for the repository. If the image may be public,
// it uses an anonymous token until the registry rejects one.
func (l *lookup) withToken(ctx context.Context, request func(Token) error) error {
	err := l.withCurrentToken(ctx, request)
	if !l.anonymous || !isDenied(err) {
		return l.addSimilarTags(ctx, err)
	}
	credential, credentialErr := l.credential(ctx)
	if credentialErr != nil {
		return l.notPublic(ctx, err, credentialErr)
	}
	if credential == nil {
		return err
	}
	l.anonymous = false
	return l.addSimilarTags(ctx, l.withCurrentToken(ctx, request))
}

// isDenied reports whether the registry itself, and not a proxy, requires a credential or
// more permissions.
func isDenied(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && refused.Code != "" && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden)
}

// notPublic returns the error for a request that requires a credential, and there is none.
// The registry responds in the same way if the tag does not exist, so the list of tags
// decides.
func (l *lookup) notPublic(ctx context.Context, refusal, credentialErr error) error {
	var notSignedIn *token.NotSignedInError
	var refused *Error
	if errors.As(credentialErr, &notSignedIn) && errors.As(refusal, &refused) && refused.Step != StepToken && refused.Reference == l.ref.tag() {
		if near := l.similarIfMissing(ctx); len(near) > 0 {
			refused.Near = near
			return refused
		}
	}
	return l.needsCredential(credentialErr)
}

func (l *lookup) needsCredential(err error) error {
	return fmt.Errorf("%s/%s is not public: %w", l.URL.Host, l.ref, err)
}

// withCurrentToken makes a request with a token that is anonymous if the lookup is. Tokens
// are valid for minutes, so it replaces a cached one that the registry rejects, once.
func (l *lookup) withCurrentToken(ctx context.Context, request func(Token) error) error {
	var credential *token.Credential
	if !l.anonymous {
		var err error
		if credential, err = l.credential(ctx); err != nil {
			return l.needsCredential(err)
		}
	}
	t, isCached, err := l.token(ctx, credential, nil)
	if err != nil {
		return err
	}
	send := func() error { return request(t.value) }
	err = l.retry(ctx, send)
	var refused *Error
	if !isCached || !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
		return err
	}
	if t, _, err = l.token(ctx, credential, t); err != nil {
		return err
	}
	return l.retry(ctx, send)
}

// credential returns the credential for the image, or nil if there is none.
func (l *lookup) credential(ctx context.Context) (*token.Credential, error) {
	if l.Credential == nil {
		return nil, nil
	}
	fetch := func() (*token.Credential, error) { return l.Credential(ctx, l.isPublic()) }
	e, _, err := l.credentials.get(ctx, l.isPublic(), nil, fetch, func(error) bool { return true })
	if err != nil {
		return nil, err
	}
	return e.value, nil
}

// token returns a token for the repository, with a credential or anonymous, other than
// stale.
func (l *lookup) token(ctx context.Context, credential *token.Credential, stale *entry[Token]) (t *entry[Token], isCached bool, err error) {
	key := tokenKey{l.ref.Repository, credential == nil}
	return l.tokens.get(ctx, key, stale, func() (t Token, err error) {
		err = l.retry(ctx, func() (err error) {
			t, err = l.Token(ctx, key.repository, credential)
			return err
		})
		return t, err
	}, isFinal)
}

// isFinal reports whether the registry itself will reject the same request again.
func isFinal(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && refused.Code != "" && refused.Status/100 == 4 && !platform.RegistryEndpoint.IsTemporary(err)
}
