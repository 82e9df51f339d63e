package fakeplatform

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"chainguard.dev/sdk/proto/capabilities"
	iamv1 "chainguard.dev/sdk/proto/platform/iam/v1"
	"chainguard.dev/sdk/uidp"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The people who can sign in.
const (
	Ada    = "ada@example.com"    // password lovelace; owner of example.com
	Grace  = "grace@example.com"  // password hopper; can pull from example.com and create pull tokens
	Edsger = "edsger@example.com" // password dijkstra; can pull from example.com
	Nobody = "nobody@example.org" // password nemo; known to the identity provider, but without an account
)

// The organizations. Any other name is unknown to the registry.
const (
	// PublicOrganization has the public images.
	PublicOrganization = "chainguard"
	// Organization is verified, has an identity provider and private images.
	Organization = "example.com"
	// OtherOrganization is verified and has no identity provider and no members.
	OtherOrganization = "example.net"
)

type person struct {
	email, password string
	id              string
	registered      bool
}

func (p *person) subject() subject {
	return subject{id: p.id, email: p.email}
}

func knownPeople() map[string]*person {
	people := map[string]*person{
		Ada:    {password: "lovelace", registered: true},
		Grace:  {password: "hopper", registered: true},
		Edsger: {password: "dijkstra", registered: true},
		Nobody: {password: "nemo"},
	}
	for email, p := range people {
		p.email, p.id = email, rootID("person "+email)
	}
	return people
}

// rootID returns the UIDP of an object at the root: 40 hex characters, the same in every run.
func rootID(name string) string {
	sum := sha1.Sum([]byte(name))
	return hex.EncodeToString(sum[:])
}

// childID returns a new UIDP below another: 16 more hex characters.
func childID(parent string) string {
	return parent + "/" + randomHex(8)
}

// PersonID returns the UIDP of the person with this email address.
func (p *Platform) PersonID(email string) string {
	return p.mustSubject(email).id
}

// OrganizationID returns the UIDP of the organization with this name.
func (p *Platform) OrganizationID(name string) string {
	return rootID("organization " + name)
}

// IdentityProviderID returns the UIDP of the identity provider of Organization.
func (p *Platform) IdentityProviderID() string {
	return p.OrganizationID(Organization) + "/1d1d1d1d1d1d1d1d"
}

// role is a built-in role with its capabilities in the vendor's SDK.
type role struct {
	name, description string
	capabilities      []capabilities.Capability
}

func (r role) id() string { return rootID("role " + r.name) }

func (r role) proto() *iamv1.Role {
	names, err := capabilities.StringifyAll(r.capabilities)
	if err != nil {
		panic(fmt.Sprintf("fakeplatform: role %s has a capability without a name: %v", r.name, err))
	}
	return &iamv1.Role{Id: r.id(), Name: r.name, Description: r.description, Capabilities: names}
}

func builtinRoles() []role {
	return []role{
		{"owner", "May do everything", capabilities.OwnerCaps},
		{"editor", "May change most things", capabilities.EditorCaps},
		{"viewer", "May see everything and pull", capabilities.ViewerCaps},
		{"registry.pull", "May pull images", capabilities.RegistryPullCaps},
		{"registry.push", "May push images", capabilities.RegistryPushCaps},
		{"registry.pull_token_creator", "May make pull tokens", capabilities.RegistryPullTokenCreatorCaps},
		{"apk.pull", "May pull packages", capabilities.APKPullCaps},
		{"libraries.java.pull", "May pull Java libraries", capabilities.LibrariesJavaPullCaps},
		{"libraries.python.pull", "May pull Python libraries", capabilities.LibrariesPythonPullCaps},
		{"libraries.javascript.pull", "May pull JavaScript libraries", capabilities.LibrariesJavascriptPullCaps},
		{"libraries.go.pull", "May pull Go modules", capabilities.LibrariesGoPullCaps},
		{"libraries.dotnet.pull", "May pull .NET packages", capabilities.LibrariesDotnetPullCaps},
		{"libraries.java_athena.pull", "May pull Java libraries of Athena", capabilities.LibrariesJavaPullCaps},
	}
}

// binding grants an identity a role in a group and everything below it.
type binding struct {
	id, group, identity, role string
	created                   *timestamppb.Timestamp
}

// iamState is the state of the platform API. Platform.mu guards it.
type iamState struct {
	groups     map[string]*iamv1.Group // by UIDP
	roles      map[string]role         // by UIDP
	identities map[string]*iamv1.Identity
	bindings   map[string]binding
}

func newIAMState() iamState {
	s := iamState{
		groups:     make(map[string]*iamv1.Group),
		roles:      make(map[string]role),
		identities: make(map[string]*iamv1.Identity),
		bindings:   make(map[string]binding),
	}
	for _, name := range []string{PublicOrganization, Organization, OtherOrganization} {
		id := rootID("organization " + name)
		s.groups[id] = &iamv1.Group{Id: id, Name: name, Description: "Organization " + name, Verified: true}
	}
	folder := rootID("organization "+Organization) + "/f01de4f01de4f01d"
	s.groups[folder] = &iamv1.Group{Id: folder, Name: "platform-team", Description: "A folder of " + Organization}
	for _, r := range builtinRoles() {
		s.roles[r.id()] = r
	}
	s.bind(rootID("person "+Ada), rootID("organization "+Organization), "owner")
	s.bind(rootID("person "+Grace), rootID("organization "+Organization), "registry.pull", "registry.pull_token_creator")
	s.bind(rootID("person "+Edsger), rootID("organization "+Organization), "registry.pull")
	return s
}

func (s *iamState) bind(identity, group string, roleNames ...string) {
	for _, name := range roleNames {
		id := rootID("role " + name)
		if _, ok := s.roles[id]; !ok {
			panic(fmt.Sprintf("fakeplatform: there is no role %s", name))
		}
		b := binding{id: childID(group), group: group, identity: identity, role: id, created: timestamppb.Now()}
		s.bindings[b.id] = b
	}
}

// unbind removes all roles of an identity.
func (s *iamState) unbind(identity string) {
	maps.DeleteFunc(s.bindings, func(_ string, b binding) bool { return b.identity == identity })
}

// bindingsOf returns the bindings of an identity, sorted by ID.
func (s *iamState) bindingsOf(identity string) []binding {
	var found []binding
	for _, id := range slices.Sorted(maps.Keys(s.bindings)) {
		if b := s.bindings[id]; b.identity == identity {
			found = append(found, b)
		}
	}
	return found
}

// can reports whether an identity has a capability in a group, through a binding there or above.
func (s *iamState) can(identity, group string, capability capabilities.Capability) bool {
	return slices.ContainsFunc(s.bindingsOf(identity), func(b binding) bool {
		return uidp.IsAncestorOrSelf(b.group, group) && slices.Contains(s.roles[b.role].capabilities, capability)
	})
}

// canAnywhere reports whether an identity has a capability in any group.
func (s *iamState) canAnywhere(identity string, capability capabilities.Capability) bool {
	return slices.ContainsFunc(s.bindingsOf(identity), func(b binding) bool {
		return slices.Contains(s.roles[b.role].capabilities, capability)
	})
}

// member reports whether an identity has any role in the organization of a group.
func (s *iamState) member(identity, group string) bool {
	return slices.ContainsFunc(s.bindingsOf(identity), func(b binding) bool {
		return uidp.Root(b.group) == uidp.Root(group)
	})
}

// organization returns the organization with this name, or nil.
func (s *iamState) organization(name string) *iamv1.Group {
	for id, g := range s.groups {
		if uidp.InRoot(id) && g.GetName() == name {
			return g
		}
	}
	return nil
}

// SetRoles replaces all roles of a person (by email address) or an identity (by UIDP) with these built-in roles in
// Organization.
func (p *Platform) SetRoles(who string, roles ...string) {
	id := p.mustSubject(who).id
	p.mu.Lock()
	defer p.mu.Unlock()
	p.iam.unbind(id)
	p.iam.bind(id, p.OrganizationID(Organization), roles...)
}

// Join adds roles of a person (by email address) or an identity (by UIDP) in an organization.
func (p *Platform) Join(who, organization string, roles ...string) {
	id := p.mustSubject(who).id
	p.mu.Lock()
	defer p.mu.Unlock()
	p.iam.bind(id, rootID("organization "+organization), roles...)
}

// capabilityClaim returns the capabilities claim of an access token: role names by group.
func (p *Platform) capabilityClaim(identity string) map[string][]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	roles := make(map[string][]string)
	for _, b := range p.iam.bindingsOf(identity) {
		roles[b.group] = append(roles[b.group], p.iam.roles[b.role].name)
	}
	return roles
}
