package fakeplatform

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"chainguard.dev/sdk/proto/capabilities"
	authv1 "chainguard.dev/sdk/proto/platform/auth/v1"
	commonv1 "chainguard.dev/sdk/proto/platform/common/v1"
	iamv1 "chainguard.dev/sdk/proto/platform/iam/v1"
	"chainguard.dev/sdk/uidp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// apiHandler serves the platform API.
func (p *Platform) apiHandler(ctx context.Context) (http.Handler, error) {
	g := newGateway()
	who, groups, roles := &authService{p: p}, &groupService{p: p}, &roleService{p: p}
	identities, bindings := &identityService{p: p}, &bindingService{p: p}

	authv1.RegisterAuthServer(g.grpc, who)
	iamv1.RegisterGroupsServer(g.grpc, groups)
	iamv1.RegisterRolesServer(g.grpc, roles)
	iamv1.RegisterIdentitiesServer(g.grpc, identities)
	iamv1.RegisterRoleBindingsServer(g.grpc, bindings)
	for _, register := range []func() error{
		func() error { return authv1.RegisterAuthHandlerServer(ctx, g.rest, who) },
		func() error { return iamv1.RegisterGroupsHandlerServer(ctx, g.rest, groups) },
		func() error { return iamv1.RegisterRolesHandlerServer(ctx, g.rest, roles) },
		func() error { return iamv1.RegisterIdentitiesHandlerServer(ctx, g.rest, identities) },
		func() error { return iamv1.RegisterRoleBindingsHandlerServer(ctx, g.rest, bindings) },
	} {
		if err := register(); err != nil {
			return nil, err
		}
	}
	mcp := p.serveMCP(p.API + mcpPath)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == mcpPath {
			mcp(w, r)
			return
		}
		g.ServeHTTP(w, r)
	}), nil
}

// caller returns the claims of the caller's access token, which must be for the API's audience.
func (p *Platform) caller(ctx context.Context) (accessClaims, error) {
	raw, err := bearer(ctx)
	if err != nil {
		return accessClaims{}, err
	}
	claims, err := p.verifyAccess(raw, p.API)
	if err != nil {
		return accessClaims{}, status.Error(codes.Unauthenticated, err.Error())
	}
	return claims, nil
}

// errForbidden is the API's response without the required capability.
var errForbidden = status.Error(codes.PermissionDenied, "caller does not have the required capabilities")

// lister checks the caller of a list. It returns a function that reports whether a UIDP is visible to the caller; it needs
// Platform.mu.
func (p *Platform) lister(ctx context.Context, capability capabilities.Capability) (func(id string) bool, error) {
	claims, err := p.caller(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.iam.canAnywhere(claims.Subject, capability) {
		return nil, errForbidden
	}
	return func(id string) bool { return p.iam.can(claims.Subject, id, capability) }, nil
}

// inFilter reports whether a filter includes a record.
func inFilter(id string, f *commonv1.UIDPFilter) bool {
	switch {
	case f.GetInRoot() && !uidp.InRoot(id),
		f.GetDescendantsOf() != "" && !uidp.IsAncestor(f.GetDescendantsOf(), id),
		f.GetAncestorsOf() != "" && !uidp.IsAncestor(id, f.GetAncestorsOf()),
		f.GetChildrenOf() != "" && uidp.Parent(id) != f.GetChildrenOf(),
		len(f.GetIds()) > 0 && !slices.Contains(f.GetIds(), id):
		return false
	}
	return true
}

// authService describes the caller.
type authService struct {
	authv1.UnimplementedAuthServer
	p *Platform
}

func (s *authService) Validate(ctx context.Context, _ *emptypb.Empty) (*authv1.WhoAmI, error) {
	claims, err := s.p.caller(ctx)
	if err != nil {
		return nil, err
	}
	who := &authv1.WhoAmI{
		Issuer: claims.Issuer, Subject: claims.Subject, Audience: claims.Audience, Email: claims.Email,
		Expiry: timestamppb.New(claims.Expiry.Time()), IssuedAt: timestamppb.New(claims.IssuedAt.Time()),
	}
	nullRoles := s.p.snapshot().NullRoles
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	for _, b := range s.p.iam.bindingsOf(claims.Subject) {
		entry := &authv1.WhoAmI_Capability{Group: s.p.iam.groups[b.group], Role: s.p.iam.roles[b.role].proto()}
		if nullRoles {
			entry.Role, entry.Capabilities = nil, entry.GetRole().GetCapabilities()
		}
		who.Capabilities = append(who.Capabilities, entry)
	}
	return who, nil
}

// groupService lists organizations and folders.
type groupService struct {
	iamv1.UnimplementedGroupsServer
	p *Platform
}

func (s *groupService) List(ctx context.Context, f *iamv1.GroupFilter) (*iamv1.GroupList, error) {
	visible, err := s.p.lister(ctx, capabilities.Capability_CAP_IAM_GROUPS_LIST)
	if err != nil {
		return nil, err
	}
	list := &iamv1.GroupList{}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	for id, g := range sorted(s.p.iam.groups) {
		if visible(id) && inFilter(id, f.GetUidp()) &&
			(f.GetId() == "" || f.GetId() == id) && (f.GetName() == "" || f.GetName() == g.GetName()) {
			list.Items = append(list.Items, g)
		}
	}
	return list, nil
}

// LookupGroup returns the verified organization whose name is the domain of the caller's email address.
func (s *groupService) LookupGroup(ctx context.Context, _ *iamv1.LookupGroupRequest) (*iamv1.LookupGroupResponse, error) {
	claims, err := s.p.caller(ctx)
	if err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(claims.Email, "@")
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	group := s.p.iam.organization(domain)
	if group == nil || !group.GetVerified() {
		return nil, status.Error(codes.NotFound, "no verified group matches the email domain")
	}
	return &iamv1.LookupGroupResponse{Group: group}, nil
}

// RequestGroupAccess accepts requests for the organization that LookupGroup returns. Nobody answers them.
func (s *groupService) RequestGroupAccess(ctx context.Context, r *iamv1.RequestGroupAccessRequest) (*iamv1.RequestGroupAccessResponse, error) {
	found, err := s.LookupGroup(ctx, nil)
	switch {
	case err != nil:
		return nil, err
	case found.GetGroup().GetId() != r.GetGroupId():
		return nil, errForbidden
	}
	return &iamv1.RequestGroupAccessResponse{}, nil
}

// roleService lists the built-in roles.
type roleService struct {
	iamv1.UnimplementedRolesServer
	p *Platform
}

// List returns the built-in roles to every caller: they belong to no organization.
func (s *roleService) List(ctx context.Context, f *iamv1.RoleFilter) (*iamv1.RoleList, error) {
	if _, err := s.p.caller(ctx); err != nil {
		return nil, err
	}
	list := &iamv1.RoleList{}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	for id, r := range sorted(s.p.iam.roles) {
		if inFilter(id, f.GetUidp()) && (f.GetId() == "" || f.GetId() == id) &&
			(f.GetName() == "" || f.GetName() == r.name) && (f.GetParent() == "" || f.GetParent() == "/") {
			list.Items = append(list.Items, r.proto())
		}
	}
	return list, nil
}
