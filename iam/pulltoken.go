package iam

import (
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/oauth2"

	"docker-credential-cgr/platform"
)

// PullTokenRequest is what a pull token is made of.
type PullTokenRequest struct {
	Parent       string        // id of the organization or folder that it is for
	Name         string        // of its identity, see CheckName
	Description  string        // one line; may be empty
	TTL          time.Duration // from MinTTL to MaxTTL
	Repositories []Repository  // at least one
}

// maxDescription is how long a description may be, in bytes. The service's own limit
// is not known; longer than this is a mistake.
const maxDescription = 1000

// Check says what is wrong with a request, without asking the service and so without
// a look at Parent, which may still have to be found.
func (r PullTokenRequest) Check() error {
	if err := CheckName(r.Name); err != nil {
		return err
	}
	if err := CheckDescription(r.Description); err != nil {
		return err
	}
	if err := checkTTL(r.TTL); err != nil {
		return fmt.Errorf("a life of %s %w: a pull token lives from 1m to 8760h", r.TTL, err)
	}
	if len(r.Repositories) == 0 {
		return errors.New("a pull token is for one type of repository at least: oci, apk, java, python or javascript")
	}
	for _, repository := range r.Repositories {
		if err := repository.check(); err != nil {
			return err
		}
	}
	return nil
}

// CheckDescription says what is wrong with the description of an identity: one line of
// text, at most 1,000 bytes, without control characters.
func CheckDescription(text string) error {
	switch {
	case len(text) > maxDescription:
		return fmt.Errorf("a description of %d bytes is too long: at most %d", len(text), maxDescription)
	case !utf8.ValidString(text):
		return errors.New("the description is not UTF-8")
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
		r, _ := utf8.DecodeRuneInString(text[i:])
		return fmt.Errorf("the description holds %q, which cannot be shown: use one line of text", r)
	}
	return nil
}

// PullToken is a new pull token. The pair that Docker and others take is the id of
// Identity and Token.
type PullToken struct {
	Identity Identity  // as the service keeps it
	Token    string    // secret; cannot be had again
	Expires  time.Time // by the service's clock
	Roles    []string  // names of what the identity was given
}

// LeftOverError says that the identity of a pull token that came to nothing is still
// there: it could not be given its roles, nor be deleted again. Its key is gone, so
// that nobody can use it.
type LeftOverError struct {
	ID       string // of the identity
	Err      error  // why there is no pull token
	Deletion error  // why the identity could not be deleted
}

func (e *LeftOverError) Error() string {
	return fmt.Sprintf("%v; its identity %s is left over, because the deletion failed too: %v; for an owner to run: docker-credential-cgr pull-token revoke %s",
		e.Err, e.ID, e.Deletion, e.ID)
}

func (e *LeftOverError) Unwrap() []error { return []error{e.Err, e.Deletion} }

const (
	// slack is how long before the service's clock a pull token says it was issued.
	// That clock was read to the second, perhaps on another machine of the service's
	// than the one that will verify the token, and a token from the future is refused.
	slack = 30 * time.Second
	// creationGrace is how long the answer with the identity's id is waited for after
	// an interrupt: without the id it could not be deleted again.
	creationGrace = 5 * time.Second
	// deletionLimit bounds the deletion of an identity that is not wanted any more.
	deletionLimit = 10 * time.Second
)

// Preparation is what has to be known before a pull token can be created.
type Preparation struct {
	Account    Account // zero where AccountErr is set
	AccountErr error
	roles      []Role
	date       time.Time // the service's clock; zero where it did not say
}

// PreparePullToken asks, all at once, who calls and for the roles that a pull token for
// these types of repository gets.
func (c *Client) PreparePullToken(ctx context.Context, repositories []Repository) (Preparation, error) {
	account := begin(func() (Account, error) { return c.WhoAmI(ctx) })
	type found struct {
		role Role
		date time.Time
	}
	var waits []func(context.Context) (found, error)
	for _, repository := range repositories {
		waits = append(waits, begin(func() (f found, err error) {
			f.role, f.date, err = c.roleAndDate(ctx, repository.Role())
			return f, err
		}))
	}
	var p Preparation
	for _, wait := range waits {
		f, err := wait(ctx)
		var missing *CapabilityError
		if errors.As(err, &missing) {
			missing.role = pullTokenCreator // a lesser one would not do for what follows
		}
		if err != nil {
			return p, err
		}
		p.roles, p.date = append(p.roles, f.role), f.date
	}
	p.Account, p.AccountErr = account(ctx)
	return p, ctx.Err()
}

// CreatePullToken makes a pull token that the issuer of an URL takes: an identity that
// keeps a new public key, a token that the private key signed, which then is
// forgotten, and a role for each type of repository. p is of the same types. Nothing is
// made before r has been checked.
//
// Times in it are by the service's clock, which its answers carry, or by now where
// they do not.
//
// Where the identity cannot be given its roles it is deleted again, also when ctx has
// ended. A *LeftOverError says that this failed.
func (c *Client) CreatePullToken(ctx context.Context, r PullTokenRequest, p Preparation, issuerURL string, now func() time.Time) (PullToken, error) {
	return c.createPullToken(ctx, r, p, issuerURL, now, newKey)
}

func (c *Client) createPullToken(ctx context.Context, r PullTokenRequest, p Preparation, issuerURL string, now func() time.Time, newKey func() (*rsa.PrivateKey, error)) (PullToken, error) {
	if err := r.Check(); err != nil {
		return PullToken{}, err
	}
	if err := checkID("an organization or a folder", r.Parent); err != nil {
		return PullToken{}, err
	}
	c, err := c.withOneToken()
	if err != nil {
		return PullToken{}, err
	}
	roles, date := p.roles, p.date
	if err := mayGive(p, r.Parent); err != nil {
		return PullToken{}, err
	}
	key := begin(newKey)
	private, err := key(ctx)
	if err != nil {
		return PullToken{}, fmt.Errorf("cannot make a key for the pull token: %w", err)
	}
	if date.IsZero() {
		date = now()
	}
	token, static, err := signPullToken(private, issuerURL, date.Add(-slack), date.Add(r.TTL))
	if err != nil {
		return PullToken{}, fmt.Errorf("cannot sign the pull token: %w", err)
	}
	identity, err := c.createWith(ctx, r.Parent, Identity{Name: r.Name, Description: r.Description, Static: static}, roles)
	if err != nil {
		return PullToken{}, err
	}
	return PullToken{Identity: identity, Token: token, Expires: static.Expiration.Time, Roles: roleNames(roles)}, nil
}

// withOneToken gives a client that does all its calls with the access token of now: a
// session that ends halfway, or with an interrupt, must not keep it from deleting what
// it has made.
func (c *Client) withOneToken() (*Client, error) {
	token, err := c.Tokens.Token()
	if err != nil {
		return nil, err
	}
	return &Client{URL: c.URL, Transport: c.Transport, Tokens: oauth2.StaticTokenSource(token)}, nil
}

// mayGive returns a *CapabilityError where the service says of the caller that they may
// not make an identity in the group of an id, or not give it roles: whoever makes one
// may often not delete it again. Where it does not say, it has the last word.
func mayGive(p Preparation, group string) error {
	if p.AccountErr != nil || len(p.Account.Capabilities) == 0 {
		return nil
	}
	for _, capability := range []string{CapabilityCreateIdentities, CapabilityCreateBindings} {
		if !p.Account.Can(capability, group) {
			return &CapabilityError{Doing: "make an identity with roles in " + group, Capability: capability}
		}
	}
	for _, role := range p.roles {
		for _, capability := range role.Capabilities {
			if !p.Account.Can(capability, group) {
				doing := fmt.Sprintf("give the role %s, for you may not do all that it lets one do", quote(role.Name))
				return &CapabilityError{Doing: doing, Capability: capability, role: role.Name}
			}
		}
	}
	return nil
}

// createWith makes an identity that has roles in its parent, or none at all.
func (c *Client) createWith(ctx context.Context, parent string, identity Identity, roles []Role) (Identity, error) {
	if err := ctx.Err(); err != nil {
		return Identity{}, err
	}
	creation, stop := outlasting(ctx, creationGrace)
	defer stop()
	created, err := c.CreateIdentity(creation, parent, identity)
	if err != nil {
		if platform.Unanswered(err) || creation.Err() != nil {
			err = fmt.Errorf("%w (whether it was made is not known; without a role it is of no use; to see: docker-credential-cgr pull-token list)", err)
		}
		return Identity{}, err
	}
	if err := c.bindAll(ctx, parent, created.ID, roles); err != nil {
		return Identity{}, c.takeBack(ctx, created.ID, err)
	}
	return created, nil
}

// bindAll gives an identity roles, all at once. It returns the first error, when all
// requests have ended: an identity that is to be deleted must not get a role after that.
func (c *Client) bindAll(ctx context.Context, parent, identity string, roles []Role) error {
	errs := make([]error, len(roles))
	var all sync.WaitGroup
	for i, role := range roles {
		all.Go(func() { _, errs[i] = c.Bind(ctx, parent, identity, role.ID) })
	}
	all.Wait()
	return cmp.Or(errs...)
}

// takeBack deletes an identity because of err, and gives the error to report.
func (c *Client) takeBack(ctx context.Context, id string, err error) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), deletionLimit)
	defer stop()
	deletion := c.DeleteIdentity(ctx, id)
	var gone *NotFoundError
	if deletion != nil && !errors.As(deletion, &gone) {
		return &LeftOverError{ID: id, Err: err, Deletion: deletion}
	}
	return fmt.Errorf("%w; the identity was deleted again", err)
}

// outlasting gives a context that ends some time after ctx does.
func outlasting(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel() }
}

func roleNames(roles []Role) []string {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = role.Name
	}
	return names
}
