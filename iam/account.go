package iam

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"docker-credential-cgr/hint"
)

// Account is the caller: what the platform reads from the access token, and what it
// allows.
type Account struct {
	Issuer       string       `json:"issuer"`
	Subject      string       `json:"subject"` // id of the identity
	Audience     []string     `json:"audience"`
	Expiry       Time         `json:"expiry,omitzero"`
	IssuedAt     Time         `json:"issuedAt,omitzero"`
	Email        string       `json:"email,omitempty"`
	Capabilities []Capability `json:"capabilities"`
}

// Capability is what an account may do in a group and everything below it: a role, or the
// capabilities themselves if they are those of no known role.
type Capability struct {
	Group        Group    `json:"group"`
	Role         Role     `json:"role"`         // zero if the platform sends null
	Capabilities []string `json:"capabilities"` // set only without a role
}

// Names returns the names of the capabilities, of the role or of c itself.
func (c Capability) Names() []string {
	if len(c.Role.Capabilities) > 0 {
		return c.Role.Capabilities
	}
	return c.Capabilities
}

// WhoAmI returns the account of the caller.
func (c *Client) WhoAmI(ctx context.Context) (Account, error) {
	var account Account
	err := c.do(ctx, call{
		doing: "find out who is signed in", method: http.MethodGet, path: "/auth/v1/ok",
		limit: maxList, // an account may be in many groups
	}, &account)
	if err == nil && account.Subject == "" {
		err = fmt.Errorf("cannot find out who is signed in: the response of %s has no subject", c.URL)
	}
	return account, err
}

// startWhoAmI starts WhoAmI, and returns a function that waits for its result. Several
// goroutines may call it.
func (c *Client) startWhoAmI(ctx context.Context) (account func() (Account, error)) {
	account = sync.OnceValues(func() (Account, error) { return c.WhoAmI(ctx) })
	go func() { _, _ = account() }()
	return account
}

// listAllowed returns a list of what is in the group with an id, or in all groups if it is
// empty, and checkList's error. It returns a list with a *PartialError, but with no other
// error.
func listAllowed[T any](ctx context.Context, c *Client, call call, group string, account func() (Account, error)) ([]T, error) {
	items, err := list[T](ctx, c, call)
	if err != nil {
		return nil, err
	}
	a, err := account()
	if err != nil {
		return nil, err
	}
	if err = a.checkList(call.capability, call.doing, group); err != nil && !IsPartial(err) {
		return nil, err
	}
	return items, err
}

// Can reports whether a has a capability in the group with an id. A role without a list of
// capabilities counts as having it: then the platform decides.
func (a Account) Can(capability, group string) bool {
	return slices.ContainsFunc(a.Capabilities, func(c Capability) bool {
		within := group == c.Group.ID || strings.HasPrefix(group, c.Group.ID+"/")
		return within && (len(c.Names()) == 0 || slices.Contains(c.Names(), capability))
	})
}

// checkList returns a *CapabilityError if the account has a capability nowhere in the group
// with an id, or in no group at all if it is empty, and a *PartialError if it has the
// capability in a part of them.
func (a Account) checkList(capability, doing, group string) error {
	var without []Group
	somewhere := false
	for _, c := range a.Capabilities {
		// A capability above the group includes it.
		related := group == "" || c.Group.ID == group || strings.HasPrefix(c.Group.ID, group+"/") || strings.HasPrefix(group, c.Group.ID+"/")
		switch {
		case !related:
		case a.Can(capability, c.Group.ID):
			somewhere = true
		case !slices.ContainsFunc(without, func(g Group) bool { return g.ID == c.Group.ID }):
			without = append(without, c.Group)
		}
	}
	switch {
	case !somewhere:
		return MissingCapability(doing, capability, "")
	case group != "" && a.Can(capability, group), group == "" && without == nil:
		return nil
	case group != "":
		without = []Group{{ID: group}}
	}
	err := &PartialError{Doing: doing, Capability: capability, Groups: without}
	return hint.With(err, hint.Text("to leave them out, name an organization with --parent"))
}
