package iam

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What the wire has for an identity of each kind, with all fields, is read and written
// as it is.
func TestIdentityJSON(t *testing.T) {
	for kind, text := range map[string]string{
		"claim_match": `{"id":"ID","name":"ci","description":"d","createdAt":"2026-01-02T03:04:05.123456Z","updatedAt":"2026-01-02T03:04:05Z","lastSeen":"2026-01-03T00:00:00Z",
			"claimMatch":{"issuer":"https://token.actions.githubusercontent.com","subjectPattern":"^repo:a/b:.*$","audience":"x","claims":{"a":"b"},"claimPatterns":{"c":"d"}}}`,
		"static":            `{"name":"cluster","static":{"issuer":"https://kubernetes.default","subject":"s","audiences":["a"],"issuerKeys":"{\"keys\":[]}","expiration":"2026-02-02T03:04:05Z"}}`,
		"pull_token":        `{"name":"pull-token","static":{"issuer":"https://pulltoken.issuer.chainguard.dev","subject":"s"}}`,
		"aws":               `{"name":"role","awsIdentity":{"awsAccount":"123456789012","arn":"arn:aws:x","userIdPattern":"^A.*$"}}`,
		"service_principal": `{"name":"service","servicePrincipal":"CATALOG_SYNCER"}`,
		"":                  `{"name":"newer"}`,
	} {
		t.Run(kind, func(t *testing.T) {
			var identity Identity
			if err := json.Unmarshal([]byte(text), &identity); err != nil {
				t.Fatal(err)
			}
			if got := identity.Type(); got != kind {
				t.Errorf("got the type %q, want %q", got, kind)
			}
			again, err := json.Marshal(identity)
			if err != nil {
				t.Fatal(err)
			}
			var got, want any
			if err := errors.Join(json.Unmarshal(again, &got), json.Unmarshal([]byte(text), &want)); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %s, want %s", again, text)
			}
		})
	}
	t.Run("nothing in all its forms", func(t *testing.T) {
		var identity Identity
		text := `{"id":"","name":null,"createdAt":null,"updatedAt":"","claimMatch":null,"static":{"audiences":null,"expiration":""},"unknown":{"a":[null]}}`
		if err := json.Unmarshal([]byte(text), &identity); err != nil {
			t.Fatal(err)
		}
		if identity.ClaimMatch != nil || !identity.UpdatedAt.IsZero() || !identity.Static.Expiration.IsZero() {
			t.Errorf("got %+v, want nothing", identity)
		}
	})
}

func TestIdentities(t *testing.T) {
	a := answering(t, map[string]string{"GET /iam/v1/identities": `{"items":[{"id":"` + pullID + `","name":"a"}]}`})
	got, err := a.Identities(t.Context(), org)
	if err != nil || len(got) != 1 || got[0].ID != pullID {
		t.Errorf("got %+v, %v, want one", got, err)
	}
	if got := a.queries("/iam/v1/identities"); !slices.Equal(got, []string{"uidp.descendantsOf=" + org}) {
		t.Errorf("got the queries %q, want the group", got)
	}
}

// queries returns the queries of the requests for a path, in their order.
func (a *api) queries(path string) []string {
	a.serial.Lock()
	defer a.serial.Unlock()
	var queries []string
	for _, asked := range a.asked {
		if asked.path == path {
			queries = append(queries, asked.query)
		}
	}
	return queries
}

// An empty list is not what a caller gets who may not list.
func TestIdentitiesWithoutTheRight(t *testing.T) {
	entry := func(group, name, capability string) string {
		return `{"group":{"id":"` + group + `","name":"` + name + `"},"role":{"id":"` + deepPID + `","name":"r","capabilities":["` + capability + `"]}}`
	}
	may, mayNot := entry(org, "example.com", "identity.list"), entry(other, "example.net", "registry.pull")
	for _, test := range []struct {
		name, capabilities, group string
		want                      string // in the error; empty for none
		partial                   bool
	}{
		{"everywhere", may, "", "", false},
		{"nowhere", mayNot, "", "requires the capability identity.list, which the role viewer has", false},
		{"in no organization", "", "", "identity.list", false},
		{"in one of two", may + "," + mayNot, "", `cannot list identities in "example.net"`, true},
		{"in the one that is meant", may + "," + mayNot, org, "", false},
		{"not in the one that is meant", may + "," + mayNot, other, "identity.list", false},
		{"in a folder of it", may, folder, "", false},
		{"in a folder of the one that is meant", entry(folder, "team", "identity.list"), org, `cannot list identities in "` + org + `"`, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := answering(t, map[string]string{
				"GET /iam/v1/identities": `{"items":[{"id":"` + pullID + `","name":"a"}]}`,
				"GET /auth/v1/ok":        `{"subject":"` + deepPID + `","capabilities":[` + test.capabilities + `]}`,
			})
			got, err := a.Identities(t.Context(), test.group)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			var partial *PartialError
			if errors.As(err, &partial) != test.partial || (len(got) == 1) != (err == nil || test.partial) {
				t.Errorf("got %d identities, %v, want a part of them: %v", len(got), err, test.partial)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	answers := map[string]string{"GET /iam/v1/identities": `{"items":[{"id":"` + deepPID + `"},{"id":"` + pullID + `","name":"a"}]}`}
	a := answering(t, answers)
	if got, err := a.Identity(t.Context(), pullID); err != nil || got.Name != "a" {
		t.Errorf("got %+v, %v, want it", got, err)
	}
	if got, want := a.one(t).query, "id="+strings.ReplaceAll(pullID, "/", "%2F"); got != want {
		t.Errorf("got the query %q, want %q", got, want)
	}
	_, err := answering(t, answers).Identity(t.Context(), org+"/9999999999999999")
	oneLine(t, err)
	var none *NotFoundError
	if !errors.As(err, &none) {
		t.Errorf("got %#v, want that there is none", err)
	}
}

func TestCreateIdentity(t *testing.T) {
	identity := Identity{
		ID: deepPID, Name: "pull-token 1", Description: "for <CI>", CreatedAt: Time{time.Now()},
		Static: &Static{
			Issuer: PullTokenIssuer, Subject: "pull-token-1", IssuerKeys: publicKeys,
			Expiration: Time{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		},
	}
	a := answering(t, map[string]string{"POST /iam/v1/identities/" + folder: `{"id":"` + deepPID + `","name":"pull-token 1"}`})
	got, err := a.CreateIdentity(t.Context(), folder, identity)
	if err != nil || got.ID != deepPID {
		t.Fatalf("got %+v, %v, want the new one", got, err)
	}
	sent := a.one(t)
	want := `{"name":"pull-token 1","description":"for \u003cCI\u003e","static":{"issuer":"` + PullTokenIssuer +
		`","subject":"pull-token-1","issuerKeys":` + strconv.Quote(publicKeys) + `,"expiration":"2026-01-02T03:04:05Z"}}`
	if sent.path != "/iam/v1/identities/"+folder || sent.body != want {
		t.Errorf("got %s with %s, want %s", sent.path, sent.body, want)
	}

	for name, answer := range map[string]string{"none": `{}`, "a name": `{"id":"pull-token"}`, "elsewhere": `{"id":"` + other + `/0123456789abcdef"}`, "the parent": `{"id":"` + folder + `"}`} {
		t.Run("an answer with a wrong id, "+name, func(t *testing.T) {
			_, err := answering(t, map[string]string{"POST /iam/v1/identities/" + folder: answer}).CreateIdentity(t.Context(), folder, identity)
			oneLine(t, err)
		})
	}
	t.Run("an organization that is not there", func(t *testing.T) {
		_, err := refusing(t, 404, 5, "group not found").CreateIdentity(t.Context(), other, identity)
		oneLine(t, err)
		var none *NotFoundError
		if !errors.As(err, &none) || none.Name != other {
			t.Errorf("got %#v, want that there is no organization %s", err, other)
		}
	})
	t.Run("what cannot be right is not sent", func(t *testing.T) {
		a := answering(t, nil)
		long := identity
		long.Name = strings.Repeat("x", 10<<10)
		both := identity
		both.ClaimMatch = &ClaimMatch{}
		private := identity
		private.Static = &Static{Issuer: "https://a.example", Subject: "s", IssuerKeys: `{"keys":[{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`}
		open := Identity{Name: "a", ClaimMatch: &ClaimMatch{Issuer: "https://a.example", SubjectPattern: "("}}
		for _, bad := range []struct {
			parent   string
			identity Identity
		}{
			{"", identity}, {"example.com", identity}, {org + "/../../groups", identity}, {strings.ToUpper(org), identity},
			{org, long}, {org, both}, {org, Identity{Name: "a"}}, {org, Identity{Static: &Static{}}},
			{org, private}, {org, open},
		} {
			_, err := a.CreateIdentity(t.Context(), bad.parent, bad.identity)
			oneLine(t, err)
			if len(err.Error()) > 500 {
				t.Errorf("got an error of %d bytes, want a short one", len(err.Error()))
			}
		}
		if len(a.asked) > 0 {
			t.Errorf("got %d requests, want none", len(a.asked))
		}
	})
}

// What was created or deleted is reported, and nothing after a failure. With roles, too.
func TestOnIdentities(t *testing.T) {
	s := newService(t, map[string]int{"DELETE /iam/v1/identities/" + pullID: 500})
	var got []string
	s.OnIdentities = func(below string, all []Identity) {
		for _, i := range all {
			below += " " + i.Name
		}
		got = append(got, below)
	}
	identity := Identity{Name: "one", ClaimMatch: &ClaimMatch{Issuer: "https://ci.example", Subject: "s"}}
	created, err := s.CreateIdentityWithRoles(t.Context(), org, identity, nil)
	if err := errors.Join(err, s.DeleteIdentity(t.Context(), created.ID)); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteIdentity(t.Context(), pullID); err == nil {
		t.Error("got no error, want one")
	}
	if want := []string{created.ID + " one", created.ID}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDeleteIdentity(t *testing.T) {
	a := answering(t, map[string]string{"DELETE /iam/v1/identities/" + pullID: `{}`})
	if err := a.DeleteIdentity(t.Context(), pullID); err != nil {
		t.Error(err)
	}
	a.one(t)
	t.Run("gone already", func(t *testing.T) {
		err := refusing(t, 404, 5, "not found").DeleteIdentity(t.Context(), pullID)
		oneLine(t, err)
		var none *NotFoundError
		if !errors.As(err, &none) || none.What != "identity" || none.Name != pullID {
			t.Errorf("got %#v, want that there is none", err)
		}
	})
	t.Run("a proxy's 404 is not that", func(t *testing.T) {
		a := handledBy(t, func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) })
		err := a.DeleteIdentity(t.Context(), pullID)
		oneLine(t, err)
		var none *NotFoundError
		if errors.As(err, &none) {
			t.Errorf("got %#v, want another error", err)
		}
	})
	t.Run("no id, no request", func(t *testing.T) {
		a := answering(t, nil)
		for _, id := range []string{"", "pull-token", pullID + "/", "/" + pullID, pullID + "?x", strings.ToUpper(pullID)} {
			oneLine(t, a.DeleteIdentity(t.Context(), id))
		}
	})
}

// An update keeps what this program has no name for, and changes and takes away what
// it has one for.
func TestUpdateIdentity(t *testing.T) {
	const had = `{"items":[{"id":"` + pullID + `","name":"old","description":"old","newLimit":{"max":12345678901234567890},
		"claimMatch":{"issuer":"https://example.com","subject":"s","claims":{"a":"b"},"notBefore":"2026-01-01T00:00:00Z"}}]}`
	a := answering(t, map[string]string{
		"GET /iam/v1/identities":           had,
		"PUT /iam/v1/identities/" + pullID: `{"id":"` + pullID + `","name":"new"}`,
	})
	got, err := a.UpdateIdentity(t.Context(), Identity{ID: pullID, Name: "new", ClaimMatch: &ClaimMatch{Issuer: "https://example.com", SubjectPattern: "^s$"}})
	if err != nil || got.Name != "new" {
		t.Fatalf("got %+v, %v, want the new one", got, err)
	}
	want := `{"claimMatch":{"issuer":"https://example.com","notBefore":"2026-01-01T00:00:00Z","subjectPattern":"^s$"},"id":"` + pullID + `","name":"new","newLimit":{"max":12345678901234567890}}`
	if len(a.asked) != 2 || a.asked[1].body != want {
		t.Errorf("got %+v, want %s", a.asked, want)
	}
	t.Run("none", func(t *testing.T) {
		a := answering(t, map[string]string{"GET /iam/v1/identities": `{"items":[null,7,{"id":7}]}`})
		_, err := a.UpdateIdentity(t.Context(), Identity{ID: pullID, Name: "new", ClaimMatch: &ClaimMatch{}})
		oneLine(t, err)
		var none *NotFoundError
		if !errors.As(err, &none) {
			t.Errorf("got %#v, want that there is none", err)
		}
	})
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "pull-token", "my token 1.2_3", "-", strings.Repeat("x", maxName)} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: got %v, want it taken", name, err)
		}
	}
	for _, name := range []string{"", "  ", "Pull", "a/b", "a\nb", `a"b`, "é", "имя", "a\x1b[31m", "\xff", "a\u202eb", strings.Repeat("x", maxName+1)} {
		oneLine(t, CheckName(name))
	}
}

func TestValidID(t *testing.T) {
	for _, id := range []string{org, pullID, deepPID} {
		if !ValidID(id) {
			t.Errorf("%q: got false, want true", id)
		}
	}
	for _, id := range []string{"", "/", org + "/", "/" + org, org[1:], org + "a", strings.ToUpper(org), org + "/0123", org + "//" + "0123456789abcdef", pullID + "\n", org + "/../../v1/groups/", "g" + org[1:]} {
		if ValidID(id) {
			t.Errorf("%q: got true, want false", id)
		}
	}
}

// An id that passes goes into a path as it is and stays one.
func FuzzValidID(f *testing.F) {
	for _, id := range []string{org, deepPID, org + "/", org + "/..", "é" + org} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if !ValidID(id) {
			return
		}
		req, err := http.NewRequest(http.MethodGet, "https://api.example/iam/v1/identities/"+id, nil)
		if err != nil {
			t.Fatalf("%q: %v", id, err)
		}
		if got, want := req.URL.EscapedPath(), "/iam/v1/identities/"+id; got != want || req.URL.RawQuery != "" || strings.Contains(got, ".") {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// What has been read of an identity is written and read again the same.
func FuzzIdentity(f *testing.F) {
	f.Add(`{"id":"` + pullID + `","name":"a","createdAt":"2026-01-02T03:04:05.6Z","static":{"issuer":"i","expiration":""}}`)
	f.Add(`{"claimMatch":{"claims":{"a":"b"},"subjectPattern":".*"},"lastSeen":null}`)
	f.Add(`{"lastSeen":"0000-01-01T00:00:00Z"}`)
	f.Fuzz(func(t *testing.T, text string) {
		var first, second Identity
		if json.Unmarshal([]byte(text), &first) != nil {
			return
		}
		_ = first.Type()
		written, err := json.Marshal(first)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if err := json.Unmarshal(written, &second); err != nil {
			t.Fatalf("%q: %v", written, err)
		}
		again, err := json.Marshal(second)
		if err != nil || string(again) != string(written) {
			t.Errorf("got %s, %v, want %s", again, err, written)
		}
	})
}
