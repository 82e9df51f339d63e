package iam

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

var workload = Identity{Name: "ci", ClaimMatch: &ClaimMatch{Issuer: "https://ci.example", Subject: "job"}}

func TestCreateIdentityWith(t *testing.T) {
	for name, roles := range map[string][]string{"two roles": {"registry.pull", "apk.pull"}, "no role": nil} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, nil)
			got, err := s.CreateIdentityWith(t.Context(), org, workload, roles)
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

func TestCreateIdentityWithFaults(t *testing.T) {
	const creation, binding, deletion = "POST /iam/v1/identities/", "POST /iam/v1/rolebindings/", "DELETE /iam/v1/identities/"
	first := org + "/0000000000000001"
	for name, test := range map[string]struct {
		refuse map[string]int
		made   []string // what the service was asked to change
		says   []string
	}{
		"roles not to be seen": {map[string]int{"GET /iam/v1/roles?name=apk.pull": 403}, nil, []string{"roles.list"}},
		"identity refused":     {map[string]int{creation: 403}, []string{creation + org}, []string{"identity.create"}},
		"I74 role refused":     {map[string]int{binding: 403}, []string{creation + org, binding + org, binding + org, deletion + first}, []string{"role_bindings.create", "deleted again"}},
		"I74 deletion refused": {map[string]int{binding: 403, deletion: 403}, []string{creation + org, binding + org, binding + org, deletion + first},
			[]string{"role_bindings.create", "left over", "identity.delete", "for an owner to run: docker-credential-cgr identities delete " + first}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, test.refuse)
			_, err := s.CreateIdentityWith(t.Context(), org, workload, []string{"registry.pull", "apk.pull"})
			oneLine(t, err)
			if !slices.Equal(s.made(), test.made) {
				t.Errorf("got the changes %q, want %q", s.made(), test.made)
			}
			for _, want := range test.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got the error %q, want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), "pull-token") && !strings.Contains(err.Error(), "pull_token_creator") {
				t.Errorf("got the error %q, want no command for pull tokens", err)
			}
		})
	}
}

func TestCreateIdentityWithUnknownRole(t *testing.T) {
	a := handledBy(t, func(w http.ResponseWriter, r *http.Request) {
		all := roles(roleID, "registry.pull", other, "viewer")
		if r.URL.Query().Get("name") != "" {
			all = `{"items":[]}`
		}
		writeJSON(w, http.StatusOK, all)
	})
	_, err := a.CreateIdentityWith(t.Context(), org, workload, []string{"registry.pul"})
	var missing *NotFoundError
	if !errors.As(err, &missing) || len(missing.Near) == 0 || missing.Near[0] != "registry.pull" {
		t.Errorf("got %v, want a NotFoundError that names registry.pull", err)
	}
}

func TestCreateIdentityWithChecksFirst(t *testing.T) {
	a := answering(t, nil)
	a.Tokens = nil // would panic
	_, err := a.CreateIdentityWith(t.Context(), org, Identity{Name: "ci", ClaimMatch: &ClaimMatch{Issuer: "https://ci.example", SubjectPattern: "*"}}, nil)
	oneLine(t, err)
}

// An interrupt after the identity was made does not leave it without its roles.
func TestCreateIdentityWithInterrupt(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	s := newService(t, nil)
	s.before = func(method, path string) {
		if method == http.MethodPost && strings.HasPrefix(path, "/iam/v1/identities/") {
			interrupt()
		}
	}
	_, err := s.CreateIdentityWith(ctx, org, workload, []string{"registry.pull"})
	oneLine(t, err)
	if s.kept() != 0 {
		t.Errorf("I74 got %v left over, want it deleted again", s.identities)
	}
}

func TestCreateIdentityWithoutAnswer(t *testing.T) {
	s := newService(t, nil)
	s.before = func(method, _ string) {
		if method == http.MethodPost {
			panic(http.ErrAbortHandler) // cuts the connection
		}
	}
	_, err := s.CreateIdentityWith(t.Context(), org, workload, nil)
	oneLine(t, err)
	if want := "whether it was made is not known; it has no role; to see: docker-credential-cgr identities list"; !strings.Contains(err.Error(), want) {
		t.Errorf("I74 got the error %q, want %q in it", err, want)
	}
}
