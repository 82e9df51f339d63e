package iam

import (
	"slices"
	"testing"
	"time"
)

func TestWhoAmI(t *testing.T) {
	a := answering(t, map[string]string{"GET /auth/v1/ok": `{"issuer":"https://issuer.enforce.dev",  "subject":"` + other + `","audience":["https://console-api.enforce.dev"],
		"expiry":"2026-01-02T04:04:05Z","issuedAt":"","email":"alice@example.com","capabilities":[
		{"group":{"id":"` + org + `","name":"example.com","resourceLimits":null},"role":{"id":"` + roleID + `","name":"viewer","capabilities":["identity.list"]}},
		{"group":{"id":"` + org + `"},"role":null,"capabilities":["groups.list"]},
		{"group":null,"role":null}]}`})
	got, err := a.WhoAmI(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject != other || got.Email != "alice@example.com" || len(got.Audience) != 1 || !got.IssuedAt.IsZero() ||
		!got.Expiry.Equal(time.Date(2026, 1, 2, 4, 4, 5, 0, time.UTC)) || len(got.Capabilities) != 3 || got.Capabilities[0].Role.Name != "viewer" ||
		!slices.Equal(got.Capabilities[0].Names(), []string{"identity.list"}) || !slices.Equal(got.Capabilities[1].Names(), []string{"groups.list"}) {
		t.Errorf("got %+v, want what the service said", got)
	}
	if got := a.one(t).authorization; got != "Bearer "+bearer {
		t.Errorf("got Authorization %q, want the token", got)
	}
	t.Run("I44 nobody", func(t *testing.T) {
		for _, body := range []string{`{}`, `null`, `{"subject":""}`, `{"error":"sign in to the hotel"}`} {
			_, err := answering(t, map[string]string{"GET /auth/v1/ok": body}).WhoAmI(t.Context())
			oneLine(t, err)
		}
	})
}

func TestCan(t *testing.T) {
	const roleless = "3333333333333333333333333333333333333333"
	account := Account{Capabilities: []Capability{
		{Group: Group{ID: org}, Role: Role{Capabilities: []string{CapabilityListIdentities}}},
		{Group: Group{ID: other}},
		{Group: Group{ID: roleless}, Capabilities: []string{CapabilityListIdentities}},
		{}, // null, which is nowhere
	}}
	for _, test := range []struct {
		name, capability, group string
		want                    bool
	}{
		{"in the group", CapabilityListIdentities, org, true},
		{"below it", CapabilityListIdentities, folder, true},
		{"another capability", CapabilityCreateIdentities, org, false},
		{"an id that only begins like it", CapabilityListIdentities, org + "0", false},
		{"a role that names none", CapabilityCreateIdentities, other, true},
		{"its own capability without a role", CapabilityListIdentities, roleless, true},
		{"another one without a role", CapabilityCreateIdentities, roleless, false},
		{"elsewhere", CapabilityListIdentities, roleID, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := account.Can(test.capability, test.group); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
