package pulltoken

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
)

func TestCreateFaults(t *testing.T) {
	const roleList, creation, binding, deletion = "GET /iam/v1/roles", "POST /iam/v1/identities/", "POST /iam/v1/rolebindings/", "DELETE /iam/v1/identities/"
	first := org + "/0000000000000001"
	both := request
	both.Repositories = []Repository{OCI, Java}
	for _, test := range []struct {
		name   string
		refuse map[string]int
		made   []string // what the service was asked to change
		says   []string
	}{
		{"roles not to be seen", map[string]int{roleList: 403}, nil, []string{"roles.list", "registry.pull_token_creator"}},
		{"identity refused", map[string]int{creation: 403}, []string{creation + org}, []string{"identity.create", "registry.pull_token_creator"}},
		{"a plan that allows less", map[string]int{creation: 400}, []string{creation + org}, []string{"expiration must be within 168h0m0s"}},
		{"I74 role refused", map[string]int{binding: 403}, []string{creation + org, binding + org, binding + org, deletion + first},
			[]string{"role_bindings.create", "more capabilities than you have", "deleted again"}},
		{"I74 binding fails", map[string]int{binding: 500}, []string{creation + org, binding + org, binding + org, deletion + first}, []string{"500", "deleted again"}},
		{"I74 gone before it is deleted", map[string]int{binding: 500, deletion: 404}, []string{creation + org, binding + org, binding + org, deletion + first}, []string{"deleted again"}},
		{"I74 deletion refused", map[string]int{binding: 500, deletion: 403}, []string{creation + org, binding + org, binding + org, deletion + first},
			[]string{"left over", "identity.delete", first}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newService(t, test.refuse)
			got, err := s.create(t.Context(), both)
			oneLine(t, err)
			if got.Token != "" {
				t.Error("got a token beside an error, want none")
			}
			if !slices.Equal(s.made(), test.made) {
				t.Errorf("got the changes %q, want %q", s.made(), test.made)
			}
			for _, text := range test.says {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("got %q, want %q in it", err, text)
				}
			}
			wantLeft := test.refuse[deletion] == 403
			if slices.Contains(hint.Of(err), hint.Do(hint.RevokePullToken, first)) != wantLeft || wantLeft && s.kept() != 1 {
				t.Errorf("got %v with %d identities, want the command that revokes it: %v", hint.Of(err), s.kept(), wantLeft)
			}
			if !wantLeft && test.refuse[deletion] == 0 && s.kept() > 0 {
				t.Errorf("got %d identities, want none left", s.kept())
			}
		})
	}
	t.Run("I74 second binding fails", func(t *testing.T) {
		s := newService(t, nil)
		s.before = func(*http.Request) {
			if len(s.bound) == 1 {
				s.refuse = map[string]int{binding: 500}
			}
		}
		_, err := s.create(t.Context(), both)
		oneLine(t, err)
		if len(s.bound) != 1 || s.kept() != 0 {
			t.Errorf("got %q bound, %d identities, want one binding and no identity", s.bound, s.kept())
		}
	})
}

// A role that the caller may not give is known before there is an identity that they
// could not delete.
func TestCreateWithoutCapability(t *testing.T) {
	account := func(group string, capabilities ...string) string {
		text, _ := json.Marshal(iam.Account{Subject: other, Capabilities: []iam.Capability{{Group: iam.Group{ID: group}, Role: iam.Role{Name: "r", Capabilities: capabilities}}}})
		return string(text)
	}
	for name, test := range map[string]struct {
		account, missing, role string // missing is a capability; empty where it goes on
	}{
		"all there is to it":  {account(org, "identity.create", "role_bindings.create", "groups.list"), "", ""},
		"the role":            {account(org, "identity.create", "role_bindings.create"), "groups.list", "registry.pull"},
		"role bindings":       {account(org, "identity.create", "groups.list"), "role_bindings.create", "registry.pull_token_creator"},
		"identities":          {account(org, "groups.list", "role_bindings.create"), "identity.create", "registry.pull_token_creator"},
		"all of it elsewhere": {account(other, "identity.create", "role_bindings.create", "groups.list"), "identity.create", "registry.pull_token_creator"},
		"none":                {`{"subject":"` + other + `","capabilities":[]}`, "identity.create", "registry.pull_token_creator"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, nil)
			s.account = test.account
			_, err := s.create(t.Context(), request)
			if test.missing == "" {
				if err != nil || len(s.made()) != 2 {
					t.Errorf("got %v, %q, want it made", err, s.made())
				}
				return
			}
			oneLine(t, err)
			var missing *iam.CapabilityError
			if !errors.As(err, &missing) || missing.Capability != test.missing || missing.Role() != test.role || len(s.made()) > 0 {
				t.Errorf("got %v, %q, want %s missing, and nothing made", err, s.made(), test.missing)
			}
		})
	}
}

// endWith makes a's source of tokens end with ctx, as that of a session does.
func endWith(ctx context.Context, a *api) {
	inner := a.Tokens
	a.Tokens = sourceFunc(func() (*oauth2.Token, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return inner.Token()
	})
}

func TestCreateInterrupted(t *testing.T) {
	for name, test := range map[string]struct {
		at      string // the request that Ctrl-C falls into
		changes int
	}{
		"before all":              {"", 0},
		"at the roles":            {"GET roles", 0},
		"I74 while it is made":    {"POST identities", 2}, // and deleted
		"I74 while it is given a": {"POST rolebindings", 3},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			s := newService(t, nil)
			endWith(ctx, s.api)
			s.before = func(r *http.Request) {
				if r.Method+" "+strings.Split(r.URL.Path, "/")[3] != test.at {
					return
				}
				interrupt()
				if test.at != "POST identities" { // whose response is awaited
					<-r.Context().Done() // the client has given up
				}
			}
			if test.at == "" {
				interrupt()
			}
			_, err := s.create(ctx, request)
			oneLine(t, err)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want the interrupt in it", err)
			}
			if len(s.made()) != test.changes || s.kept() != 0 {
				t.Errorf("got the changes %q and %d identities, want %d and none", s.made(), s.kept(), test.changes)
			}
		})
	}
	t.Run("while the key is made", func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		s := newService(t, nil)
		never := make(chan struct{})
		defer close(never)
		_, err := s.prepareAndCreate(ctx, request, time.Now, func() (*rsa.PrivateKey, error) {
			interrupt()
			<-never
			return nil, io.EOF
		})
		if !errors.Is(err, context.Canceled) || len(s.made()) > 0 {
			t.Errorf("got %v, %q, want the interrupt, and nothing made", err, s.made())
		}
	})
}

// The network goes away with the answer to the creation.
func TestCreateUnanswered(t *testing.T) {
	s := newService(t, nil)
	s.Transport = lostAnswer{s.Transport}
	_, err := s.create(t.Context(), request)
	oneLine(t, err)
	if !platform.IsUnreachable(err) || !strings.Contains(err.Error(), "may have been created") || s.kept() != 1 {
		t.Errorf("got %v, want that it may have been created", err)
	}
}

type lostAnswer struct{ http.RoundTripper }

func (l lostAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil && r.Method == http.MethodPost {
		_ = resp.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return resp, err
}

// Two at once have nothing in common.
func TestSignTwice(t *testing.T) {
	var tokens [2]string
	var statics [2]*iam.Static
	var both sync.WaitGroup
	for i := range tokens {
		both.Go(func() {
			key, err := testKey()
			if err == nil {
				tokens[i], statics[i], err = sign(key, issuer, today, today.Add(time.Hour))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if tokens[0] == tokens[1] || statics[0].Subject == statics[1].Subject {
		t.Errorf("got %q twice, want two subjects", statics[0].Subject)
	}
}
