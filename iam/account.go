package iam

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Account is who calls: what the service reads from the access token, and what it
// lets them do.
type Account struct {
	Issuer       string       `json:"issuer"`
	Subject      string       `json:"subject"` // id of the identity
	Audience     []string     `json:"audience"`
	Expiry       Time         `json:"expiry,omitzero"`
	IssuedAt     Time         `json:"issuedAt,omitzero"`
	Email        string       `json:"email,omitempty"`
	Capabilities []Capability `json:"capabilities"`
}

// Capability is a role that somebody has in a group and all that is below it.
type Capability struct {
	Group Group `json:"group"`
	Role  Role  `json:"role"`
}

// WhoAmI asks the service who calls.
func (c *Client) WhoAmI(ctx context.Context) (Account, error) {
	var account Account
	err := c.do(ctx, call{
		doing: "ask who is signed in", method: http.MethodGet, path: "/auth/v1/ok",
		limit: maxList, // somebody may be in many groups
	}, &account)
	if err == nil && account.Subject == "" {
		err = fmt.Errorf("cannot ask who is signed in: %s answered without saying who", c.URL)
	}
	return account, err
}

// Can says whether a has a capability in the group of an id. A role whose
// capabilities the service does not name counts as having it: the service has the
// last word.
func (a Account) Can(capability, group string) bool {
	return slices.ContainsFunc(a.Capabilities, func(c Capability) bool {
		within := group == c.Group.ID || strings.HasPrefix(group, c.Group.ID+"/")
		return within && (len(c.Role.Capabilities) == 0 || slices.Contains(c.Role.Capabilities, capability))
	})
}
