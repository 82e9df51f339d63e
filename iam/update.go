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

// UpdateIdentity replaces the identity with identity.ID, and returns it as the platform
// stores it. Fields that Identity does not have stay as they are: an update replaces the
// whole identity, and a field that is newer than this program may restrict who is accepted.
func (c *Client) UpdateIdentity(ctx context.Context, identity Identity) (Identity, error) {
	if err := checkID("an identity", identity.ID); err != nil {
		return Identity{}, err
	}
	if err := identity.check(); err != nil {
		return Identity{}, err
	}
	stored, err := c.identityObject(ctx, identity.ID)
	if err != nil {
		return Identity{}, err
	}
	body, err := object(identity)
	if err != nil {
		return Identity{}, fmt.Errorf("cannot update the identity %s: %w", identity.ID, err)
	}
	copyUnknown(body, stored, reflect.TypeFor[Identity]())
	var updated Identity
	err = c.do(ctx, call{
		doing: "update the identity " + identity.ID, capability: CapabilityUpdateIdentities, what: "identity", name: identity.ID,
		method: http.MethodPut, path: "/iam/v1/identities/" + identity.ID, body: body,
	}, &updated)
	if err == nil {
		c.changed(identity.ID, updated)
	}
	return updated, err
}

// identityObject returns the identity with an id, with all its fields.
func (c *Client) identityObject(ctx context.Context, id string) (map[string]any, error) {
	identities, err := list[json.RawMessage](ctx, c, identitiesCall(id, ""))
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

// object returns v as a JSON object, with its numbers as written.
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

// copyUnknown copies the fields of the object stored that the struct type t does not have
// to the object sent, and does the same for the objects in both.
func copyUnknown(sent, stored map[string]any, t reflect.Type) {
	known := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		known[name] = t.Field(i).Type
	}
	for name, value := range stored {
		kind, isKnown := known[name]
		if !isKnown {
			sent[name] = value
			continue
		}
		inSent, _ := sent[name].(map[string]any)
		inStored, _ := value.(map[string]any)
		if kind.Kind() == reflect.Pointer && inSent != nil && inStored != nil {
			copyUnknown(inSent, inStored, kind.Elem())
		}
	}
}
