package fakeplatform_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	iamv1 "chainguard.dev/sdk/proto/platform/iam/v1"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"docker-credential-cgr/e2e/fakeplatform"
)

// api calls the platform API as a person.
func api(t *testing.T, p *fakeplatform.Platform, who, method, path string, body any) answer {
	t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, p.API+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.AccessToken(who, p.API))
	return send(t, r)
}

type object = map[string]any

func items(t *testing.T, a answer) []object {
	t.Helper()
	var list struct{ Items []object }
	a.decode(t, &list)
	return list.Items
}

func TestWhoAmI(t *testing.T) {
	p := start(t)
	var who object
	api(t, p, fakeplatform.Ada, http.MethodGet, "/auth/v1/ok", nil).decode(t, &who)
	if who["subject"] != p.PersonID(fakeplatform.Ada) || who["email"] != fakeplatform.Ada || who["issuer"] != p.Issuer {
		t.Errorf("who am I: %v", who)
	}
	if c := who["capabilities"].([]any); len(c) != 1 || c[0].(object)["group"].(object)["name"] != "example.com" {
		t.Errorf("capabilities %v", c)
	}
	registry := "Bearer " + p.AccessToken(fakeplatform.Ada, p.RegistryHost())
	wantGatewayError(t, do(t, http.MethodGet, p.API+"/auth/v1/ok", registry, nil), 401, 16)
	wantGatewayError(t, do(t, http.MethodGet, p.API+"/auth/v1/ok", "", nil), 401, 16)
	both := "Bearer " + p.AccessToken(fakeplatform.Ada, p.RegistryHost(), p.API)
	if a := do(t, http.MethodGet, p.API+"/auth/v1/ok", both, nil); a.status != http.StatusOK {
		t.Errorf("a token for the registry too: %d %s", a.status, a.body)
	}
}

func TestWhoAmIWithoutRoles(t *testing.T) {
	p := start(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.NullRoles = true }))
	var who struct {
		Capabilities []struct {
			Group        struct{ Name string }
			Role         *object
			Capabilities []string
		}
	}
	a := api(t, p, fakeplatform.Edsger, http.MethodGet, "/auth/v1/ok", nil)
	a.decode(t, &who)
	if c := who.Capabilities; len(c) != 1 || c[0].Group.Name != fakeplatform.Organization || c[0].Role != nil ||
		!slices.Contains(c[0].Capabilities, "repo.list") || !strings.Contains(a.body, `"role":null`) {
		t.Errorf("got %s", a.body)
	}
}

// TestWhoAmIFails: the token is good, and only the request that asks whose it is fails.
func TestWhoAmIFails(t *testing.T) {
	p := start(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) {
		b.Faults = []fakeplatform.Fault{fakeplatform.StatusFault("api.ok", codes.Unavailable, "try again")}
	}))
	wantGatewayError(t, api(t, p, fakeplatform.Ada, http.MethodGet, "/auth/v1/ok", nil), 503, 14)
	if a := api(t, p, fakeplatform.Ada, http.MethodGet, "/iam/v1/groups", nil); a.status != http.StatusOK {
		t.Errorf("groups: %d %s", a.status, a.body)
	}
}

func TestListsOfGroupsAndRoles(t *testing.T) {
	p := start(t)
	org := p.OrganizationID(fakeplatform.Organization)
	roots := items(t, api(t, p, fakeplatform.Ada, http.MethodGet, "/iam/v1/groups?uidp.inRoot=true", nil))
	if len(roots) != 1 || roots[0]["id"] != org || roots[0]["verified"] != true {
		t.Errorf("organizations %v", roots)
	}
	below := items(t, api(t, p, fakeplatform.Ada, http.MethodGet, "/iam/v1/groups?uidp.descendantsOf="+org, nil))
	if len(below) != 1 || below[0]["name"] != "platform-team" {
		t.Errorf("folders %v", below)
	}
	roles := items(t, api(t, p, fakeplatform.Grace, http.MethodGet, "/iam/v1/roles?name=registry.pull", nil))
	if len(roles) != 1 || len(roles[0]["capabilities"].([]any)) == 0 {
		t.Errorf("roles %v", roles)
	}
	if a := api(t, p, fakeplatform.Ada, http.MethodGet, "/iam/v1/groups?name=none", nil); items(t, a) == nil {
		t.Errorf("an empty list is not there: %s", a.body)
	}
}

// TestPullTokenAsAClientMakesIt goes the whole way of a pull token: make, use, list, revoke.
func TestPullTokenAsAClientMakesIt(t *testing.T) {
	p := start(t)
	org := p.OrganizationID(fakeplatform.Organization)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk := jose.JSONWebKey{Key: key, KeyID: "1", Algorithm: "ES256", Use: "sig"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jwk}, nil)
	if err != nil {
		t.Fatal(err)
	}
	expiry := time.Now().Add(720 * time.Hour)
	secret, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: fakeplatform.PullTokenIssuer, Subject: "pull-token-1", Audience: jwt.Audience{p.Issuer},
		IssuedAt: jwt.NewNumericDate(time.Now()), Expiry: jwt.NewNumericDate(expiry),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	identity := object{"name": "pull-token", "static": object{
		"issuer": fakeplatform.PullTokenIssuer, "subject": "pull-token-1", "issuerKeys": string(keys),
		"expiration": expiry.Format(time.RFC3339), "audiences": []string{"newer"},
	}}

	wantGatewayError(t, api(t, p, fakeplatform.Edsger, http.MethodPost, "/iam/v1/identities/"+org, identity), 403, 7)
	var made object
	api(t, p, fakeplatform.Grace, http.MethodPost, "/iam/v1/identities/"+org, identity).decode(t, &made)
	id, _ := made["id"].(string)
	pair := basic(id, secret)
	if a := do(t, http.MethodGet, tokenURL(p, "example.com/python"), pair, nil); a.status != 403 {
		t.Errorf("without a role: %d %s", a.status, a.body)
	}
	role := items(t, api(t, p, fakeplatform.Grace, http.MethodGet, "/iam/v1/roles?name=registry.pull", nil))[0]["id"]
	owner := items(t, api(t, p, fakeplatform.Grace, http.MethodGet, "/iam/v1/roles?name=owner", nil))[0]["id"]
	binding := func(role any) answer {
		return api(t, p, fakeplatform.Grace, http.MethodPost, "/iam/v1/rolebindings/"+org, object{"identity": id, "role": role})
	}
	wantGatewayError(t, binding(owner), 403, 7)
	wantGatewayError(t, binding("0000"), 404, 5)
	if a := binding(role); a.status != 200 {
		t.Fatalf("binding: %d %s", a.status, a.body)
	}
	if a := do(t, http.MethodGet, tokenURL(p, "example.com/python"), pair, nil); a.status != 200 {
		t.Errorf("with the role: %d %s", a.status, a.body)
	}

	list := "/iam/v1/identities?" + url.Values{"uidp.descendantsOf": {org}}.Encode()
	wantGatewayError(t, api(t, p, fakeplatform.Grace, http.MethodGet, list, nil), 403, 7)
	if l := items(t, api(t, p, fakeplatform.Ada, http.MethodGet, list, nil)); len(l) != 1 || l[0]["id"] != id || l[0]["lastSeen"] == nil {
		t.Errorf("identities %v", l)
	}
	bindings := items(t, api(t, p, fakeplatform.Ada, http.MethodGet, "/iam/v1/rolebindings?uidp.descendantsOf="+org, nil))
	found := false
	for _, b := range bindings {
		found = found || b["identity"] == id && b["role"].(object)["name"] == "registry.pull" && b["group"].(object)["id"] == org
	}
	if !found {
		t.Errorf("role bindings %v", bindings)
	}
	identity["name"] = "renamed"
	if a := api(t, p, fakeplatform.Ada, http.MethodPut, "/iam/v1/identities/"+id, identity); a.status != 200 {
		t.Errorf("update: %d %s", a.status, a.body)
	}
	// The role that makes them cannot delete them.
	wantGatewayError(t, api(t, p, fakeplatform.Grace, http.MethodDelete, "/iam/v1/identities/"+id, nil), 403, 7)
	if a := api(t, p, fakeplatform.Ada, http.MethodDelete, "/iam/v1/identities/"+id, nil); a.body != "{}" {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	if a := do(t, http.MethodGet, tokenURL(p, "example.com/python"), pair, nil); a.status != 403 {
		t.Errorf("revoked: %d %s", a.status, a.body)
	}
	if p.Count("api.identities.create") != 2 || p.Count("api.rolebindings.create") != 3 {
		t.Error("API calls are not counted by kind")
	}
}

func TestIdentityIsChecked(t *testing.T) {
	p := start(t)
	match := object{"issuer": "https://ci.example", "subject": "s"}
	for name, identity := range map[string]object{
		"upper case": {"name": "Pull", "claimMatch": match},
		"slash":      {"name": "a/b", "claimMatch": match},
		"nothing":    {"name": "a"},
		"no subject": {"name": "a", "claimMatch": object{"issuer": "https://ci.example"}},
		"no keys":    {"name": "a", "static": object{"issuer": "i", "subject": "s", "issuerKeys": "{}"}},
	} {
		t.Run(name, func(t *testing.T) {
			org := p.OrganizationID(fakeplatform.Organization)
			wantGatewayError(t, api(t, p, fakeplatform.Ada, http.MethodPost, "/iam/v1/identities/"+org, identity), 400, 3)
		})
	}
	nowhere := "/iam/v1/identities/" + p.PersonID(fakeplatform.Ada)
	wantGatewayError(t, api(t, p, fakeplatform.Ada, http.MethodPost, nowhere, object{"name": "a", "claimMatch": match}), 404, 5)
	foreign := "/iam/v1/identities/" + p.OrganizationID(fakeplatform.OtherOrganization)
	wantGatewayError(t, api(t, p, fakeplatform.Ada, http.MethodPost, foreign, object{"name": "a", "claimMatch": match}), 403, 7)
}

func TestVendorAPIClient(t *testing.T) {
	p := start(t)
	clients, err := iamv1.NewClients(t.Context(), p.API, "Bearer "+p.AccessToken(fakeplatform.Ada, p.API))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = clients.Close() }()
	groups, err := clients.Groups().List(t.Context(), &iamv1.GroupFilter{Name: "example.com"})
	if err != nil || len(groups.GetItems()) != 1 {
		t.Errorf("groups %v, %v", groups, err)
	}
	_, err = clients.Identities().Delete(t.Context(), &iamv1.DeleteIdentityRequest{Id: "0"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("deleting what is not there: %v", err)
	}
	if p.Count("api.groups.list") != 1 {
		t.Error("gRPC calls are not counted")
	}
}
