package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/token"
)

var pullToken = &token.Credential{Username: "org/id", Secret: secret}

// catalogOf answers with the names after last, at most most of them.
func catalogOf(t *testing.T, most int, names ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		n, err := strconv.Atoi(query.Get("n"))
		if err != nil || r.Header.Get("Authorization") != "Bearer known" {
			t.Errorf("got %s with %q, want a number and the registry's token", r.URL, r.Header.Get("Authorization"))
		}
		rest := names
		if last := query.Get("last"); last != "" {
			rest = names[slices.Index(names, last)+1:]
		}
		page := rest[:min(n, most, len(rest))]
		if len(page) < len(rest) {
			w.Header().Set("Link", `</v2/_catalog?last=x>; rel="next"`)
		}
		text, err := json.Marshal(map[string]any{"repositories": page})
		if err != nil {
			t.Error(err)
		}
		answer(w, "application/json", string(text))
	}
}

func TestCatalog(t *testing.T) {
	var names []string
	for i := range 2500 {
		names = append(names, fmt.Sprintf("org/image-%04d", i))
	}
	f := newFake()
	f.handlers["token"] = func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("scope"); got != "registry:catalog:*" {
			t.Errorf("got the scope %q, want the catalog's", got)
		}
		giveToken(w, r)
	}
	f.handlers["catalog"] = catalogOf(t, 1000, names...)
	var got []string
	pages := 0
	err := f.reader().Catalog(t.Context(), pullToken, func(page []string) error {
		if pages++; f.count("GET catalog") != pages {
			t.Errorf("got page %d after %d requests, want it before the next", pages, f.count("GET catalog"))
		}
		got = append(got, page...)
		return nil
	})
	if err != nil || !slices.Equal(got, names) || pages != 3 {
		t.Errorf("got %d names in %d pages, %v, want all in 3", len(got), pages, err)
	}
	f.wantAsked(t, "GET token", "GET catalog", "GET catalog", "GET catalog")

	t.Run("pages smaller than asked for", func(t *testing.T) {
		f.handlers["catalog"] = catalogOf(t, 2, names[:5]...)
		got = nil
		err := f.reader().Catalog(t.Context(), pullToken, func(page []string) error { got = append(got, page...); return nil })
		if err != nil || !slices.Equal(got, names[:5]) {
			t.Errorf("got %q, %v, want all", got, err)
		}
	})
	t.Run("none", func(t *testing.T) {
		for _, body := range []string{`{"repositories":null}`, `{}`, `{"repositories":[]}`} {
			f.handlers["catalog"] = func(w http.ResponseWriter, _ *http.Request) { answer(w, "application/json", body) }
			got = nil
			err := f.reader().Catalog(t.Context(), pullToken, func(page []string) error { got = append(got, page...); return nil })
			if err != nil || len(got) != 0 {
				t.Errorf("%s: got %q, %v, want none", body, got, err)
			}
		}
	})
	t.Run("the first", func(t *testing.T) {
		f := newFake()
		f.handlers["catalog"] = catalogOf(t, 1000, names...)
		if first, err := f.reader().FirstRepository(t.Context(), pullToken); err != nil || first != names[0] {
			t.Errorf("got %q, %v, want %q", first, err, names[0])
		}
		f.wantAsked(t, "GET token", "GET catalog")
	})
	t.Run("the caller's error stops it", func(t *testing.T) {
		f := newFake()
		f.handlers["catalog"] = catalogOf(t, 2, names...)
		stop := errors.New("stop")
		if err := f.reader().Catalog(t.Context(), pullToken, func([]string) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("got %v, want the caller's error", err)
		}
		f.wantAsked(t, "GET token", "GET catalog")
	})
}

func TestCatalogFaults(t *testing.T) {
	const link = `</v2/_catalog?last=a>; rel="next"`
	for name, test := range map[string]struct {
		token, catalog http.HandlerFunc
		want           string
	}{
		"P11 the same page without end": {catalog: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", link)
			answer(w, "application/json", `{"repositories":["a/b"]}`)
		}, want: "again and again"},
		"I44 a page of a proxy": {catalog: func(w http.ResponseWriter, _ *http.Request) { answer(w, "text/html", "<html>") }, want: "not valid"},
		"no right to a token":   {token: refuses(403, "FORBIDDEN"), want: "may not list repositories"},
		"no right to the list":  {catalog: refuses(403, "FORBIDDEN"), want: "may not list repositories"},
		"a registry without it": {catalog: refuses(404, "UNSUPPORTED"), want: "answered 404"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.handlers["catalog"] = test.catalog
			if test.token != nil {
				f.handlers["token"] = test.token
			}
			err := f.reader().Catalog(t.Context(), pullToken, func([]string) error { return nil })
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if denied := strings.Contains(test.want, "may not"); denied != (len(hint.Of(err)) > 0) {
				t.Errorf("got the hints %v", hint.Of(err))
			}
		})
	}
}

func TestListTags(t *testing.T) {
	f := newFake()
	f.handlers["tags"] = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("last") == "" {
			w.Header().Set("Link", `<?last=sha256-ab.sig>; rel="next"`)
			lists("3.13", "sha256-ab.sig")(w, r)
			return
		}
		lists("latest")(w, r)
	}
	var got []string
	page := func(tags []string) error { got = append(got, tags...); return nil }
	if err := f.reader().Tags(context.Background(), private, page); err != nil || !slices.Equal(got, []string{"3.13", "latest"}) {
		t.Errorf("got %q, %v, want the tags without the signature's", got, err)
	}
	f.handlers["tags"] = linked("a", `<?last=a>; rel="next"`)
	if err := f.reader().Tags(t.Context(), private, page); err == nil || !strings.Contains(err.Error(), "again and again") {
		t.Errorf("P11 got %v, want an end", err)
	}
	f.handlers["tags"] = func(w http.ResponseWriter, r *http.Request) { // pages in a circle
		w.Header().Set("Link", `<?last=x>; rel="next"`)
		lists(map[bool]string{true: "a", false: "b"}[r.URL.Query().Get("last") == "b"])(w, r)
	}
	if err := f.reader().Tags(t.Context(), private, page); err == nil || !strings.Contains(err.Error(), "too many pages") {
		t.Errorf("P11 got %v, want an end", err)
	}
	if err := f.reader().Tags(t.Context(), "Org/python", page); err == nil {
		t.Error("got no error for an invalid name")
	}
}
