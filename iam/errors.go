package iam

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// The capabilities that the methods of a Client require.
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

// PullTokenCreator is the built-in role with all capabilities that creating a pull token
// requires.
const PullTokenCreator = "registry.pull_token_creator"

// leastRole returns the built-in role with the fewest capabilities of those that have this
// one, by the vendor's own table (chainguard.dev/sdk, proto/capabilities).
func leastRole(capability string) string {
	switch capability {
	case CapabilityCreateIdentities, CapabilityCreateBindings:
		return PullTokenCreator
	case CapabilityUpdateIdentities, CapabilityDeleteIdentities:
		return "owner"
	case CapabilityListGroups:
		return "registry.pull"
	}
	return "viewer"
}

// CapabilityError reports that the caller lacks a capability.
type CapabilityError struct {
	Doing      string // what the caller cannot do, to follow "cannot"
	Capability string // one of the Capability constants
	NeedsRole  string // a role that has it, and what later steps require; empty for the least one
	Err        error  // the platform's response; nil if it was not asked
}

// MissingCapability returns a *CapabilityError with a hint. role may be empty.
func MissingCapability(doing, capability, role string) error {
	return needsRole(&CapabilityError{Doing: doing, Capability: capability, NeedsRole: role})
}

func needsRole(err error) error {
	return hint.With(err, hint.Text("ask an owner of the organization for the role"))
}

// Role returns the built-in role with the fewest capabilities of those that are enough.
func (e *CapabilityError) Role() string { return cmp.Or(e.NeedsRole, leastRole(e.Capability)) }

func (e *CapabilityError) Error() string {
	text := fmt.Sprintf("cannot %s: requires the capability %s, which the role %s has", e.Doing, e.Capability, e.Role())
	if e.Capability == CapabilityCreateBindings {
		text += " (you cannot give a role with more capabilities than you have)"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *CapabilityError) Unwrap() error { return e.Err }

// PartialError reports that the caller lacks a capability in some groups, so that a list
// is incomplete.
type PartialError struct {
	Doing      string // what the caller cannot do there, to follow "cannot"
	Capability string
	Groups     []Group
}

func (e *PartialError) Error() string {
	names := namesOf(e.Groups, func(g Group) string { return quote(cmp.Or(g.Name, g.ID)) })
	return fmt.Sprintf("cannot %s in %s: requires the capability %s, which the role %s has",
		e.Doing, strings.Join(names, ", "), e.Capability, leastRole(e.Capability))
}

// IsPartial reports whether err is only a *PartialError.
func IsPartial(err error) bool {
	var partial *PartialError
	return errors.As(err, &partial)
}

// NotFoundError reports that nothing has a name or an id, or that the caller may not see
// it: the platform does not distinguish these.
type NotFoundError struct {
	What string   // such as "organization"
	Name string   // the requested name or id; empty if there is none at all
	Near []string // similar names, the nearest first
	Err  error    // the platform's response; nil if that was an empty list
}

func (e *NotFoundError) Error() string {
	text := "there is no " + e.What
	if e.Name != "" {
		text += " " + quote(e.Name)
	}
	text += " that you can see"
	if len(e.Near) > 0 {
		text += "; the nearest: " + strings.Join(namesOf(e.Near, quote), ", ")
	}
	return text
}

func (e *NotFoundError) Unwrap() error { return e.Err }

// Hints returns the command that lists what there is.
func (e *NotFoundError) Hints() []hint.Hint {
	switch e.What {
	case "identity":
		return []hint.Hint{hint.Do(hint.ListIdentities)}
	case "pull token":
		return []hint.Hint{hint.Do(hint.ListPullTokens)}
	}
	return nil
}

// ManyError reports that several groups are possible, so that the user must choose.
type ManyError struct {
	Name   string  // that all of them have; empty if none was given
	Groups []Group // at least two
}

func (e *ManyError) Error() string {
	names := namesOf(e.Groups, func(g Group) string { return fmt.Sprintf("%s (%s)", quote(g.Name), platform.Printable(g.ID)) })
	text := fmt.Sprintf("you are in %d organizations: name one", len(e.Groups))
	if e.Name != "" {
		text = fmt.Sprintf("%d organizations have the name %s: give the id of one", len(e.Groups), quote(e.Name))
	}
	return text + ": " + firstOf(names)
}

// firstOf joins at most ten names.
func firstOf(names []string) string {
	if len(names) > 10 {
		names = append(names[:10:10], "…")
	}
	return strings.Join(names, ", ")
}

// quote quotes a name for a message, with what could control a terminal escaped.
func quote(name string) string { return `"` + platform.Printable(name) + `"` }

// explain returns the error of a call with what it could not do, and a hint.
func (call call) explain(err error) error {
	var answer *platform.ResponseError
	if !errors.As(err, &answer) {
		if err == nil {
			return nil
		}
		return fmt.Errorf("cannot %s: %w", call.doing, err)
	}
	switch {
	case answer.Code == platform.CodePermissionDenied && call.capability != "":
		return needsRole(&CapabilityError{Doing: call.doing, Capability: call.capability, Err: err})
	case answer.Code == platform.CodeNotFound && call.what != "":
		return &NotFoundError{What: call.what, Name: call.name, Err: err}
	case answer.Status == http.StatusUnauthorized:
		return hint.With(fmt.Errorf("cannot %s: %w", call.doing, err), hint.Do(hint.SignIn))
	case answer.Code == 0:
		return fmt.Errorf("cannot %s: %w (not a response of the platform API: a proxy may have sent it)", call.doing, err)
	}
	return fmt.Errorf("cannot %s: %w", call.doing, err)
}
