package console

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/pulltoken"
	"docker-credential-cgr/signin/loopback"
)

const (
	org    = "0123456789abcdef0123456789abcdef01234567"
	other  = "fedcba9876543210fedcba9876543210fedcba98"
	pullID = org + "/0123456789abcdef"
	secret = "eyJhbGciOiJSUzI1NiJ9.eyJzZWNyZXQiOiJ5ZXMifQ.c2lnbmF0dXJl"
	port   = 4711
	host   = "localhost:4711"
)

// fake is a platform that notes what was changed.
type fake struct {
	list    []Token
	err     error
	made    []pulltoken.Request
	parents []string // ids
	revoked []string
	during  func() // runs while a pull token is made
}

func (f *fake) List(context.Context) ([]Token, error) { return f.list, f.err }

func (f *fake) Saved() (string, error) { return pullID, nil }

func (f *fake) Create(_ context.Context, parent iam.Group, r pulltoken.Request) (pulltoken.Credential, []Snippet, error) {
	if f.err != nil {
		return pulltoken.Credential{}, nil, f.err
	}
	f.made, f.parents = append(f.made, r), append(f.parents, parent.ID)
	if f.during != nil {
		f.during()
	}
	return pulltoken.Credential{
		Identity: iam.Identity{ID: pullID, Name: r.Name}, Token: secret,
		Expires: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC),
	}, []Snippet{{"docker login", secret}}, nil
}

func (f *fake) Revoke(ctx context.Context, id string) error {
	if err := errors.Join(f.err, ctx.Err()); err != nil {
		return err
	}
	f.revoked = append(f.revoked, id)
	return nil
}

// fixture is a page without a socket.
type fixture struct {
	*server
	t    *testing.T
	fake *fake
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fake{list: []Token{{Info: pulltoken.Info{ID: pullID, Name: "ci", Organization: iam.Group{ID: org, Name: "example.com"}}}}}
	s := newServer(&Console{
		PullTokens: f, Organizations: []iam.Group{{ID: org, Name: "example.com"}},
		Account: "ada@example.com", Registry: "cgr.dev", Idle: time.Minute,
	}, port)
	return &fixture{server: s, t: t, fake: f}
}

// get is a request that nothing comes with, for a path below the base.
func (f *fixture) get(path string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, f.base+path, nil)
	r.Host = host
	return r
}

// request is one as the page sends it, for a path below the base.
func (f *fixture) request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, f.base+path, strings.NewReader(body))
	r.Host = host
	r.AddCookie(&http.Cookie{Name: cookieName, Value: f.session})
	r.Header.Set(header, "1")
	if method != http.MethodGet {
		r.Header.Set("Origin", "http://"+host)
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

func (f *fixture) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	loopback.Guard(port, policy, f).ServeHTTP(w, r)
	return w
}

func (f *fixture) wantStatus(r *http.Request, want int) *httptest.ResponseRecorder {
	f.t.Helper()
	w := f.serve(r)
	if w.Code != want {
		f.t.Errorf("%s %s: got status %d (%s), want %d", r.Method, r.URL, w.Code, strings.TrimSpace(w.Body.String()), want)
	}
	return w
}

// wantUnchanged fails if a request changed something.
func (f *fixture) wantUnchanged() {
	f.t.Helper()
	if len(f.fake.made) > 0 || len(f.fake.revoked) > 0 {
		f.t.Errorf("got %+v made and %q revoked, want nothing changed", f.fake.made, f.fake.revoked)
	}
}

const (
	creation   = `{"organization":"` + org + `","name":"ci","description":"builds","seconds":2592000,"repositories":["oci"]}`
	revocation = `{"id":"` + pullID + `"}`
)
