package iam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Time is a time of the API (RFC 3339). A missing one, null and "" are the zero time.
type Time struct{ time.Time }

// UnmarshalJSON parses a time of the API.
func (t *Time) UnmarshalJSON(data []byte) error {
	if string(data) == `""` {
		t.Time = time.Time{}
		return nil
	}
	return t.Time.UnmarshalJSON(data)
}

// Identity is a person or a workload that can have roles. One of ClaimMatch, Static,
// AWSIdentity and ServicePrincipal defines who may assume it.
type Identity struct {
	ID          string `json:"id,omitempty"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	CreatedAt   Time   `json:"createdAt,omitzero" yaml:"createdAt"`
	UpdatedAt   Time   `json:"updatedAt,omitzero" yaml:"updatedAt"`
	LastSeen    Time   `json:"lastSeen,omitzero" yaml:"lastSeen"` // last assumed; zero for never

	ClaimMatch       *ClaimMatch  `json:"claimMatch,omitempty" yaml:"claimMatch"`
	Static           *Static      `json:"static,omitempty"`
	AWSIdentity      *AWSIdentity `json:"awsIdentity,omitempty" yaml:"awsIdentity"`
	ServicePrincipal *string      `json:"servicePrincipal,omitempty" yaml:"servicePrincipal"` // a service of the vendor's
}

// ClaimMatch accepts ID tokens with these claims. At most one of a claim and its pattern (a
// regular expression, RE2) is set. Issuer and subject are required. Without an audience,
// the token's must be the host of the platform's issuer.
type ClaimMatch struct {
	Issuer          string            `json:"issuer,omitempty"`
	IssuerPattern   string            `json:"issuerPattern,omitempty" yaml:"issuerPattern"`
	Subject         string            `json:"subject,omitempty"`
	SubjectPattern  string            `json:"subjectPattern,omitempty" yaml:"subjectPattern"`
	Audience        string            `json:"audience,omitempty"`
	AudiencePattern string            `json:"audiencePattern,omitempty" yaml:"audiencePattern"`
	Claims          map[string]string `json:"claims,omitempty"`
	ClaimPatterns   map[string]string `json:"claimPatterns,omitempty" yaml:"claimPatterns"`
}

// Static accepts ID tokens that one of these keys has signed.
type Static struct {
	Issuer     string   `json:"issuer,omitempty"`
	Subject    string   `json:"subject,omitempty"`
	Audiences  []string `json:"audiences,omitempty"`                    // newer deployments only
	IssuerKeys string   `json:"issuerKeys,omitempty" yaml:"issuerKeys"` // public ones, JWKS text (RFC 7517, section 5)
	Expiration Time     `json:"expiration,omitzero"`                    // of the keys
}

// AWSIdentity accepts a user or a role of AWS. One of an attribute and its pattern is set.
type AWSIdentity struct {
	Account       string `json:"awsAccount,omitempty" yaml:"awsAccount"`
	ARN           string `json:"arn,omitempty"`
	ARNPattern    string `json:"arnPattern,omitempty" yaml:"arnPattern"`
	UserID        string `json:"userId,omitempty" yaml:"userId"`
	UserIDPattern string `json:"userIdPattern,omitempty" yaml:"userIdPattern"`
}

// PullTokenIssuer is the issuer of pull tokens. There is no such server: a client signs
// the token itself, and stores the public key in an identity.
const PullTokenIssuer = "https://pulltoken.issuer.chainguard.dev"

// Type returns the type of identity, in chainctl's words: claim_match, static, pull_token,
// aws or service_principal; "" for one that this program does not know.
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

// Check returns what is wrong with an identity that is about to be created, without a
// request.
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

// check returns what is wrong with an identity, new or not. One that exists may contain
// what is newer than this program, so that the platform checks the rest.
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
		return fmt.Errorf("the identity %s has %d of claimMatch, static, awsIdentity and servicePrincipal: it must have exactly one",
			quote(i.Name), kinds)
	}
	return nil
}

// identitiesCall lists the identities with an id, or those below the group with an id. Empty
// ids do not limit the list.
func identitiesCall(id, group string) call {
	return call{
		doing: "list identities", capability: CapabilityListIdentities,
		path: "/iam/v1/identities", query: filter("id", id, "uidp.descendantsOf", group),
	}
}

// Identities lists the identities that the caller may see below the group with an id, or
// all if it is empty. The platform returns an empty
// list to a caller who may see none, so this asks for the caller's capabilities at the same
// time: a *CapabilityError reports that the caller may list none, and a *PartialError,
// which comes with a list, that the caller may not list all.
func (c *Client) Identities(ctx context.Context, group string) ([]Identity, error) {
	return c.identities(ctx, group, c.startWhoAmI(ctx))
}

func (c *Client) identities(ctx context.Context, group string, account func() (Account, error)) ([]Identity, error) {
	identities, err := listAllowed[Identity](ctx, c, identitiesCall("", group), group, account)
	if err == nil || IsPartial(err) {
		c.changed(group, identities...)
	}
	return identities, err
}

// changed calls OnIdentities.
func (c *Client) changed(below string, all ...Identity) {
	if c.OnIdentities != nil {
		c.OnIdentities(below, all)
	}
}

// IdentitiesAndBindings calls Identities and RoleBindings for the group with an id, at the
// same time. With a *PartialError, either list may be incomplete.
func (c *Client) IdentitiesAndBindings(ctx context.Context, group string) ([]Identity, []RoleBinding, error) {
	account := c.startWhoAmI(ctx)
	var bindings []RoleBinding
	var bindingsErr error
	var listing sync.WaitGroup
	listing.Go(func() { bindings, bindingsErr = listAllowed[RoleBinding](ctx, c, bindingsCall(group), group, account) })
	identities, err := c.identities(ctx, group, account)
	listing.Wait()
	for _, err := range []error{err, bindingsErr} {
		if err != nil && !IsPartial(err) {
			return nil, nil, err
		}
	}
	return identities, bindings, cmp.Or(err, bindingsErr)
}

// Identity returns the identity with an id.
func (c *Client) Identity(ctx context.Context, id string) (Identity, error) {
	if err := checkID("an identity", id); err != nil {
		return Identity{}, err
	}
	identities, err := list[Identity](ctx, c, identitiesCall(id, ""))
	if err != nil {
		return Identity{}, err
	}
	return MatchIdentity(identities, id)
}

// CreateIdentity creates an identity in the group with an id, and returns it as the
// platform stores it. It ignores the id and the times of identity.
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
	// The id is the username of a pull token, and needed to delete it.
	if !ValidID(created.ID) || !strings.HasPrefix(created.ID, parent+"/") {
		return Identity{}, fmt.Errorf("cannot %s: %s returned the id %s, which is not below it", doing, c.URL, quote(created.ID))
	}
	c.changed(created.ID, created)
	return created, nil
}

// DeleteIdentity deletes the identity with an id, which revokes a pull token. It returns a
// *NotFoundError if there is none.
func (c *Client) DeleteIdentity(ctx context.Context, id string) error {
	if err := checkID("an identity", id); err != nil {
		return err
	}
	err := c.do(ctx, call{
		doing: "delete the identity " + id, capability: CapabilityDeleteIdentities, what: "identity", name: id,
		method: http.MethodDelete, path: "/iam/v1/identities/" + id,
	}, &struct{}{})
	var gone *NotFoundError
	if err == nil || errors.As(err, &gone) {
		c.changed(id)
	}
	return err
}
