package iam

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Time is a time as the API writes it (RFC 3339). Nothing, null and "" are the zero
// time.
type Time struct{ time.Time }

// UnmarshalJSON reads a time of the API.
func (t *Time) UnmarshalJSON(data []byte) error {
	if string(data) == `""` {
		t.Time = time.Time{}
		return nil
	}
	return t.Time.UnmarshalJSON(data)
}

// Identity is somebody or something that can have roles. One of ClaimMatch, Static,
// AWSIdentity and ServicePrincipal says who may assume it.
type Identity struct {
	ID          string `json:"id,omitempty"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	CreatedAt   Time   `json:"createdAt,omitzero"`
	UpdatedAt   Time   `json:"updatedAt,omitzero"`
	LastSeen    Time   `json:"lastSeen,omitzero"` // last assumed; zero for never

	ClaimMatch       *ClaimMatch  `json:"claimMatch,omitempty"`
	Static           *Static      `json:"static,omitempty"`
	AWSIdentity      *AWSIdentity `json:"awsIdentity,omitempty"`
	ServicePrincipal *string      `json:"servicePrincipal,omitempty"` // a service of the vendor's
}

// ClaimMatch lets in whoever has an ID token with these claims. Of a claim and its
// pattern (a regular expression, RE2) one is set at most; issuer and subject are
// required. Without an audience the token's has to be the issuer's host.
type ClaimMatch struct {
	Issuer          string            `json:"issuer,omitempty"`
	IssuerPattern   string            `json:"issuerPattern,omitempty"`
	Subject         string            `json:"subject,omitempty"`
	SubjectPattern  string            `json:"subjectPattern,omitempty"`
	Audience        string            `json:"audience,omitempty"`
	AudiencePattern string            `json:"audiencePattern,omitempty"`
	Claims          map[string]string `json:"claims,omitempty"`
	ClaimPatterns   map[string]string `json:"claimPatterns,omitempty"`
}

// Static lets in whoever has a token that one of these keys signed.
type Static struct {
	Issuer     string   `json:"issuer,omitempty"`
	Subject    string   `json:"subject,omitempty"`
	Audiences  []string `json:"audiences,omitempty"`  // newer deployments only
	IssuerKeys string   `json:"issuerKeys,omitempty"` // public ones, JWKS text (RFC 7517, section 5)
	Expiration Time     `json:"expiration,omitzero"`  // of the keys
}

// AWSIdentity lets in a user or a role of AWS. Of an attribute and its pattern one is
// set.
type AWSIdentity struct {
	Account       string `json:"awsAccount,omitempty"`
	ARN           string `json:"arn,omitempty"`
	ARNPattern    string `json:"arnPattern,omitempty"`
	UserID        string `json:"userId,omitempty"`
	UserIDPattern string `json:"userIdPattern,omitempty"`
}

// PullTokenIssuer is what pull tokens name as their issuer. There is no such server:
// a client signs the token itself, and leaves the key with an identity.
const PullTokenIssuer = "https://pulltoken.issuer.chainguard.dev"

// Type is the kind of identity, in chainctl's words: claim_match, static, pull_token,
// aws or service_principal; empty for one that this program does not know.
func (i Identity) Type() string {
	switch {
	case i.Static != nil && i.Static.Issuer == PullTokenIssuer:
		return "pull_token"
	case i.Static != nil:
		return "static"
	case i.ClaimMatch != nil:
		return "claim_match"
	case i.AWSIdentity != nil:
		return "aws"
	case i.ServicePrincipal != nil:
		return "service_principal"
	}
	return ""
}

// Check says what is wrong with an identity that is to be made, without asking the
// service.
func (i Identity) Check() error {
	if err := i.check(); err != nil {
		return err
	}
	switch {
	case i.ClaimMatch != nil:
		return i.ClaimMatch.Check()
	case i.Static != nil:
		return i.Static.check()
	}
	return nil
}

// check says what is wrong with an identity in all that it does not leave to the
// service to know better: one that is there already may hold what is newer than this
// program.
func (i Identity) check() error {
	if err := CheckName(i.Name); err != nil {
		return err
	}
	kinds := 0
	for _, set := range []bool{i.ClaimMatch != nil, i.Static != nil, i.AWSIdentity != nil, i.ServicePrincipal != nil} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		return fmt.Errorf("the identity %s has %d of claimMatch, static, awsIdentity and servicePrincipal: exactly one says who may assume it", quote(i.Name), kinds)
	}
	return nil
}

// IdentityFilter limits a list of identities; what is empty does not.
type IdentityFilter struct {
	ID            string // exactly
	DescendantsOf string // id of the group that they are below of
}

func (f IdentityFilter) call() call {
	return call{
		doing: "list identities", capability: CapabilityListIdentities,
		path: "/iam/v1/identities", query: filter("id", f.ID, "uidp.descendantsOf", f.DescendantsOf),
	}
}

// Identities lists the identities that the caller may see. The service answers an
// empty list to a caller who may see none, so who calls is asked at the same time: a
// *CapabilityError says that they may list none, and a *PartialError, beside the list,
// that they may not list all.
func (c *Client) Identities(ctx context.Context, f IdentityFilter) ([]Identity, error) {
	if f.ID != "" {
		return list[Identity](ctx, c, f.call()) // what is not found is an error of the caller's
	}
	return listAllowed[Identity](ctx, c, f.call(), f.DescendantsOf, c.startWhoAmI(ctx))
}

// IdentitiesAndBindings is Identities for the group of an id and RoleBindings for it,
// at the same time. With a *PartialError, either list may be incomplete.
func (c *Client) IdentitiesAndBindings(ctx context.Context, group string) ([]Identity, []RoleBinding, error) {
	account := c.startWhoAmI(ctx)
	var bindings []RoleBinding
	var bindingsErr error
	var listing sync.WaitGroup
	listing.Go(func() { bindings, bindingsErr = listAllowed[RoleBinding](ctx, c, bindingsCall(group), group, account) })
	identities, err := listAllowed[Identity](ctx, c, IdentityFilter{DescendantsOf: group}.call(), group, account)
	listing.Wait()
	for _, err := range []error{err, bindingsErr} {
		if err != nil && !IsPartial(err) {
			return nil, nil, err
		}
	}
	return identities, bindings, cmp.Or(err, bindingsErr)
}

// Identity gives the identity of an id.
func (c *Client) Identity(ctx context.Context, id string) (Identity, error) {
	if err := checkID("an identity", id); err != nil {
		return Identity{}, err
	}
	identities, err := c.Identities(ctx, IdentityFilter{ID: id})
	if err != nil {
		return Identity{}, err
	}
	for _, identity := range identities {
		if identity.ID == id {
			return identity, nil
		}
	}
	return Identity{}, &NotFoundError{What: "identity", Name: id}
}

// CreateIdentity makes an identity in the group of an id, and gives it as the service
// keeps it, with its id. The id and the times of identity are not looked at.
func (c *Client) CreateIdentity(ctx context.Context, parent string, identity Identity) (Identity, error) {
	if err := checkID("an organization or a folder", parent); err != nil {
		return Identity{}, err
	}
	if err := identity.Check(); err != nil {
		return Identity{}, err
	}
	identity.ID, identity.CreatedAt, identity.UpdatedAt, identity.LastSeen = "", Time{}, Time{}, Time{}
	doing := fmt.Sprintf("create the identity %s in %s", quote(identity.Name), parent)
	var created Identity
	err := c.do(ctx, call{
		doing: doing, capability: CapabilityCreateIdentities, what: "organization or folder", name: parent,
		method: http.MethodPost, path: "/iam/v1/identities/" + parent, body: identity,
	}, &created)
	if err != nil {
		return Identity{}, err
	}
	// Its id is half of a pull token, and what it is deleted by.
	if !ValidID(created.ID) || !strings.HasPrefix(created.ID, parent+"/") {
		return Identity{}, fmt.Errorf("cannot %s: %s answered with the id %s, which is none below it", doing, c.URL, quote(created.ID))
	}
	return created, nil
}

// DeleteIdentity deletes the identity of an id, and with it every credential that is
// one: this revokes a pull token. It gives a *NotFoundError where there is none.
func (c *Client) DeleteIdentity(ctx context.Context, id string) error {
	if err := checkID("an identity", id); err != nil {
		return err
	}
	return c.do(ctx, call{
		doing: "delete the identity " + id, capability: CapabilityDeleteIdentities, what: "identity", name: id,
		method: http.MethodDelete, path: "/iam/v1/identities/" + id,
	}, &struct{}{})
}
