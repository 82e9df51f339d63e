package pulltoken

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
)

// pull is an identity of a pull token in a list. end may be empty.
func pull(id, name, end string) string {
	if end != "" {
		end = fmt.Sprintf(`,"expiration":%q`, end)
	}
	return fmt.Sprintf(`{"id":%q,"name":%q,"description":"d","createdAt":"2026-09-01T00:00:00Z","lastSeen":"2026-09-30T00:00:00Z","static":{"issuer":%q,"subject":"s"%s}}`, id, name, iam.PullTokenIssuer, end)
}

func bound(identity, role string) string {
	return fmt.Sprintf(`{"id":%q,"identity":%q,"group":{"id":%q},"role":{"id":%q,"name":%q}}`, deepPID, identity, org, roleOf(role), role)
}

func items(items ...string) string { return `{"items":[` + strings.Join(items, ",") + `]}` }

func id(n int) string { return fmt.Sprintf("%s/%016x", org, n) }

func listing(t *testing.T) *api {
	t.Helper()
	return answering(t, map[string]string{
		"GET /iam/v1/identities": items(
			pull(id(1), "ci", "2026-10-05T12:00:00Z"), pull(id(2), "old", "2026-09-30T00:00:00Z"), pull(id(3), "endless", ""),
			pull(id(4), "year", "2027-09-30T00:00:00Z"), pull(deepPID, "ci", "2026-10-05T12:00:00Z"), pull(other+"/0000000000000001", "elsewhere", "2026-10-31T12:00:00Z"),
			`{"id":"`+id(9)+`","name":"cluster","static":{"issuer":"https://kubernetes.default","subject":"s"}}`,
			`{"id":"`+id(8)+`","name":"workflow","claimMatch":{"issuer":"https://a.example","subject":"s"}}`, `null`, `{}`,
		),
		"GET /iam/v1/rolebindings": items(
			bound(id(1), "registry.pull"), bound(id(1), "apk.pull"), bound(id(1), "registry.pull"), bound(id(2), "registry.pull"), bound(id(4), "libraries.java.pull"),
			bound(id(9), "owner"), `null`, `{"identity":"","role":null}`,
		),
		"GET /iam/v1/groups": groups(org, "example.com", folder, "team"),
	})
}

func TestList(t *testing.T) {
	a := listing(t)
	got, err := List(t.Context(), a.Client, Filter{Parent: org, Roles: true})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, token := range got {
		ids = append(ids, token.ID)
	}
	if want := []string{id(2), id(1), deepPID, other + "/0000000000000001", id(4), id(3)}; !slices.Equal(ids, want) {
		t.Fatalf("got %q, want %q: what ends first, and what does not end last", ids, want)
	}
	first := got[1]
	if first.Name != "ci" || first.Description != "d" || first.Organization.Name != "example.com" || first.CreatedAt.Day() != 1 || first.LastSeen.Day() != 30 ||
		!first.Expires.Equal(time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v, want what the service said", first)
	}
	if !slices.Equal(first.Roles, []string{"apk.pull", "registry.pull"}) || !slices.Equal(first.Repositories, []Repository{OCI, APK}) {
		t.Errorf("got the roles %q for %q, want two, each once", first.Roles, first.Repositories)
	}
	if none := got[5]; none.Roles == nil || len(none.Roles) != 0 || none.Repositories == nil || !none.Expires.IsZero() {
		t.Errorf("got %+v, want no roles, and lists in JSON", none)
	}
	if unseen := got[3].Organization; unseen.ID != other || unseen.Name != "" {
		t.Errorf("got %+v, want the id of an organization that is not seen", unseen)
	}
	for path, want := range map[string]string{"/iam/v1/identities": "uidp.descendantsOf=" + org, "/iam/v1/rolebindings": "uidp.descendantsOf=" + org, "/iam/v1/groups": "", "/auth/v1/ok": ""} {
		if got := a.queries(path); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: got the queries %q, want %q", path, got, want)
		}
	}
}

func TestFilter(t *testing.T) {
	now := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for _, test := range []struct {
		name   string
		filter Filter
		want   []string
	}{
		{"repository", Filter{Repository: OCI}, []string{id(2), id(1)}},
		{"another", Filter{Repository: Java}, []string{id(4)}},
		{"expired", Filter{Expired: true}, []string{id(2)}},
		{"within 4 days, to the second", Filter{ExpiresWithin: 4 * day}, []string{id(1), deepPID}},
		{"a second less", Filter{ExpiresWithin: 4*day - time.Second}, nil},
		{"either", Filter{Expired: true, ExpiresWithin: 30 * day}, []string{id(2), id(1), deepPID, other + "/0000000000000001"}},
		{"all at once", Filter{Repository: APK, ExpiresWithin: 30 * day}, []string{id(1)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.filter.Now = now
			got, err := List(t.Context(), listing(t).Client, test.filter)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, token := range got {
				ids = append(ids, token.ID)
			}
			if !slices.Equal(ids, test.want) {
				t.Errorf("got %q, want %q", ids, test.want)
			}
		})
	}
}

// Whoever may list identities but no role bindings gets an empty list of the latter,
// which must not pass for pull tokens without roles.
func TestListWithoutRoles(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	blind := func(capabilities ...string) *api {
		return answering(t, map[string]string{
			"GET /iam/v1/identities":   items(pull(id(1), "ci", "2026-10-05T12:00:00Z")),
			"GET /iam/v1/rolebindings": items(),
			"GET /iam/v1/groups":       groups(org, "example.com"),
			"GET /auth/v1/ok":          `{"subject":"` + deepPID + `","capabilities":[` + strings.Join(capabilities, ",") + `]}`,
		})
	}
	for name, filter := range map[string]Filter{
		"for a repository": {Repository: OCI, ExpiresWithin: 7 * day, Now: now},
		"with their roles": {Roles: true},
	} {
		t.Run(name, func(t *testing.T) {
			a := blind(mayList(org, iam.CapabilityListIdentities))
			got, err := List(t.Context(), a.Client, filter)
			var missing *iam.CapabilityError
			if !errors.As(err, &missing) || missing.Capability != iam.CapabilityListBindings || got != nil {
				t.Errorf("got %+v, %v, want an error that names %s", got, err, iam.CapabilityListBindings)
			}
			if asked := a.queries("/auth/v1/ok"); len(asked) != 1 {
				t.Errorf("got the question who calls %d times, want it once", len(asked))
			}
			_, err = List(t.Context(), blind(mayList(org, iam.CapabilityListIdentities, iam.CapabilityListBindings), mayList(other, iam.CapabilityListIdentities)).Client, filter)
			if !iam.IsPartial(err) || !strings.Contains(err.Error(), "role bindings") {
				t.Errorf("got %v, want that the role bindings are not complete", err)
			}
		})
	}
	t.Run("without their roles", func(t *testing.T) {
		a := blind(mayList(org, iam.CapabilityListIdentities))
		got, err := List(t.Context(), a.Client, Filter{ExpiresWithin: 7 * day, Now: now})
		if err != nil || len(got) != 1 {
			t.Errorf("got %+v, %v, want the one", got, err)
		}
		if asked := a.queries("/iam/v1/rolebindings"); len(asked) != 0 {
			t.Errorf("got %d requests for role bindings, want none", len(asked))
		}
	})
}

func TestFind(t *testing.T) {
	list := []Info{{ID: id(1), Name: "ci"}, {ID: id(2), Name: "ci"}, {ID: id(3), Name: "laptop"}, {ID: id(4), Name: "\x1b[31m"}, {ID: id(5), Name: id(1)}}
	for _, test := range []struct{ given, want string }{{id(2), id(2)}, {"laptop", id(3)}, {id(1), id(1)}} {
		if got, err := Find(list, test.given, test.given); err != nil || len(got) != 1 || got[0].ID != test.want {
			t.Errorf("%q: got %+v, %v, want %s", test.given, got, err, test.want)
		}
	}
	t.Run("several", func(t *testing.T) {
		_, err := Find(list, "ci")
		oneLine(t, err)
		var ambiguous *iam.AmbiguousError
		if !errors.As(err, &ambiguous) || !slices.Equal(ambiguous.IDs, []string{id(1), id(2)}) || !strings.Contains(err.Error(), id(2)) {
			t.Errorf("got %#v, want both", err)
		}
	})
	t.Run("none", func(t *testing.T) {
		_, err := Find(list, "labtop")
		oneLine(t, err)
		var none *iam.NotFoundError
		if !errors.As(err, &none) || none.What != "pull token" || none.Near[0] != "laptop" {
			t.Errorf("got %#v, want the near one", err)
		}
	})
	t.Run("10 KB", func(t *testing.T) {
		_, err := Find(list, strings.Repeat("x", 10<<10))
		oneLine(t, err)
		if len(err.Error()) > 900 {
			t.Errorf("got an error of %d bytes, want a short one", len(err.Error()))
		}
	})
}

func TestRevoke(t *testing.T) {
	a := answering(t, map[string]string{"GET /iam/v1/identities": items(pull(pullID, "ci", "")), "DELETE /iam/v1/identities/" + pullID: `{}`})
	if err := Revoke(t.Context(), a.Client, pullID); err != nil || len(a.asked) != 2 {
		t.Errorf("got %v after %d requests, want it deleted", err, len(a.asked))
	}
	t.Run("an identity of another type", func(t *testing.T) {
		a := answering(t, map[string]string{"GET /iam/v1/identities": items(`{"id":"` + pullID + `","name":"ci","claimMatch":{}}`)})
		err := Revoke(t.Context(), a.Client, pullID)
		oneLine(t, err)
		if !slices.Contains(hint.Of(err), hint.Do(hint.DeleteIdentity, pullID)) {
			t.Errorf("got %v, want the command that deletes it", hint.Of(err))
		}
	})
	t.Run("gone", func(t *testing.T) {
		err := Revoke(t.Context(), answering(t, map[string]string{"GET /iam/v1/identities": items()}).Client, pullID)
		var none *iam.NotFoundError
		if !errors.As(err, &none) {
			t.Errorf("got %v, want that there is none", err)
		}
	})
	t.Run("not allowed", func(t *testing.T) {
		a := handledBy(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				writeJSON(w, http.StatusOK, items(pull(pullID, "ci", "")))
				return
			}
			writeJSON(w, http.StatusForbidden, `{"code":7,"message":"no"}`)
		})
		err := Revoke(t.Context(), a.Client, pullID)
		var missing *iam.CapabilityError
		if !errors.As(err, &missing) || missing.Role() != "owner" {
			t.Errorf("got %v, want the role that may", err)
		}
	})
}
