package iam

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
)

// UpdateIdentity changes the identity of identity.ID into identity, and gives it as
// the service keeps it. Whatever the service has under names that Identity has no
// field for stays as it is: an update replaces the whole identity, and a name that is
// newer than this program may be a limit to who is let in.
func (c *Client) UpdateIdentity(ctx context.Context, identity Identity) (Identity, error) {
	if err := checkID("an identity", identity.ID); err != nil {
		return Identity{}, err
	}
	if err := identity.check(); err != nil {
		return Identity{}, err
	}
	had, err := c.identityObject(ctx, identity.ID)
	if err != nil {
		return Identity{}, err
	}
	body, err := object(identity)
	if err != nil {
		return Identity{}, fmt.Errorf("cannot update the identity %s: %w", identity.ID, err)
	}
	carry(body, had, reflect.TypeFor[Identity]())
	var updated Identity
	err = c.do(ctx, call{
		doing: "update the identity " + identity.ID, capability: CapabilityUpdateIdentities, what: "identity", name: identity.ID,
		method: http.MethodPut, path: "/iam/v1/identities/" + identity.ID, body: body,
	}, &updated)
	return updated, err
}

// identityObject gives the identity of an id with all the service says of it.
func (c *Client) identityObject(ctx context.Context, id string) (map[string]any, error) {
	identities, err := list[json.RawMessage](ctx, c, IdentityFilter{ID: id}.call())
	if err != nil {
		return nil, err
	}
	for _, raw := range identities {
		if o, err := object(raw); err == nil && o["id"] == id {
			return o, nil
		}
	}
	return nil, &NotFoundError{What: "identity", Name: id}
}

// object gives the JSON object of v, its numbers as they were written.
func object(v any) (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var o map[string]any
	err = decoder.Decode(&o)
	return o, err
}

// carry adds to the object sent what is in the object had under names for which the
// struct type t has no field, and does the same for the objects in both.
func carry(sent, had map[string]any, t reflect.Type) {
	known := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		known[name] = t.Field(i).Type
	}
	for name, value := range had {
		kind, isKnown := known[name]
		if !isKnown {
			sent[name] = value
			continue
		}
		inSent, _ := sent[name].(map[string]any)
		inHad, _ := value.(map[string]any)
		if kind.Kind() == reflect.Pointer && inSent != nil && inHad != nil {
			carry(inSent, inHad, kind.Elem())
		}
	}
}
