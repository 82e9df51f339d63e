package fakeplatform

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"maps"
	"regexp"
	"slices"
	"time"

	"chainguard.dev/sdk/proto/capabilities"
	iamv1 "chainguard.dev/sdk/proto/platform/iam/v1"
	"chainguard.dev/sdk/uidp"
	"github.com/go-jose/go-jose/v4"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// identityName matches valid names of identities.
var identityName = regexp.MustCompile(`^[a-z0-9 ._-]+$`)

// sorted iterates over a map in the order of its keys, so that lists are reproducible.
func sorted[K cmp.Ordered, V any](m map[K]V) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// identityService manages identities. Their protos are never changed, only replaced, because responses share them.
type identityService struct {
	iamv1.UnimplementedIdentitiesServer
	p *Platform
}

func (s *identityService) Create(ctx context.Context, r *iamv1.CreateIdentityRequest) (*iamv1.Identity, error) {
	claims, err := s.p.caller(ctx)
	if err != nil {
		return nil, err
	}
	if r.GetIdentity() == nil {
		return nil, status.Error(codes.InvalidArgument, "identity is required")
	}
	identity := proto.CloneOf(r.GetIdentity())
	if err := s.p.checkIdentity(identity); err != nil {
		return nil, err
	}
	now := timestamppb.New(s.p.now())
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	if err := s.allowed(claims.Subject, r.GetParentId(), capabilities.Capability_CAP_IAM_IDENTITY_CREATE); err != nil {
		return nil, err
	}
	identity.Id = childID(r.GetParentId())
	identity.CreatedAt, identity.UpdatedAt, identity.LastSeen = now, now, nil
	s.p.iam.identities[identity.GetId()] = identity
	return identity, nil
}

func (s *identityService) Update(ctx context.Context, r *iamv1.Identity) (*iamv1.Identity, error) {
	claims, err := s.p.caller(ctx)
	if err != nil {
		return nil, err
	}
	identity := proto.CloneOf(r)
	if err := s.p.checkIdentity(identity); err != nil {
		return nil, err
	}
	now := timestamppb.New(s.p.now())
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	old, err := s.find(claims.Subject, r.GetId(), capabilities.Capability_CAP_IAM_IDENTITY_UPDATE)
	if err != nil {
		return nil, err
	}
	identity.CreatedAt, identity.UpdatedAt, identity.LastSeen = old.GetCreatedAt(), now, old.GetLastSeen()
	s.p.iam.identities[identity.GetId()] = identity
	return identity, nil
}

func (s *identityService) Delete(ctx context.Context, r *iamv1.DeleteIdentityRequest) (*emptypb.Empty, error) {
	claims, err := s.p.caller(ctx)
	if err != nil {
		return nil, err
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	if _, err := s.find(claims.Subject, r.GetId(), capabilities.Capability_CAP_IAM_IDENTITY_DELETE); err != nil {
		return nil, err
	}
	delete(s.p.iam.identities, r.GetId())
	s.p.iam.unbind(r.GetId())
	return &emptypb.Empty{}, nil
}

func (s *identityService) List(ctx context.Context, f *iamv1.IdentityFilter) (*iamv1.IdentityList, error) {
	visible, err := s.p.lister(ctx, capabilities.Capability_CAP_IAM_IDENTITY_LIST)
	if err != nil {
		return nil, err
	}
	list := &iamv1.IdentityList{}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	for id, identity := range sorted(s.p.iam.identities) {
		if visible(id) && inFilter(id, f.GetUidp()) && (f.GetId() == "" || f.GetId() == id) {
			list.Items = append(list.Items, identity)
		}
	}
	return list, nil
}

// allowed checks that a group exists and the caller has a capability there. It needs Platform.mu.
func (s *identityService) allowed(caller, group string, capability capabilities.Capability) error {
	if _, ok := s.p.iam.groups[group]; !ok {
		return status.Errorf(codes.NotFound, "group %q not found", group)
	}
	if !s.p.iam.can(caller, group, capability) {
		return errForbidden
	}
	return nil
}

// find returns an identity if the caller has a capability for it. It needs Platform.mu.
func (s *identityService) find(caller, id string, capability capabilities.Capability) (*iamv1.Identity, error) {
	identity, ok := s.p.iam.identities[id]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "identity %q not found", id)
	}
	if !s.p.iam.can(caller, uidp.Parent(id), capability) {
		return nil, errForbidden
	}
	return identity, nil
}

// checkIdentity checks an identity before it is created or updated.
func (p *Platform) checkIdentity(identity *iamv1.Identity) error {
	if !identityName.MatchString(identity.GetName()) {
		return status.Errorf(codes.InvalidArgument, "name %q does not match %s", identity.GetName(), identityName)
	}
	switch {
	case identity.GetStatic() != nil:
		return p.checkStatic(identity.GetStatic())
	case identity.GetClaimMatch() != nil:
		return checkClaimMatch(identity.GetClaimMatch())
	case identity.GetRelationship() == nil:
		return status.Error(codes.InvalidArgument, "identity has no relationship")
	}
	return nil
}

func (p *Platform) checkStatic(static *iamv1.Identity_StaticKeys) error {
	if static.GetIssuer() == "" || static.GetSubject() == "" {
		return status.Error(codes.InvalidArgument, "static needs issuer and subject")
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(static.GetIssuerKeys()), &set); err != nil || len(set.Keys) == 0 {
		return status.Error(codes.InvalidArgument, "issuer_keys is not a JSON Web Key Set")
	}
	for _, key := range set.Keys {
		if !key.Valid() || !key.IsPublic() {
			return status.Error(codes.InvalidArgument, "issuer_keys has a key that is not a valid public key")
		}
	}
	now := p.now()
	longest := orDefault(p.snapshot().MaxPullTokenLifetime, 8760*time.Hour)
	if static.GetExpiration() == nil {
		static.Expiration = timestamppb.New(now.Add(30 * 24 * time.Hour))
	}
	life := static.GetExpiration().AsTime().Sub(now)
	if life <= 0 {
		return status.Error(codes.InvalidArgument, "expiration is in the past")
	}
	// The client's clock may differ, and a request takes time.
	if life > longest+5*time.Minute {
		return status.Errorf(codes.InvalidArgument, "expiration must be within %s", longest)
	}
	return nil
}

func checkClaimMatch(m *iamv1.Identity_ClaimMatch) error {
	if m.GetIssuer() == "" && m.GetIssuerPattern() == "" {
		return status.Error(codes.InvalidArgument, "claim_match needs issuer or issuer_pattern")
	}
	if m.GetSubject() == "" && m.GetSubjectPattern() == "" {
		return status.Error(codes.InvalidArgument, "claim_match needs subject or subject_pattern")
	}
	patterns := slices.Collect(maps.Values(m.GetClaimPatterns()))
	for _, pattern := range append(patterns, m.GetIssuerPattern(), m.GetSubjectPattern(), m.GetAudiencePattern()) {
		if _, err := regexp.Compile(pattern); err != nil {
			return status.Errorf(codes.InvalidArgument, "claim_match: %v", err)
		}
	}
	return nil
}

// updateLastSeen records that an identity was used.
func (p *Platform) updateLastSeen(identity *iamv1.Identity) {
	seen := proto.CloneOf(identity)
	seen.LastSeen = timestamppb.New(p.now())
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.iam.identities[seen.GetId()]; ok {
		p.iam.identities[seen.GetId()] = seen
	}
}

// bindingService manages role bindings.
type bindingService struct {
	iamv1.UnimplementedRoleBindingsServer
	p *Platform
}

func (s *bindingService) Create(ctx context.Context, r *iamv1.CreateRoleBindingRequest) (*iamv1.RoleBinding, error) {
	claims, err := s.p.caller(ctx)
	if err != nil {
		return nil, err
	}
	b := binding{
		id: childID(r.GetParent()), group: r.GetParent(),
		identity: r.GetRoleBinding().GetIdentity(), role: r.GetRoleBinding().GetRole(),
		created: timestamppb.New(s.p.now()),
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	iam := &s.p.iam
	if _, ok := iam.groups[b.group]; !ok {
		return nil, status.Errorf(codes.NotFound, "group %q not found", b.group)
	}
	if !iam.can(claims.Subject, b.group, capabilities.Capability_CAP_IAM_ROLE_BINDINGS_CREATE) {
		return nil, errForbidden
	}
	given, ok := iam.roles[b.role]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "role %q not found", b.role)
	}
	if _, ok := iam.identities[b.identity]; !ok && !s.p.isPerson(b.identity) {
		return nil, status.Errorf(codes.NotFound, "identity %q not found", b.identity)
	}
	for _, c := range given.capabilities {
		if !iam.can(claims.Subject, b.group, c) { // callers cannot grant capabilities that they lack
			return nil, errForbidden
		}
	}
	iam.bindings[b.id] = b
	//lint:ignore SA1019 the deployed API still returns the group
	return &iamv1.RoleBinding{Id: b.id, Identity: b.identity, Group: b.group, Role: b.role}, nil
}

func (s *bindingService) Delete(ctx context.Context, r *iamv1.DeleteRoleBindingRequest) (*emptypb.Empty, error) {
	claims, err := s.p.caller(ctx)
	if err != nil {
		return nil, err
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	b, ok := s.p.iam.bindings[r.GetId()]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "role binding %q not found", r.GetId())
	}
	if !s.p.iam.can(claims.Subject, b.group, capabilities.Capability_CAP_IAM_ROLE_BINDINGS_DELETE) {
		return nil, errForbidden
	}
	delete(s.p.iam.bindings, b.id)
	return &emptypb.Empty{}, nil
}

func (s *bindingService) List(ctx context.Context, f *iamv1.RoleBindingFilter) (*iamv1.RoleBindingList, error) {
	visible, err := s.p.lister(ctx, capabilities.Capability_CAP_IAM_ROLE_BINDINGS_LIST)
	if err != nil {
		return nil, err
	}
	list := &iamv1.RoleBindingList{}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	for id, b := range sorted(s.p.iam.bindings) {
		if !visible(id) || !inFilter(id, f.GetUidp()) || (f.GetId() != "" && f.GetId() != id) {
			continue
		}
		match := s.p.iam.identities[b.identity].GetClaimMatch()
		item := &iamv1.RoleBindingList_Binding{
			Id: id, Group: s.p.iam.groups[b.group], Identity: b.identity, Role: s.p.iam.roles[b.role].proto(),
			CreatedAt: b.created, ClaimMatchIssuer: match.GetIssuer(), ClaimMatchSubject: match.GetSubject(),
		}
		for _, who := range s.p.people {
			if who.id == b.identity {
				item.Email = who.email
			}
		}
		list.Items = append(list.Items, item)
	}
	return list, nil
}

// isPerson reports whether a UIDP is that of a registered person. It needs Platform.mu.
func (p *Platform) isPerson(id string) bool {
	for _, who := range p.people {
		if who.id == id && who.registered {
			return true
		}
	}
	return false
}
