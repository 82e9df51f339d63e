package iam

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"docker-credential-cgr/platform"
)

// The capabilities that the calls of a Client take, as roles list them.
const (
	CapabilityListGroups       = "groups.list"
	CapabilityListRoles        = "roles.list"
	CapabilityListIdentities   = "identity.list"
	CapabilityCreateIdentities = "identity.create"
	CapabilityUpdateIdentities = "identity.update"
	CapabilityDeleteIdentities = "identity.delete"
	CapabilityListBindings     = "role_bindings.list"
	CapabilityCreateBindings   = "role_bindings.create"
)

// pullTokenCreator is the built-in role that has all it takes to make a pull token.
const pullTokenCreator = "registry.pull_token_creator"

// leastRole is the built-in role with the fewest rights of those that have a
// capability, after the vendor's own table (chainguard.dev/sdk, proto/capabilities).
func leastRole(capability string) string {
	switch capability {
	case CapabilityCreateIdentities, CapabilityCreateBindings:
		return pullTokenCreator
	case CapabilityUpdateIdentities, CapabilityDeleteIdentities:
		return "owner"
	case CapabilityListGroups:
		return "registry.pull"
	}
	return "viewer"
}

// CapabilityError says that the caller lacks a capability.
type CapabilityError struct {
	Doing      string // what they may not do, to follow "cannot"
	Capability string // one of the Capability constants
	Err        error  // the service's answer; nil where it was not asked

	role string // that has this capability and what comes after it; empty for leastRole
}

// Role is the built-in role with the fewest rights of those that have the capability.
func (e *CapabilityError) Role() string { return cmp.Or(e.role, leastRole(e.Capability)) }

func (e *CapabilityError) Error() string {
	text := fmt.Sprintf("cannot %s: that takes the capability %s, which the role %s has; ask an owner of the organization for it", e.Doing, e.Capability, e.Role())
	if e.Capability == CapabilityCreateBindings {
		text += " (nobody can give a role that may do more than they may themselves)"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *CapabilityError) Unwrap() error { return e.Err }

// PartialError says that the caller lacks a capability in some groups, so that a list
// is not complete.
type PartialError struct {
	Doing      string // what they may not do there, to follow "cannot"
	Capability string
	Groups     []Group
}

func (e *PartialError) Error() string {
	var names []string
	for _, g := range e.Groups {
		names = append(names, quote(cmp.Or(g.Name, g.ID)))
	}
	return fmt.Sprintf("cannot %s in %s: that takes the capability %s, which the role %s has; to leave them out, name an organization with --parent",
		e.Doing, strings.Join(names, ", "), e.Capability, leastRole(e.Capability))
}

func isPartial(err error) bool {
	var partial *PartialError
	return errors.As(err, &partial)
}

// whileListing says of an error that identities cannot be listed what they are listed
// for.
func whileListing(err error, doing string) error {
	var missing *CapabilityError
	if errors.As(err, &missing) && missing.Capability == CapabilityListIdentities {
		missing.Doing = doing
	}
	return err
}

// NotFoundError says that there is nothing of a name or an id, or that the caller
// may not see it, which the service does not tell apart.
type NotFoundError struct {
	What string   // such as "organization"
	Name string   // the name or id that was asked for; empty where any would have done
	Near []string // names that come near it, the nearest first
	Err  error    // the service's answer; nil where that was an empty list
}

func (e *NotFoundError) Error() string {
	text := "there is no " + e.What
	if e.Name != "" {
		text += " " + quote(e.Name)
	}
	text += " that you can see"
	if len(e.Near) > 0 {
		text += "; the nearest: " + strings.Join(quoteAll(e.Near), ", ")
	}
	return text
}

func (e *NotFoundError) Unwrap() error { return e.Err }

// ManyError says that several groups fit, so that somebody has to choose.
type ManyError struct {
	Name   string  // that all of them have; empty where none was given
	Groups []Group // at least two
}

func (e *ManyError) Error() string {
	const most = 10 // of them, named in the error
	names := make([]string, 0, most)
	for _, g := range e.Groups[:min(most, len(e.Groups))] {
		names = append(names, fmt.Sprintf("%s (%s)", quote(g.Name), platform.Printable(g.ID)))
	}
	if len(e.Groups) > most {
		names = append(names, "…")
	}
	text := fmt.Sprintf("you are in %d organizations: name one", len(e.Groups))
	if e.Name != "" {
		text = fmt.Sprintf("%d organizations are called %s: give the id of one", len(e.Groups), quote(e.Name))
	}
	return text + ": " + strings.Join(names, ", ")
}

// quote shows a name, with what could drive a terminal escaped.
func quote(name string) string { return `"` + platform.Printable(name) + `"` }

func quoteAll(names []string) []string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return quoted
}

// explain says of a call that failed what could not be done, and what to do.
func (call call) explain(err error) error {
	var answer *platform.AnswerError
	if !errors.As(err, &answer) {
		if err == nil {
			return nil
		}
		return fmt.Errorf("cannot %s: %w", call.doing, err)
	}
	switch {
	case answer.Code == platform.CodePermissionDenied && call.capability != "":
		return &CapabilityError{Doing: call.doing, Capability: call.capability, Err: err}
	case answer.Code == platform.CodeNotFound && call.what != "":
		return &NotFoundError{What: call.what, Name: call.name, Err: err}
	case answer.Status == http.StatusUnauthorized:
		return fmt.Errorf("cannot %s: %w; run: docker-credential-cgr login", call.doing, err)
	case answer.Code == 0:
		return fmt.Errorf("cannot %s: %w (not in the words of the platform API: a proxy may have answered)", call.doing, err)
	}
	return fmt.Errorf("cannot %s: %w", call.doing, err)
}
