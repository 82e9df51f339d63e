package iam

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// roles is an answer to a list, of pairs of an id and a name.
func roles(pairs ...string) string {
	var items []string
	for i := 0; i < len(pairs); i += 2 {
		items = append(items, fmt.Sprintf(`{"id":%q,"name":%q,"description":"","capabilities":["groups.list"]}`, pairs[i], pairs[i+1]))
	}
	return `{"items":[` + strings.Join(items, ",") + `]}`
}

func TestRole(t *testing.T) {
	own := org + "/1111111111111111"
	for _, test := range []struct{ name, answer, want string }{
		{"built in", roles(roleID, "registry.pull"), roleID},
		{"built in before an organization's own", roles(own, "registry.pull", roleID, "registry.pull"), roleID},
		{"an organization's own", roles(own, "registry.pull"), own},
		{"among others", roles(other, "owner", roleID, "registry.pull"), roleID},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := answering(t, map[string]string{"GET /iam/v1/roles": test.answer})
			got, _, err := a.Roles(t.Context(), []string{"registry.pull"})
			if err != nil || len(got) != 1 || got[0].ID != test.want || len(got[0].Capabilities) != 1 {
				t.Errorf("got %+v, %v, want %s", got, err, test.want)
			}
			a.one(t)
		})
	}
	t.Run("none", func(t *testing.T) {
		_, _, err := answering(t, map[string]string{"GET /iam/v1/roles": roles(other, "owner")}).Roles(t.Context(), []string{"owner", "ownr"})
		oneLine(t, err)
		var none *NotFoundError
		if !errors.As(err, &none) || none.What != "role" || none.Name != "ownr" || !slices.Equal(none.Near, []string{"owner"}) {
			t.Errorf("got %#v, want that there is none", err)
		}
	})
	t.Run("two organizations' own", func(t *testing.T) {
		_, _, err := answering(t, map[string]string{"GET /iam/v1/roles": roles(own, "ci", other+"/1111111111111111", "ci")}).Roles(t.Context(), []string{"ci"})
		oneLine(t, err)
	})
	t.Run("no names, no request", func(t *testing.T) {
		if got, _, err := answering(t, nil).Roles(t.Context(), nil); err != nil || len(got) > 0 {
			t.Errorf("got %+v, %v, want none", got, err)
		}
	})
}

func TestBind(t *testing.T) {
	a := answering(t, map[string]string{"POST /iam/v1/rolebindings/" + folder: `{"id":"` + deepPID + `","identity":"` + pullID + `","group":"","role":"` + roleID + `"}`})
	got, err := a.Bind(t.Context(), folder, pullID, roleID)
	if err != nil || got != deepPID {
		t.Errorf("got %q, %v, want %s", got, err, deepPID)
	}
	want := asked{"POST", "/iam/v1/rolebindings/" + folder, "", "Bearer " + bearer, `{"identity":"` + pullID + `","role":"` + roleID + `"}`}
	if got := a.one(t); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	t.Run("no ids, no request", func(t *testing.T) {
		a := answering(t, nil)
		for _, ids := range [][3]string{{"", pullID, roleID}, {org, "pull-token", roleID}, {org, pullID, "registry.pull"}, {"../groups", pullID, roleID}} {
			_, err := a.Bind(t.Context(), ids[0], ids[1], ids[2])
			oneLine(t, err)
		}
		if len(a.asked) > 0 {
			t.Errorf("got %d requests, want none", len(a.asked))
		}
	})
}

func TestRoleBindings(t *testing.T) {
	a := answering(t, map[string]string{"GET /iam/v1/rolebindings": `{"items":[
		{"id":"` + deepPID + `","group":{"id":"` + org + `","name":"example.com"},"identity":"` + pullID + `",
		 "role":{"id":"` + roleID + `","name":"registry.pull","capabilities":[]},"email":"","createdAt":"2026-01-02T03:04:05.6Z"},
		{"id":"` + pullID + `","group":null,"identity":"","role":null,"createdAt":null,"claimMatchIssuer":"https://example.com"}]}`})
	got, err := a.RoleBindings(t.Context(), org)
	if err != nil || len(got) != 2 {
		t.Fatalf("got %+v, %v, want two", got, err)
	}
	if b := got[0]; b.Group.Name != "example.com" || b.Role.Name != "registry.pull" || b.Identity != pullID || b.CreatedAt.Year() != 2026 {
		t.Errorf("got %+v, want what the service said", b)
	}
	if b := got[1]; b.Group.ID != "" || !b.CreatedAt.IsZero() || b.ClaimMatchIssuer != "https://example.com" {
		t.Errorf("got %+v, want nothing where it said null", b)
	}
	if got := a.queries("/iam/v1/rolebindings"); !slices.Equal(got, []string{"uidp.descendantsOf=" + org}) {
		t.Errorf("got the queries %q, want the group", got)
	}
}

// An empty list is not what a caller gets who may not list role bindings.
func TestRoleBindingsWithoutTheRight(t *testing.T) {
	for _, test := range []struct {
		name, capabilities, group string
		want                      string // in the error; empty for none
		partial                   bool
	}{
		{"everywhere", mayList(org, "role_bindings.list"), "", "", false},
		{"nowhere", mayList(org, "identity.list"), "", "requires the capability role_bindings.list, which the role viewer has", false},
		{"in one of two", mayList(org, "role_bindings.list") + "," + mayList(other, "identity.list"), "", "cannot list role bindings in", true},
		{"in a folder, of which the organization's are asked for", mayList(folder, "role_bindings.list"), folder, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := answering(t, map[string]string{
				"GET /iam/v1/rolebindings": `{"items":[{"id":"` + deepPID + `","identity":"` + pullID + `","group":{"id":"` + org + `"},"role":{"id":"` + roleID + `","name":"registry.pull"}}]}`,
				"GET /auth/v1/ok":          `{"subject":"` + deepPID + `","capabilities":[` + test.capabilities + `]}`,
			})
			got, err := a.RoleBindings(t.Context(), test.group)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if IsPartial(err) != test.partial || (len(got) == 1) != (err == nil || test.partial) {
				t.Errorf("got %d bindings, %v, want a part of them: %v", len(got), err, test.partial)
			}
			if organization, _, _ := strings.Cut(test.group, "/"); organization != "" && !slices.Equal(a.queries("/iam/v1/rolebindings"), []string{"uidp.descendantsOf=" + organization}) {
				t.Errorf("got the queries %q, want the organization", a.queries("/iam/v1/rolebindings"))
			}
		})
	}
}

// mayList is an entry of what a caller may do in a group.
func mayList(group string, capabilities ...string) string {
	return `{"group":{"id":"` + group + `","name":"` + group[:4] + `"},"role":{"id":"` + deepPID + `","name":"r","capabilities":["` + strings.Join(capabilities, `","`) + `"]}}`
}
