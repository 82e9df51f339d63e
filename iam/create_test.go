package iam

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"docker-credential-cgr/hint"
)

var workload = Identity{Name: "ci", ClaimMatch: &ClaimMatch{Issuer: "https://ci.example", Subject: "job"}}

// createByNames creates an identity as identities create does.
func (s *service) createByNames(ctx context.Context, identity Identity, names []string) (Identity, error) {
	granted, _, err := s.Roles(ctx, names)
	if err != nil {
		return Identity{}, err
	}
	return s.CreateIdentityWithRoles(ctx, org, identity, granted)
}

func TestCreateIdentityWithRoles(t *testing.T) {
	for name, roles := range map[string][]string{"two roles": {"registry.pull", "apk.pull"}, "no role": nil} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, nil)
			got, err := s.createByNames(t.Context(), workload, roles)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, role := range roles {
				want = append(want, got.ID+" "+roleOf(role))
			}
			if kept := s.identities[got.ID]; kept.Name != "ci" || kept.ClaimMatch.Subject != "job" {
				t.Errorf("got %+v, want the identity that was asked for", kept)
			}
			if !slices.Equal(slices.Sorted(slices.Values(s.bound)), slices.Sorted(slices.Values(want))) {
				t.Errorf("got the roles %q, want %q", s.bound, want)
			}
		})
	}
}

func TestCreateIdentityWithRolesFaults(t *testing.T) {
	const creation, binding, deletion = "POST /iam/v1/identities/", "POST /iam/v1/rolebindings/", "DELETE /iam/v1/identities/"
	first := org + "/0000000000000001"
	for name, test := range map[string]struct {
		refuse map[string]int
		made   []string // what the service was asked to change
		says   []string
	}{
		"roles not to be seen": {map[string]int{"GET /iam/v1/roles": 403}, nil, []string{"roles.list"}},
		"identity refused":     {map[string]int{creation: 403}, []string{creation + org}, []string{"identity.create"}},
		"I74 role refused":     {map[string]int{binding: 403}, []string{creation + org, binding + org, binding + org, deletion + first}, []string{"role_bindings.create", "deleted again"}},
		"I74 deletion refused": {map[string]int{binding: 403, deletion: 403}, []string{creation + org, binding + org, binding + org, deletion + first},
			[]string{"role_bindings.create", "left over", "identity.delete", first}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, test.refuse)
			_, err := s.createByNames(t.Context(), workload, []string{"registry.pull", "apk.pull"})
			oneLine(t, err)
			if !slices.Equal(s.made(), test.made) {
				t.Errorf("got the changes %q, want %q", s.made(), test.made)
			}
			for _, want := range test.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got the error %q, want %q in it", err, want)
				}
			}
			left := test.refuse[deletion] != 0
			if slices.Contains(hint.Of(err), hint.Do(hint.DeleteIdentity, first)) != left {
				t.Errorf("got the hints %v, want the command that deletes the identity: %v", hint.Of(err), left)
			}
		})
	}
}

func TestCreateIdentityChecksFirst(t *testing.T) {
	a := answering(t, nil)
	a.Tokens = nil // would panic
	_, err := a.CreateIdentityWithRoles(t.Context(), org, Identity{Name: "ci", ClaimMatch: &ClaimMatch{Issuer: "https://ci.example", SubjectPattern: "*"}}, nil)
	oneLine(t, err)
}

// An interrupt after the creation leaves no identity without roles.
func TestCreateIdentityWithRolesInterrupt(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	s := newService(t, nil)
	s.before = func(method, path string) {
		if method == http.MethodPost && strings.HasPrefix(path, "/iam/v1/identities/") {
			interrupt()
		}
	}
	_, err := s.createByNames(ctx, workload, []string{"registry.pull"})
	oneLine(t, err)
	if s.kept() != 0 {
		t.Errorf("I74 got %v left over, want it deleted again", s.identities)
	}
}

func TestCreateIdentityUnanswered(t *testing.T) {
	s := newService(t, nil)
	s.before = func(method, _ string) {
		if method == http.MethodPost {
			panic(http.ErrAbortHandler) // cuts the connection
		}
	}
	_, err := s.createByNames(t.Context(), workload, nil)
	oneLine(t, err)
	if !strings.Contains(err.Error(), "may have been created") || !slices.Contains(hint.Of(err), hint.Do(hint.ListIdentities)) {
		t.Errorf("I74 got %q, %v, want that it may have been created, and the command that lists identities", err, hint.Of(err))
	}
}
