// Package pulltoken creates, lists, revokes and saves pull tokens.
//
// A pull token is a credential for systems that cannot sign in. To the platform it is an
// identity with a public key, and roles; to a client it is the id of that identity and a
// JWT that the private key has signed.
package pulltoken

import (
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"sync"
	"time"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
)

// Request describes a pull token to create.
type Request struct {
	Name         string // of its identity, see iam.CheckName
	Description  string // one line; may be empty
	TTL          time.Duration
	Repositories []Repository // at least one
	Replaces     []string     // ids of the pull tokens that the caller will revoke afterwards
}

// Check returns what is wrong with a request, without sending anything.
func (r Request) Check() error {
	if err := iam.CheckName(r.Name); err != nil {
		return err
	}
	if err := iam.CheckDescription(r.Description); err != nil {
		return err
	}
	if err := checkTTL(r.TTL); err != nil {
		return fmt.Errorf("a lifetime of %s %w: it must be from 1m to 8760h", r.TTL, err)
	}
	if len(r.Repositories) == 0 {
		return errors.New("a pull token needs at least one type of repository, such as oci, apk, java, python or javascript")
	}
	for _, repository := range r.Repositories {
		if err := repository.check(); err != nil {
			return err
		}
	}
	return nil
}

// Credential is a new pull token. Docker and others take the id of Identity as the
// username, and Token as the password.
type Credential struct {
	Identity iam.Identity // as the platform stores it
	Token    string       // secret; cannot be read again
	Expires  time.Time    // by the platform's clock
}

// slack is how long before the present, by the platform's clock, a pull token is issued.
// That clock was read to the second, perhaps on another machine than the one that will
// verify the token, and a token from the future is rejected.
const slack = 30 * time.Second

// Preparation is a pull token about to be created.
type Preparation struct {
	client  *iam.Client
	request Request

	ready   chan struct{} // closed when all of the following is known
	key     *rsa.PrivateKey
	account iam.Account
	roles   []iam.Role
	date    time.Time // the platform's clock; zero if unknown
	err     error
}

// Prepare checks a request, and starts, all at once, to create a key pair, and to ask the
// platform who the caller is and for the roles of the pull token. The caller can choose an
// organization meanwhile.
func Prepare(ctx context.Context, client *iam.Client, r Request) *Preparation {
	return prepare(ctx, client, r, newKey)
}

func prepare(ctx context.Context, client *iam.Client, r Request, newKey func() (*rsa.PrivateKey, error)) *Preparation {
	p := &Preparation{client: client, request: r, ready: make(chan struct{})}
	if p.err = r.Check(); p.err != nil {
		close(p.ready)
		return p
	}
	go func() {
		defer close(p.ready)
		names := make([]string, len(r.Repositories))
		for i, repository := range r.Repositories {
			names[i] = repository.Role()
		}
		var rolesErr, accountErr, keyErr error
		var all sync.WaitGroup
		all.Go(func() { p.roles, p.date, rolesErr = client.Roles(ctx, names) })
		all.Go(func() { p.account, accountErr = client.WhoAmI(ctx) })
		all.Go(func() { p.key, keyErr = newKey() })
		all.Wait()
		p.err = cmp.Or(rolesErr, accountErr, keyErr)
		var missing *iam.CapabilityError
		if errors.As(p.err, &missing) {
			missing.NeedsRole = iam.PullTokenCreator // a lesser one would not allow what follows
		}
	}()
	return p
}

// Create creates a pull token in an organization or folder, for the issuer with a URL: it
// signs a token with the private key, which it forgets, and creates an identity with the
// public key and the roles. It creates nothing before the caller is known to have all
// capabilities: who may create an identity often may not delete it again.
//
// Times are those of the platform's clock, which its responses contain, else of now. If
// the identity cannot be given its roles it is deleted again, even if ctx has ended.
func (p *Preparation) Create(ctx context.Context, parent iam.Group, issuer string, now func() time.Time) (Credential, error) {
	select {
	case <-p.ready:
	case <-ctx.Done(): // the creation of a key cannot be interrupted
		return Credential{}, ctx.Err()
	}
	if p.err != nil {
		return Credential{}, p.err
	}
	if err := p.checkCapabilities(parent); err != nil {
		return Credential{}, err
	}
	if p.date.IsZero() {
		p.date = now()
	}
	token, static, err := sign(p.key, issuer, p.date.Add(-slack), p.date.Add(p.request.TTL))
	if err != nil {
		return Credential{}, fmt.Errorf("cannot sign the pull token: %w", err)
	}
	identity := iam.Identity{Name: p.request.Name, Description: p.request.Description, Static: static}
	identity, err = p.client.CreateIdentityWithRoles(ctx, parent.ID, identity, p.roles)
	if err != nil {
		return Credential{}, err
	}
	return Credential{Identity: identity, Token: token, Expires: static.Expiration.Time}, nil
}

// checkCapabilities returns an error for a capability that the caller lacks. The platform
// would report it too, but often only once there is an identity.
func (p *Preparation) checkCapabilities(parent iam.Group) error {
	for _, capability := range []string{iam.CapabilityCreateIdentities, iam.CapabilityCreateBindings} {
		if !p.account.Can(capability, parent.ID) {
			return iam.MissingCapability("create a pull token in "+platform.Printable(cmp.Or(parent.Name, parent.ID)), capability, "")
		}
	}
	for _, role := range p.roles {
		for _, capability := range role.Capabilities {
			if !p.account.Can(capability, parent.ID) {
				return iam.MissingCapability("give the role "+platform.Printable(role.Name), capability, role.Name)
			}
		}
	}
	for _, id := range p.request.Replaces {
		if iam.ValidID(id) && !p.account.Can(iam.CapabilityDeleteIdentities, id) {
			return iam.MissingCapability("revoke "+id, iam.CapabilityDeleteIdentities, "")
		}
	}
	return nil
}

// quote quotes a text for a message, with what could control a terminal escaped.
func quote(text string) string { return `"` + platform.Printable(text) + `"` }
