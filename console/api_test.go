package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/pulltoken"
)

func TestList(t *testing.T) {
	f := newFixture(t)
	f.fake.list[0].Name = `<img src=x onerror=alert(1)>`
	w := f.wantStatus(f.request("GET", apiPath, ""), 200)
	if kind := w.Header().Get("Content-Type"); kind != "application/json" {
		t.Errorf("got the type %q, want JSON", kind)
	}
	if strings.Contains(w.Body.String(), "<img") {
		t.Errorf("I71 got %s, want no markup even where it is taken for a page", w.Body)
	}
	var l listing
	if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil {
		t.Fatal(err)
	}
	if l.Account != "ada@example.com" || l.Registry != "cgr.dev" || l.Saved != pullID || len(l.Organizations) != 1 || len(l.Tokens) != 1 || l.Problems != nil {
		t.Errorf("got %+v, want all that the page shows", l)
	}
}

// A list that is not there, or not complete, is never shown as if there were no more.
func TestListIncomplete(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		tokens string // in the answer; nothing means that it holds the list
		says   string
	}{
		{"by role", &iam.CapabilityError{Doing: "list identities", Capability: iam.CapabilityListIdentities}, `"tokens":null`, "which the role viewer has"},
		{"by the platform", errors.New("cannot list identities: the platform is down"), `"tokens":null`, "the platform is down"},
		{"in part", &iam.PartialError{Doing: "list identities", Capability: iam.CapabilityListIdentities, Groups: []iam.Group{{ID: other, Name: "other.example"}}}, "", `This list may be incomplete: cannot list identities in "other.example": requires the capability identity.list, which the role viewer has`},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.fake.err = test.err
			w := f.wantStatus(f.request("GET", apiPath, ""), 200)
			var l listing
			if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil {
				t.Fatal(err)
			}
			if len(l.Problems) != 1 || !strings.Contains(l.Problems[0], test.says) {
				t.Errorf("got the problems %q, want %q", l.Problems, test.says)
			}
			if !strings.Contains(w.Body.String(), test.tokens) || test.tokens == "" && (len(l.Tokens) != 1 || l.Saved != pullID) {
				t.Errorf("got %s, want %s", w.Body, test.tokens)
			}
		})
	}
	t.Run("complete and empty", func(t *testing.T) {
		f := newFixture(t)
		f.fake.list = nil
		if w := f.wantStatus(f.request("GET", apiPath, ""), 200); !strings.Contains(w.Body.String(), `"tokens":[]`) || strings.Contains(w.Body.String(), "problems") {
			t.Errorf("got %s, want an empty list", w.Body)
		}
	})
}

func TestCreate(t *testing.T) {
	f := newFixture(t)
	w := f.wantStatus(f.request("POST", apiPath, creation), 200)
	if len(f.fake.made) != 1 {
		t.Fatalf("got %d made, want 1", len(f.fake.made))
	}
	made := f.fake.made[0]
	if f.fake.parents[0] != org || made.Name != "ci" || made.Description != "builds" || made.TTL != 720*time.Hour || !slices.Equal(made.Repositories, []pulltoken.Repository{pulltoken.OCI}) {
		t.Errorf("got %+v asked for, want what the page sent", made)
	}
	var c created
	if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil {
		t.Fatal(err)
	}
	if c.ID != pullID || c.Password != secret || c.Name != "ci" || c.Expires.Year() != 2027 || !slices.Equal(c.Snippets, []Snippet{{"docker login", secret}}) {
		t.Errorf("got %+v, want the username, the password and the ways to use them", c)
	}
	t.Run("P13 shown once", func(t *testing.T) {
		for _, path := range []string{"", apiPath, "console.js"} {
			w := f.serve(f.request("GET", path, ""))
			for name, text := range map[string]string{"body": w.Body.String(), "headers": strings.Join(slices.Concat(w.Header()["Set-Cookie"], w.Header()["Location"]), " ")} {
				if strings.Contains(text, secret) {
					t.Errorf("got the secret in the %s of %s, want it gone", name, path)
				}
			}
		}
	})
}

// A user of several organizations gets one page for all of them.
func TestSeveralOrganizations(t *testing.T) {
	f := newFixture(t)
	f.Organizations = append(f.Organizations, iam.Group{ID: other, Name: "other.example"})
	var l listing
	if err := json.Unmarshal(f.wantStatus(f.request("GET", apiPath, ""), 200).Body.Bytes(), &l); err != nil {
		t.Fatal(err)
	}
	if len(l.Organizations) != 2 || l.Organizations[0].Name != "example.com" || l.Organizations[1].ID != other || l.Organizations[1].Name != "other.example" {
		t.Errorf("got %+v, want both to choose from, by name and id", l.Organizations)
	}
	for _, id := range []string{other, org} {
		f.wantStatus(f.request("POST", apiPath, strings.Replace(creation, org, id, 1)), 200)
		if parent := f.fake.parents[len(f.fake.parents)-1]; parent != id {
			t.Errorf("got one made in %s, want it in the chosen %s", parent, id)
		}
	}
	f.fake.made = nil
	for name, id := range map[string]string{"another's": strings.Repeat("a", 40), "none": "", "a folder of one": other + "/0123456789abcdef", "both": org + "," + other, "a name": "other.example"} {
		t.Run(name, func(t *testing.T) {
			f.wantStatus(f.request("POST", apiPath, strings.Replace(creation, org, id, 1)), 400)
			f.wantUnchanged()
		})
	}
}

func TestCreateRefused(t *testing.T) {
	wish := func(old, new string) string { return strings.Replace(creation, old, new, 1) }
	for _, test := range []struct {
		name, body string
		status     int
		says       string
	}{
		{"another organization", wish(org, strings.Repeat("f", 40)), 400, "organization"},
		{"no organization", wish(org, ""), 400, "organization"},
		{"name", wish(`"ci"`, `"CI/x"`), 400, "name"},
		{"no name", wish(`"ci"`, `""`), 400, "empty"},
		{"description", wish("builds", `a\nb`), 400, "description"},
		{"no life", wish("2592000", "0"), 400, "1m to 8760h"},
		{"negative life", wish("2592000", "-5"), 400, "1m to 8760h"},
		{"a year and a second", wish("2592000", "31536001"), 400, "1m to 8760h"},
		{"a life that overflows", wish("2592000", "9223372036854775807"), 400, "1m to 8760h"},
		{"a fraction", wish("2592000", "1.5"), 400, "not what the page sends"},
		{"no repository", wish(`["oci"]`, `[]`), 400, "repository"},
		{"another repository", wish(`"oci"`, `"r p m"`), 400, "r p m"},
		{"a field too many", wish(`{`, `{"roles":["owner"],`), 400, "not what the page sends"},
		{"two values", creation + creation, 400, "not what the page sends"},
		{"no JSON", "organization=x", 400, "not what the page sends"},
		{"nothing", "", 400, "not what the page sends"},
		{"I72 a large body", wish("builds", strings.Repeat("x", maxBody)), 413, "longer than"},
		{"I72 a large body after it", creation + strings.Repeat(" ", maxBody), 413, "longer than"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			w := f.wantStatus(f.request("POST", apiPath, test.body), test.status)
			var answer struct{ Error string }
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || !strings.Contains(answer.Error, test.says) || strings.Contains(answer.Error, "\n") {
				t.Errorf("got %s, want one line that says %q", w.Body, test.says)
			}
			f.wantUnchanged()
		})
	}
	t.Run("by the platform", func(t *testing.T) {
		f := newFixture(t)
		f.fake.err = errors.New("cannot create identities: that takes the role registry.pull_token_creator")
		for method, body := range map[string]string{"POST": creation, "DELETE": revocation} {
			if w := f.wantStatus(f.request(method, apiPath, body), 502); !strings.Contains(w.Body.String(), "registry.pull_token_creator") {
				t.Errorf("got %s, want what the platform said", w.Body)
			}
		}
	})
}

func TestPageGone(t *testing.T) {
	f := newFixture(t)
	ctx, leave := context.WithCancel(t.Context())
	f.fake.during = leave
	w := f.serve(f.request("POST", apiPath, creation).WithContext(ctx))
	if !slices.Equal(f.fake.revoked, []string{pullID}) {
		t.Errorf("got %q revoked, want the pull token that nobody got", f.fake.revoked)
	}
	if strings.Contains(w.Body.String(), secret) {
		t.Error("P13 got the secret written to a page that is gone")
	}
}

func TestRevoke(t *testing.T) {
	f := newFixture(t)
	f.wantStatus(f.request("DELETE", apiPath, revocation), 200)
	if !slices.Equal(f.fake.revoked, []string{pullID}) {
		t.Errorf("got %q revoked, want %s", f.fake.revoked, pullID)
	}
	for name, body := range map[string]string{"no id": `{}`, "a path": `{"id":"../groups"}`, "a name": `{"id":"ci"}`, "a list": `{"id":["` + pullID + `"]}`, "null": `null`} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.wantStatus(f.request("DELETE", apiPath, body), 400)
			f.wantUnchanged()
		})
	}
}

// FuzzCreateRequest sends anything as the page's own request: what is accepted is within the
// platform's limits.
func FuzzCreateRequest(f *testing.F) {
	for _, seed := range []string{creation, `{}`, `null`, `{"seconds":9223372036854775807}`, strings.Replace(creation, "ci", `\u0000`, 1), creation + "1"} {
		f.Add(seed)
	}
	s := newServer(&Console{Organizations: []iam.Group{{ID: org}}, Idle: time.Hour}, port)
	f.Fuzz(func(t *testing.T, text string) {
		var v createRequest
		if decode(strings.NewReader(text), &v) != nil {
			return
		}
		parent, r, err := s.request(v)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x00\x1b") {
				t.Errorf("got the error %q, want one line", err)
			}
			return
		}
		if parent.ID != org || r.TTL < pulltoken.MinTTL || r.TTL > pulltoken.MaxTTL || r.TTL%time.Second != 0 || iam.CheckName(r.Name) != nil || len(r.Repositories) == 0 {
			t.Errorf("got %+v of %q, want it refused", r, text)
		}
		if again, _ := json.Marshal(v); decode(strings.NewReader(string(again)), new(createRequest)) != nil {
			t.Errorf("got %s of %q, want what can be read again", again, text)
		}
	})
}

func TestAlive(t *testing.T) {
	f := newFixture(t)
	close(f.ended)
	if w := f.wantStatus(f.request(http.MethodGet, alivePath, ""), 200); w.Body.String() != "ended\n" {
		t.Errorf("got %q, want the end said", w.Body)
	}
}
