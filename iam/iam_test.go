package iam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

const (
	bearer  = "eyJhbGciOiJSUzI1NiJ9.eyJzZWNyZXQiOjF9.c2lnbmF0dXJl" // must never be shown
	org     = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	other   = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	roleID  = "cccccccccccccccccccccccccccccccccccccccc"
	pullID  = org + "/0123456789abcdef"
	folder  = org + "/fedcba9876543210"
	deepPID = folder + "/0123456789abcdef"
)

// asked is a request as the API got it.
type asked struct {
	method, path, query, authorization, body string
}

// api is a platform API that answers each request as it is told, and notes it.
type api struct {
	*Client
	serial sync.Mutex // one request at a time: one that was given up may still be answered
	asked  []asked
}

// viewer is what the API says of a caller who may list all in one organization.
const viewer = `{"subject":"` + deepPID + `","capabilities":[{"group":{"id":"` + org + `","name":"example.com"},"role":{"id":"` + deepPID + `","name":"viewer",
	"capabilities":["groups.list","identity.list","role_bindings.list","roles.list"]}}]}`

// answering starts an API that answers "METHOD path" with a body. What is not in
// answers fails the test.
func answering(t *testing.T, answers map[string]string) *api {
	t.Helper()
	return handledBy(t, func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.Method+" "+r.URL.Path]
		if !ok && r.URL.Path == "/auth/v1/ok" {
			body, ok = viewer, true
		}
		if !ok {
			t.Errorf("got a request for %s %s, want none", r.Method, r.URL.Path)
		}
		writeJSON(w, http.StatusOK, body)
	})
}

// refusing starts an API that answers everything with an error.
func refusing(t *testing.T, status, code int, message string) *api {
	t.Helper()
	return handledBy(t, func(w http.ResponseWriter, _ *http.Request) {
		text, _ := json.Marshal(map[string]any{"code": code, "message": message, "details": []any{}})
		writeJSON(w, status, string(text))
	})
}

func handledBy(t *testing.T, handler http.HandlerFunc) *api {
	t.Helper()
	a := &api{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.serial.Lock()
		defer a.serial.Unlock()
		a.asked = append(a.asked, asked{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Authorization"), string(body)})
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	a.Client = &Client{
		URL: server.URL, Transport: platform.NewTransport(),
		Tokens: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: bearer}),
	}
	return a
}

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// one gives the only request that the API got.
func (a *api) one(t *testing.T) asked {
	t.Helper()
	if len(a.asked) != 1 {
		t.Fatalf("got %d requests, want one: %+v", len(a.asked), a.asked)
	}
	return a.asked[0]
}

// oneLine checks what every error has to be.
func oneLine(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error, want one")
	}
	if text := err.Error(); strings.Contains(text, bearer) || strings.ContainsAny(text, "\n\r\x00\x1b") {
		t.Errorf("P13 P14 got the error %q, want one printable line without the token", text)
	}
}

// calls are all the calls of a Client, with arguments that could be right.
var calls = map[string]func(context.Context, *Client) error{
	"WhoAmI":        func(ctx context.Context, c *Client) error { _, err := c.WhoAmI(ctx); return err },
	"Groups":        func(ctx context.Context, c *Client) error { _, err := c.Groups(ctx); return err },
	"Organizations": func(ctx context.Context, c *Client) error { _, err := c.Organizations(ctx); return err },
	"Organization":  func(ctx context.Context, c *Client) error { _, err := c.Organization(ctx, "example.com"); return err },
	"Roles": func(ctx context.Context, c *Client) error {
		_, _, err := c.Roles(ctx, []string{"registry.pull"})
		return err
	},
	"RoleBindings": func(ctx context.Context, c *Client) error { _, err := c.RoleBindings(ctx, org); return err },
	"Bind":         func(ctx context.Context, c *Client) error { _, err := c.Bind(ctx, org, pullID, roleID); return err },
	"Identities":   func(ctx context.Context, c *Client) error { _, err := c.Identities(ctx, ""); return err },
	"Identity":     func(ctx context.Context, c *Client) error { _, err := c.Identity(ctx, pullID); return err },
	"CreateIdentity": func(ctx context.Context, c *Client) error {
		_, err := c.CreateIdentity(ctx, org, pullToken)
		return err
	},
	"UpdateIdentity": func(ctx context.Context, c *Client) error {
		identity := pullToken
		identity.ID = pullID
		_, err := c.UpdateIdentity(ctx, identity)
		return err
	},
	"DeleteIdentity": func(ctx context.Context, c *Client) error { return c.DeleteIdentity(ctx, pullID) },
}

// publicKeys is a JWKS, whose key is that of RFC 8037, appendix A.2.
const publicKeys = `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

var pullToken = Identity{Name: "pull-token", Static: &Static{Issuer: PullTokenIssuer, Subject: "pull-token-1", IssuerKeys: publicKeys}}

// Each call that is refused says so on one line, and has the service's answer in it.
func TestRefused(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			for _, test := range []struct {
				name         string
				status, code int
				message      string
			}{
				{"I47 ESC, CR and a bell", 400, 3, "bad\x1b[2J\r\a\x00 \u202e thing"},
				{"I47 a megabyte", 500, 13, strings.Repeat("x", 1<<20)},
				{"I48 the token", 403, 7, "no " + bearer},
				{"the token refused", 401, 16, "token is expired"},
				{"already there", 409, 6, "already exists"},
				{"too many", 429, 8, "slow down"},
			} {
				t.Run(test.name, func(t *testing.T) {
					err := call(t.Context(), refusing(t, test.status, test.code, test.message).Client)
					oneLine(t, err)
					var answer *platform.ResponseError
					if !errors.As(err, &answer) || answer.Status != test.status {
						t.Errorf("got %v, want an answer with status %d in it", err, test.status)
					}
				})
			}
		})
	}
}

// A capability that is missing is named, and the role that brings it.
func TestMissingCapability(t *testing.T) {
	for name, want := range map[string]struct{ capability, role string }{
		"Groups":         {"groups.list", "registry.pull"},
		"Organization":   {"groups.list", "registry.pull"},
		"Roles":          {"roles.list", "viewer"},
		"RoleBindings":   {"role_bindings.list", "viewer"},
		"Identities":     {"identity.list", "viewer"},
		"Bind":           {"role_bindings.create", "registry.pull_token_creator"},
		"CreateIdentity": {"identity.create", "registry.pull_token_creator"},
		"DeleteIdentity": {"identity.delete", "owner"},
	} {
		t.Run(name, func(t *testing.T) {
			err := calls[name](t.Context(), refusing(t, 403, 7, "caller does not have the required capabilities").Client)
			oneLine(t, err)
			var missing *CapabilityError
			if !errors.As(err, &missing) || missing.Capability != want.capability || missing.Role() != want.role {
				t.Fatalf("got %#v, want %s and %s", err, want.capability, want.role)
			}
			for _, text := range []string{want.capability, want.role, "caller does not have"} {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("got %q, want %q in it", err, text)
				}
			}
		})
	}
	t.Run("a proxy's 403 is none", func(t *testing.T) {
		a := handledBy(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>blocked", http.StatusForbidden) })
		_, err := a.Identities(t.Context(), "")
		oneLine(t, err)
		var missing *CapabilityError
		if errors.As(err, &missing) || !strings.Contains(err.Error(), "proxy") {
			t.Errorf("got %v, want an error that names a proxy", err)
		}
	})
}

func TestSignInAgain(t *testing.T) {
	_, err := refusing(t, 401, 16, "token is expired").WhoAmI(t.Context())
	if !slices.Contains(hint.Of(err), hint.Do(hint.SignIn)) {
		t.Errorf("got %v with the hints %v, want a sign-in", err, hint.Of(err))
	}
}

// The error of a token source says itself what to do, and callers look into it.
func TestNoToken(t *testing.T) {
	a := answering(t, nil)
	wanted := errors.New("not signed in")
	a.Tokens = sourceFunc(func() (*oauth2.Token, error) { return nil, wanted })
	if _, err := a.WhoAmI(t.Context()); err != wanted {
		t.Errorf("got %v, want %v", err, wanted)
	}
	if len(a.asked) > 0 {
		t.Errorf("got %d requests, want none", len(a.asked))
	}
}

type sourceFunc func() (*oauth2.Token, error)

func (f sourceFunc) Token() (*oauth2.Token, error) { return f() }

// The token goes to the API and nowhere else.
func TestRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("P15 got a request for %s with %q, want none", r.URL, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	for name, call := range calls {
		t.Run("I46 P15 "+name, func(t *testing.T) {
			a := handledBy(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
			})
			oneLine(t, call(t.Context(), a.Client))
			a.serial.Lock()
			defer a.serial.Unlock()
			for i, got := range a.asked { // some calls ask several things at once, none of them twice
				if got.authorization != "Bearer "+bearer {
					t.Errorf("got Authorization %q, want the token", got.authorization)
				}
				if slices.ContainsFunc(a.asked[:i], func(before asked) bool { return before == got }) {
					t.Errorf("got %+v twice, want it once", got)
				}
			}
		})
	}
}

func TestLargeList(t *testing.T) {
	keys := strings.Repeat("k", 300)
	var items strings.Builder
	items.WriteString(`{"items":[`)
	for i := range 10_000 {
		if i > 0 {
			items.WriteByte(',')
		}
		fmt.Fprintf(&items, `{"id":"%s/%016x","name":"=cmd \u001b[31m %d","static":{"issuer":%q,"issuerKeys":%q}}`, org, i, i, PullTokenIssuer, keys)
	}
	items.WriteString(`]}`)
	t.Run("I62 10,000 identities, 5 MB", func(t *testing.T) {
		got, err := answering(t, map[string]string{"GET /iam/v1/identities": items.String()}).Identities(t.Context(), "")
		if err != nil || len(got) != 10_000 {
			t.Fatalf("got %d identities, %v, want 10,000", len(got), err)
		}
		if got[7].Name != "=cmd \x1b[31m 7" || got[7].Type() != "pull_token" {
			t.Errorf("got %q of type %q, want the name as it came, of type pull_token", got[7].Name, got[7].Type())
		}
	})
}
