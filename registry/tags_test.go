package registry

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"docker-credential-cgr/token"
)

// linked answers with one tag and a Link header.
func linked(tag, link string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", link)
		lists(tag)(w, r)
	}
}

func TestTags(t *testing.T) {
	const path = "/v2/org/python/tags/list"
	f := newFake()
	f.handlers["tags"] = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path || r.URL.Query().Get("n") != "1000" {
			t.Errorf("got %s, want %s of 1,000", r.URL, path)
		}
		switch r.URL.Query().Get("last") {
		case "":
			linked("a", `<`+path+`?n=1000&last=a>; rel="next"`)(w, r)
		case "a":
			linked("b", `<?n=1000&last=b>;rel=next`)(w, r)
		default:
			lists("c")(w, r)
		}
	}
	if got, complete := f.tags(t); !complete || !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("got %q, complete %t, want all", got, complete)
	}
	f.wantAsked(t, "GET token", "GET tags", "GET tags", "GET tags")

	t.Run("no tags", func(t *testing.T) {
		for _, body := range []string{`{"name":"x","tags":null}`, `{}`} {
			f.handlers["tags"] = func(w http.ResponseWriter, _ *http.Request) { answer(w, "application/json", body) }
			if got, complete := f.tags(t); !complete || len(got) > 0 {
				t.Errorf("got %q, complete %t, want none", got, complete)
			}
		}
	})
	t.Run("no end", func(t *testing.T) {
		f := newFake()
		f.handlers["tags"] = linked("a", `<`+path+`?n=1000&last=a>; rel="next"`)
		if _, complete := f.tags(t); complete || f.count("GET tags") != maxTagPages {
			t.Errorf("got %d requests, complete %t, want %d", f.count("GET tags"), complete, maxTagPages)
		}
	})
	for name, body := range map[string]string{
		"I44 HTML": "<html>", "a list": `[]`, "a number": `{"tags":[1]}`, "no tag": `{"tags":["a b\u001b[2J"]}`, "an empty one": `{"tags":[""]}`, "a digest": `{"tags":["x@` + digest + `"]}`,
		"I45 5 MB": `{"tags":[` + strings.Repeat(" ", 5<<20) + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			f.handlers["tags"] = func(w http.ResponseWriter, _ *http.Request) { answer(w, "application/json", body) }
			if got, complete := f.tags(t); complete || len(got) > 0 {
				t.Errorf("got %q, complete %t, want none", got, complete)
			}
		})
	}
	t.Run("no repository", func(t *testing.T) {
		f.handlers["tags"] = refuses(404, "NAME_UNKNOWN")
		if got, complete := f.tags(t); complete || len(got) > 0 {
			t.Errorf("got %q, complete %t, want none", got, complete)
		}
	})
}

// A link is not followed, wherever it leads: the next page is asked of the registry itself.
func TestForeignLink(t *testing.T) {
	for _, link := range []string{"<https://evil.example/v2/org/python/tags/list?last=x>; rel=next", "</token?scope=x>; rel=next", "x"} {
		t.Run("I60 "+link, func(t *testing.T) {
			f := newFake()
			f.handlers["tags"] = func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Host != "cgr.dev" || r.URL.Path != "/v2/org/python/tags/list" {
					t.Errorf("got a request for %s, want the registry's list", r.URL)
				}
				if r.URL.Query().Get("last") == "a" {
					lists("b")(w, r)
					return
				}
				linked("a", link)(w, r)
			}
			if got, complete := f.tags(t); !complete || !slices.Equal(got, []string{"a", "b"}) {
				t.Errorf("got %q, complete %t, want both pages", got, complete)
			}
		})
	}
	t.Run("an incomplete list does not tell that a tag is missing", func(t *testing.T) {
		f := newFake()
		f.handlers["tags"], f.handlers["history"] = turns(linked("a", "x"), refuses(500, "")), api{}.ServeHTTP
		if _, err := f.reader().History(t.Context(), image, time.Time{}, time.Time{}); fmt.Sprint(err) != "cgr.dev/org/python: 3.13 has no recorded history" {
			t.Errorf("got %v, want that there is none", err)
		}
	})
}

func TestNearTags(t *testing.T) {
	missing := Reference{Repository: private, Tag: "3.14-dve"}
	f := newFake()
	f.handlers["manifest"], f.handlers["tags"] = refuses(404, "MANIFEST_UNKNOWN"), lists("latest", "3.13-dev", "3.14", "latest-dev", "3.14-dev", "3.14-dve")
	_, err := f.reader().Digest(t.Context(), missing, "")
	if oneLine(t, err); !strings.HasSuffix(err.Error(), `: there is no tag "3.14-dve" in it; similar tags: 3.14-dev, 3.14, 3.13-dev`) {
		t.Errorf("got %v, want the near tags", err)
	}
	f.wantAsked(t, "GET token", "GET manifest", "GET tags")

	t.Run("the tags cannot be had", func(t *testing.T) {
		for name, handler := range map[string]http.HandlerFunc{
			"none": lists(), "403": refuses(403, "FORBIDDEN"), "500": refuses(500, ""), "a page": func(w http.ResponseWriter, _ *http.Request) { answer(w, "text/html", "<html>") },
		} {
			f.handlers["tags"] = handler
			_, err := f.reader().Digest(t.Context(), missing, "")
			if oneLine(t, err); !strings.HasSuffix(err.Error(), `there is no tag "3.14-dve" in it`) {
				t.Errorf("%s: got %v, want the first error", name, err)
			}
		}
	})
	t.Run("the tags take long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			f.handlers["manifest"] = refuses(404, "MANIFEST_UNKNOWN")
			f.handlers["tags"] = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
			began := time.Now()
			_, err := f.reader().Digest(t.Context(), missing, "")
			if oneLine(t, err); time.Since(began) != similarTimeout || !strings.Contains(err.Error(), `there is no tag "3.14-dve" in it`) {
				t.Errorf("got %v after %s, want the first error after %s", err, time.Since(began), similarTimeout)
			}
		})
	})
	t.Run("nobody is asked for a credential", func(t *testing.T) {
		f.handlers["tags"] = refuses(403, "FORBIDDEN")
		r := f.reader()
		r.Credential = func(context.Context, bool) (*token.Credential, error) {
			t.Error("got asked for a credential, want not")
			return nil, errNobody
		}
		_, err := r.Digest(t.Context(), Reference{Repository: public}, "")
		oneLine(t, err)
	})
	t.Run("with a platform", func(t *testing.T) {
		f.handlers["tags"] = lists("3.14-dev")
		_, err := f.reader().Digest(t.Context(), missing, "linux/arm64")
		if oneLine(t, err); !strings.HasSuffix(err.Error(), "similar tags: 3.14-dev") {
			t.Errorf("got %v, want the near tag", err)
		}
	})
}

// Whatever a registry tells of its tags, they are tags, and only it is asked, a bounded
// number of times.
func FuzzTags(f *testing.F) {
	f.Add([]byte(`{"tags":["a","3.13"]}`), `</v2/org/python/tags/list?last=a>; rel="next"`)
	f.Add([]byte(`{"tags":["\u001b"]}`), `<https://evil.example/v2/org/python/tags/list>; rel=next`)
	f.Add([]byte(`{"tags":null}`), `<?x>;rel="first", <//cgr.dev/v2/org/python/tags/list?%00>; x; rel="a next"`)
	f.Fuzz(func(t *testing.T, body []byte, link string) {
		fake := newFake()
		fake.handlers["tags"] = func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Host != "cgr.dev" || r.URL.Scheme != "https" || r.URL.Path != "/v2/org/python/tags/list" || r.URL.User != nil {
				t.Errorf("got a request for %s, want the registry's list alone", r.URL)
			}
			w.Header().Set("Link", link)
			answer(w, "application/json", string(body))
		}
		tags, _ := fake.tags(t)
		if asked := fake.count("GET tags"); asked < 1 || asked > maxTagPages {
			t.Errorf("got %d requests, want 1 to %d", asked, maxTagPages)
		}
		for _, tag := range tags {
			if got, err := Parse("org/python:"+tag, "cgr.dev"); err != nil || got.Tag != tag {
				t.Errorf("got the tag %q, want one", tag)
			}
		}
	})
}

// tags lists the tags of the private repository for an error.
func (f *fake) tags(t *testing.T) (tags []string, isComplete bool) {
	t.Helper()
	l, err := f.reader().newLookup(Reference{Repository: private}, "")
	if err != nil {
		t.Fatal(err)
	}
	return l.tagsForError(t.Context())
}
