package registry

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

var errNobody = &token.NotSignedInError{Err: errors.New("there is no session")}

func nobody(context.Context, bool) (*token.Credential, error) { return nil, errNobody }

// unless answers a request of nobody in another way.
func unless(anonymous, known http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if isAnonymous(r) || r.URL.Path == "/token" && r.Header.Get("Authorization") == "" {
			anonymous(w, r)
			return
		}
		known(w, r)
	}
}

// What it takes to learn a digest, and no more.
func TestWhichCredential(t *testing.T) {
	for _, test := range []struct {
		name       string
		repository string
		token      http.HandlerFunc
		manifest   http.HandlerFunc
		asked      []string
	}{
		{"a public image", public, giveToken, found, []string{"GET token anonymous", "GET manifest"}},
		{"a private one of the public organization", public, unless(refuses(401, "UNAUTHORIZED"), giveToken), found,
			[]string{"GET token anonymous", "GET token", "GET manifest"}},
		{"a tag that is not public", public, giveToken, unless(refuses(403, "FORBIDDEN"), found),
			[]string{"GET token anonymous", "GET manifest", "GET token", "GET manifest"}},
		{"another organization", private, giveToken, found, []string{"GET token", "GET manifest"}},
		{"an organization with a like name", "chainguard-private/python", giveToken, found, []string{"GET token", "GET manifest"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake()
			f.handlers["token"], f.handlers["manifest"] = test.token, test.manifest
			r := f.reader()
			got, err := r.Digest(t.Context(), Reference{Repository: test.repository, Tag: "3.13"}, "")
			if err != nil || got != digest {
				t.Errorf("got %q, %v, want %s", got, err, digest)
			}
			f.wantAsked(t, test.asked...)
		})
	}
}

// A credential is asked for where the registry wants one, and not where it fails.
func TestNoCredentialForOtherErrors(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"no organization": refuses(400, "BAD_REQUEST"), "404": refuses(404, "NAME_UNKNOWN"), "429": refuses(429, "TOOMANYREQUESTS"), "500": refuses(500, "UNKNOWN"), "503": refuses(503, ""),
		"a proxy's 403": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>blocked", http.StatusForbidden) },
		"I44 a page":    func(w http.ResponseWriter, _ *http.Request) { answer(w, "text/html", "<html>") },
		"cut":           func(http.ResponseWriter, *http.Request) { panic(errors.New("connection reset")) },
	} {
		for _, kind := range []string{"token", "manifest", "history"} {
			t.Run(name+" for the "+kind, func(t *testing.T) {
				f := newFake()
				f.handlers[kind] = handler
				r := f.reader()
				r.Credential = func(context.Context, bool) (*token.Credential, error) {
					t.Error("got asked for a credential, want not")
					return nil, errNobody
				}
				ask := func() error {
					_, err := r.Digest(t.Context(), Reference{Repository: public}, "")
					return err
				}
				if kind == "history" {
					ask = func() error {
						_, err := r.History(t.Context(), Reference{Repository: public}, since, until)
						return err
					}
				}
				oneLine(t, ask())
			})
		}
	}
}

func TestNotSignedIn(t *testing.T) {
	t.Run("a private image costs no request", func(t *testing.T) {
		f := newFake()
		r := f.reader()
		r.Credential = nobody
		_, err := r.Digest(t.Context(), Reference{Repository: private}, "")
		var got *token.NotSignedInError
		if !errors.As(err, &got) || err.Error() != "cgr.dev/org/python is not public: "+errNobody.Error() {
			t.Errorf("got %v, want which image needed it, and why there is none", err)
		}
		f.wantAsked(t)
	})
	t.Run("a tag that is not public", func(t *testing.T) {
		f := newFake()
		f.handlers["manifest"], f.handlers["tags"] = refuses(403, "FORBIDDEN"), lists("3.13", "latest")
		r := f.reader()
		r.Credential = nobody
		_, err := r.Digest(t.Context(), Reference{Repository: public, Tag: "3.13"}, "")
		var got *token.NotSignedInError
		if !errors.As(err, &got) || !strings.HasPrefix(err.Error(), "cgr.dev/chainguard/python:3.13 is not public: not signed in: ") {
			t.Errorf("got %v, want that it takes a credential", err)
		}
	})
	t.Run("a tag that all can see is missing", func(t *testing.T) {
		f := newFake()
		f.handlers["manifest"], f.handlers["tags"] = refuses(403, "FORBIDDEN"), lists("3.13", "latest", "latest-dev")
		r := f.reader()
		r.Credential = nobody
		_, err := r.Digest(t.Context(), Reference{Repository: public, Tag: "latset"}, "")
		var got *token.NotSignedInError
		if errors.As(err, &got) || !strings.Contains(err.Error(), `there is no tag "latset" in it; similar tags: latest, `) {
			t.Errorf("got %v, want the near tags", err)
		}
		if got := f.count("GET token"); got != 1 {
			t.Errorf("got %d tokens, want the one that was there", got)
		}
	})
	t.Run("a digest that is not public", func(t *testing.T) {
		f := newFake()
		f.handlers["manifest"], f.handlers["tags"] = refuses(403, "FORBIDDEN"), lists("latest")
		r := f.reader()
		r.Credential = nobody
		_, err := r.Digest(t.Context(), Reference{Repository: public, Tag: "latset", Digest: digest}, "")
		var got *token.NotSignedInError
		if !errors.As(err, &got) || f.count("GET tags") > 0 {
			t.Errorf("got %v, want that it takes a credential, and no list of tags", err)
		}
	})
	t.Run("another failure to get a credential", func(t *testing.T) {
		f := newFake()
		f.handlers["manifest"], f.handlers["tags"] = refuses(403, "FORBIDDEN"), lists("latest")
		r := f.reader()
		locked := errors.New("the keychain is locked")
		r.Credential = func(context.Context, bool) (*token.Credential, error) { return nil, locked }
		for _, repository := range []string{public, private} {
			if _, err := r.Digest(t.Context(), Reference{Repository: repository, Tag: "latset"}, ""); !errors.Is(err, locked) {
				t.Errorf("got %v for %s, want %v", err, repository, locked)
			}
		}
	})
	for name, credential := range map[string]func(context.Context, bool) (*token.Credential, error){
		"nothing gives one": nil, "there is none": func(context.Context, bool) (*token.Credential, error) { return nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.handlers["token"] = refuses(401, "UNAUTHORIZED")
			r := f.reader()
			r.Credential = credential
			for _, repository := range []string{public, private} {
				_, err := r.Digest(t.Context(), Reference{Repository: repository}, "")
				var refused *Error
				if !errors.As(err, &refused) || !refused.Anonymous || !slices.Contains(hint.Of(err), hint.Do(hint.SignIn)) {
					t.Errorf("got %v for %s, want the registry's refusal and what to do", err, repository)
				}
			}
		})
	}
}

// A digest of its own is asked for as it is.
func TestDigestOfDigest(t *testing.T) {
	f := newFake()
	got, err := f.reader().Digest(t.Context(), Reference{Repository: private, Tag: "3.13", Digest: digest}, "")
	if err != nil || got != digest {
		t.Errorf("got %q, %v, want %s", got, err, digest)
	}
	f.handlers["manifest"], f.handlers["tags"] = nil, lists("latest")
	_, err = f.reader().Digest(t.Context(), Reference{Repository: private, Digest: digest}, "")
	oneLine(t, err)
	if f.count("GET tags") > 0 || !strings.Contains(err.Error(), "has no image "+digest) {
		t.Errorf("got %v after %d lists of tags, want that the digest is not there, and none", err, f.count("GET tags"))
	}
}

// What cannot be right is not sent, and an answer that is missing is told as that.
func TestReaderRefusesInput(t *testing.T) {
	f := &fake{}
	r := f.reader()
	for _, ref := range []Reference{{}, {Repository: "python"}, {Repository: private, Tag: "a/b"}, {Repository: private, Digest: "sha256:xyz"}} {
		_, errDigest := r.Digest(t.Context(), ref, "")
		_, errHistory := r.History(t.Context(), ref, since, until)
		_, errAt := r.DigestAt(t.Context(), ref, until, "")
		for _, err := range []error{errDigest, errHistory, errAt} {
			oneLine(t, err)
		}
	}
	_, err := r.Digest(t.Context(), Reference{Repository: private}, "arm64")
	oneLine(t, err)
	_, err = r.DigestAt(t.Context(), Reference{Repository: private}, until, "linux/\x1b")
	oneLine(t, err)
	f.wantAsked(t)

	f.handlers = map[string]http.HandlerFunc{"token": func(http.ResponseWriter, *http.Request) { panic(errors.New("no route to host")) }}
	if _, err := r.Digest(t.Context(), Reference{Repository: private}, ""); !platform.IsUnreachable(err) {
		t.Errorf("got %v, want that nobody answered", err)
	}
}
