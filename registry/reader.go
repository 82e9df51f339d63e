package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"docker-credential-cgr/token"
)

// PublicOrganization is whose images may be had without a credential.
const PublicOrganization = "chainguard"

// Reader reads what a registry says of images, with the least that it takes: without a
// credential where that is enough, and with one token for a repository. Its methods may
// be called by several goroutines at once. Its errors are those of a Client, and of
// Credential.
type Reader struct {
	Client
	// Credential gives what to ask with where asking without is not enough; nil, or
	// none without an error, where there is none. public says that the image is one of
	// those that as a rule need none. It is called once at most for either, with the
	// context of who needs it first; the others share its answer.
	Credential func(ctx context.Context, public bool) (*token.Credential, error)
	// Patience is how long one request may wait, in all, for a registry that is busy;
	// zero for not at all.
	Patience time.Duration

	mu          sync.Mutex // guards what follows, but not what they point to
	credentials map[bool]*shared[*token.Credential]
	leaves      map[leaveKey]*shared[Token]
}

// leaveKey is what a token is kept by.
type leaveKey struct {
	repository string
	anonymous  bool
}

// shared is what one goroutine gets and others wait for.
type shared[T any] struct {
	done      chan struct{} // closed once the rest is there
	value     T
	err       error
	abandoned bool // the error is that the context of who was to get it has ended
}

func newShared[T any]() *shared[T] { return &shared[T]{done: make(chan struct{})} }

// wait waits for it, and gives the error of a context that ends before.
func (s *shared[T]) wait(ctx context.Context) error {
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Digest gives the digest that a tag ("latest", if none is given) points to now, or the
// digest that the reference has, if the registry has it. With a platform
// ("linux/arm64", "linux/arm/v7") it is that of the platform's image in the index, or
// of an image that is for one platform alone, whichever that is.
func (r *Reader) Digest(ctx context.Context, ref Reference, platform string) (string, error) {
	v, err := r.visit(ref, platform)
	if err != nil {
		return "", err
	}
	return v.digest(ctx, ref)
}

// visit is one question about an image, which may take several requests.
type visit struct {
	*Reader
	ref       Reference
	platform  string // empty for all
	anonymous bool   // no credential was needed yet
}

// visit checks what is asked, and asks nothing yet.
func (r *Reader) visit(ref Reference, platform string) (*visit, error) {
	if err := ref.check(); err != nil {
		return nil, err
	}
	if platform != "" {
		if err := CheckPlatform(platform); err != nil {
			return nil, err
		}
	}
	v := &visit{r, ref, platform, false}
	v.anonymous = v.isPublic()
	return v, nil
}

// isPublic says whether the image may be one that needs no credential.
func (v *visit) isPublic() bool { return strings.HasPrefix(v.ref.Repository, PublicOrganization+"/") }

// digest gives the digest of an image of the visited repository.
func (v *visit) digest(ctx context.Context, ref Reference) (digest string, err error) {
	err = v.ask(ctx, func(t Token) error {
		if v.platform != "" {
			digest, err = v.platformDigest(ctx, ref, t, v.platform)
			return err
		}
		d, err := v.Manifest(ctx, ref, t)
		digest = d.Digest
		return err
	})
	if err != nil {
		return "", err
	}
	return digest, nil
}

// ask makes a request with a token for the repository: one that is had without a
// credential, as long as the registry takes that, where the image may be public.
func (v *visit) ask(ctx context.Context, request func(Token) error) error {
	err := v.askAsIs(ctx, request)
	if !v.anonymous || !denied(err) {
		return v.nameNear(ctx, err)
	}
	credential, failed := v.sharedCredential(ctx, v.isPublic())
	if failed != nil {
		return v.notPublic(ctx, err, failed)
	}
	if credential == nil {
		return err
	}
	v.anonymous = false
	return v.nameNear(ctx, v.askAsIs(ctx, request))
}

// denied says whether the registry itself, and no proxy, will not without more.
func denied(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && refused.Code != "" && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden)
}

// notPublic is the error where the registry would not without a credential, and there
// is none. The registry says the same of a tag that is not there, so that the list of
// tags may have to tell.
func (v *visit) notPublic(ctx context.Context, refusal, failed error) error {
	var nobody *token.NotSignedInError
	var refused *Error
	if errors.As(failed, &nobody) && errors.As(refusal, &refused) && refused.Step != StepToken && refused.Reference == v.ref.tag() {
		if near := v.nearWhereMissing(ctx); len(near) > 0 {
			refused.Near = near
			return refused
		}
	}
	return v.needed(failed)
}

// needed says which image a credential was needed for that cannot be had.
func (v *visit) needed(err error) error {
	return fmt.Errorf("%s/%s is not public: %w", v.URL.Host, v.ref, err)
}

// askAsIs makes a request with a token that is had as the visit stands: without a
// credential, or with it. A token lives minutes only, so one that was kept and is not
// taken any more is replaced once.
func (v *visit) askAsIs(ctx context.Context, request func(Token) error) error {
	var credential *token.Credential
	if !v.anonymous {
		var err error
		if credential, err = v.sharedCredential(ctx, v.isPublic()); err != nil {
			return v.needed(err)
		}
	}
	leave, kept, err := v.leave(ctx, v.ref.Repository, credential, nil)
	if err != nil {
		return err
	}
	try := func() error { return request(leave.value) }
	err = v.patiently(ctx, try)
	var refused *Error
	if !kept || !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
		return err
	}
	if leave, _, err = v.leave(ctx, v.ref.Repository, credential, leave); err != nil {
		return err
	}
	return v.patiently(ctx, try)
}

// sharedCredential gives what Credential gives.
func (r *Reader) sharedCredential(ctx context.Context, public bool) (*token.Credential, error) {
	if r.Credential == nil {
		return nil, nil
	}
	r.mu.Lock()
	s, known := r.credentials[public]
	mine := !known
	if mine {
		if r.credentials == nil {
			r.credentials = map[bool]*shared[*token.Credential]{}
		}
		s = newShared[*token.Credential]()
		r.credentials[public] = s
	}
	r.mu.Unlock()
	if mine {
		s.value, s.err = r.Credential(ctx, public)
		close(s.done)
	}
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s.value, s.err
}

// leave gives a token for a repository, had with a credential or without; kept says
// that it was there before, or came of another goroutine's request. It is another than
// stale, which the registry does not take any more. That the registry gives none is
// kept too.
func (r *Reader) leave(ctx context.Context, repository string, credential *token.Credential, stale *shared[Token]) (leave *shared[Token], kept bool, err error) {
	key := leaveKey{repository, credential == nil}
	for {
		r.mu.Lock()
		s := r.leaves[key]
		if s == nil || s == stale {
			s = newShared[Token]()
			if r.leaves == nil {
				r.leaves = map[leaveKey]*shared[Token]{}
			}
			r.leaves[key] = s
			r.mu.Unlock()
			r.getLeave(ctx, key, credential, s)
			return s, false, s.err
		}
		r.mu.Unlock()
		if err := s.wait(ctx); err != nil {
			return nil, false, err
		}
		if !s.abandoned {
			return s, true, s.err
		}
	}
}

// getLeave asks for a token, for all who wait for it. An error that may pass is told to
// them, and is not kept.
func (r *Reader) getLeave(ctx context.Context, key leaveKey, credential *token.Credential, s *shared[Token]) {
	s.err = r.patiently(ctx, func() (err error) {
		s.value, err = r.Token(ctx, key.repository, credential)
		return err
	})
	s.abandoned = s.err != nil && ctx.Err() != nil
	var refused *Error
	if s.err != nil && !(errors.As(s.err, &refused) && refused.Code != "" && refused.Status/100 == 4 && !busy(refused.Status)) {
		r.mu.Lock()
		delete(r.leaves, key)
		r.mu.Unlock()
	}
	close(s.done)
}
