package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
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
			linked("b", `<https://cgr.dev:443`+path+`?n=1000&last=b>; rel="next"`)(w, r)
		case "b":
			linked("c", `<?n=1000&last=c>;rel=next`)(w, r)
		default:
			lists("d")(w, r)
		}
	}
	got, err := f.reader().listTags(t.Context(), private)
	if want := []string{"a", "b", "c", "d"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	f.wantAsked(t, "GET token", "GET tags", "GET tags", "GET tags", "GET tags")

	t.Run("without a credential where that is enough", func(t *testing.T) {
		f := newFake()
		f.handlers["tags"] = unless(refuses(403, "FORBIDDEN"), lists("a"))
		if got, err := f.reader().listTags(t.Context(), public); err != nil || !slices.Equal(got, []string{"a"}) {
			t.Errorf("got %q, %v", got, err)
		}
		f.wantAsked(t, "GET token anonymous", "GET tags", "GET token", "GET tags")
	})
	t.Run("no tags", func(t *testing.T) {
		for _, body := range []string{`{"name":"x","tags":null}`, `{}`} {
			f.handlers["tags"] = func(w http.ResponseWriter, _ *http.Request) { answer(w, "application/json", body) }
			if got, err := f.reader().listTags(t.Context(), private); err != nil || len(got) > 0 {
				t.Errorf("got %q, %v, want none", got, err)
			}
		}
	})
	t.Run("no end", func(t *testing.T) {
		f := newFake()
		f.handlers["tags"] = linked("a", `<`+path+`?n=1000&last=a>; rel="next"`)
		if _, err := f.reader().listTags(t.Context(), private); err != nil || f.count("GET tags") != maxTagPages {
			t.Errorf("got %d requests, %v, want %d", f.count("GET tags"), err, maxTagPages)
		}
	})
	for name, body := range map[string]string{
		"I44 HTML": "<html>", "a list": `[]`, "a number": `{"tags":[1]}`, "no tag": `{"tags":["a b\u001b[2J"]}`, "an empty one": `{"tags":[""]}`, "a digest": `{"tags":["x@` + digest + `"]}`,
		"I45 5 MB": `{"tags":[` + strings.Repeat(" ", 5<<20) + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			f.handlers["tags"] = func(w http.ResponseWriter, _ *http.Request) { answer(w, "application/json", body) }
			got, err := f.reader().listTags(t.Context(), private)
			if oneLine(t, err); len(got) > 0 || !strings.Contains(err.Error(), "the tags of org/python") {
				t.Errorf("got %q, %v, want none, and what was asked", got, err)
			}
		})
	}
	t.Run("no repository", func(t *testing.T) {
		f.handlers["tags"] = refuses(404, "NAME_UNKNOWN")
		_, err := f.reader().listTags(t.Context(), private)
		if oneLine(t, err); !strings.Contains(err.Error(), "there is no repository org/python") {
			t.Errorf("got %v", err)
		}
		for _, repository := range []string{"", "python", "org/python:3.13", "org/python@" + digest} {
			_, err := f.reader().listTags(t.Context(), repository)
			oneLine(t, err)
		}
	})
}

// A link to another host or path is not followed, and the list is not complete.
func TestForeignLink(t *testing.T) {
	for _, link := range []string{
		"https://evil.example/v2/org/python/tags/list?last=a", "//evil.example/v2/org/python/tags/list?last=a", "http://cgr.dev/v2/org/python/tags/list?last=a", "http://cgr.dev:443/v2/org/python/tags/list?last=a",
		"https://cgr.dev:8443/v2/org/python/tags/list?last=a", "https://user:x@cgr.dev/v2/org/python/tags/list?last=a", "https://cgr.dev.evil.example/v2/org/python/tags/list?last=a",
		"/v2/org/other/tags/list?last=a", "/token?scope=x", "/v2/org/python/tags/list/../../other/tags/list?last=a", "/v2/org/python/tags%2flist?last=a", "file:///v2/org/python/tags/list?last=a", "/v2/org/python/tags/list", "ht\ttp://x", "%zz",
	} {
		t.Run("I60 "+link, func(t *testing.T) {
			f := newFake()
			f.handlers["tags"], f.handlers["history"] = linked("a", "<"+link+`>; rel="next"`), api{}.ServeHTTP
			if got, err := f.reader().listTags(t.Context(), private); err != nil || !slices.Equal(got, []string{"a"}) {
				t.Errorf("got %q, %v, want what was told", got, err)
			}
			if got := f.count("GET tags"); got != 1 {
				t.Errorf("got %d requests, want 1", got)
			}
			if _, err := f.reader().History(t.Context(), image, time.Time{}, time.Time{}); fmt.Sprint(err) != "cgr.dev/org/python: 3.13 has no recorded history" {
				t.Errorf("got %v, want that there is none", err)
			}
		})
	}
	// Other headers are not understood, so the list is not complete.
	for _, header := range []string{"x", "<", "<a", "<a>x", `<a>; rel="next`, "<a>; rel=", "<a>; rel=next x", "<a>; rel=prev", "<a>; rel=next, <b>; rel=next"} {
		if query, last := client(t, "https://cgr.dev").nextPage([]string{header}, "/v2/org/python/tags/list"); query != "" || last {
			t.Errorf("%q: got %q, last %v, want neither", header, query, last)
		}
	}
}

func TestNearTags(t *testing.T) {
	missing := Reference{Repository: private, Tag: "3.14-dve"}
	f := newFake()
	f.handlers["manifest"], f.handlers["tags"] = refuses(404, "MANIFEST_UNKNOWN"), lists("latest", "3.13-dev", "3.14", "latest-dev", "3.14-dev", "3.14-dve")
	_, err := f.reader().Digest(t.Context(), missing, "")
	if oneLine(t, err); !strings.HasSuffix(err.Error(), `: there is no tag "3.14-dve" in it; similar tags: 3.14-dev, 3.14, 3.13-dev`) {
		t.Errorf("got %v, want the near tags", err)
	}
	f.wantAsked(t, "GET token", "HEAD manifest", "GET manifest", "GET tags")

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
		tags, err := fake.reader().listTags(t.Context(), private)
		if asked := fake.count("GET tags"); asked < 1 || asked > maxTagPages {
			t.Errorf("got %d requests, want 1 to %d", asked, maxTagPages)
		}
		if err != nil {
			oneLine(t, err)
		}
		for _, tag := range tags {
			if got, err := Parse("org/python:"+tag, "cgr.dev"); err != nil || got.Tag != tag {
				t.Errorf("got the tag %q, want one", tag)
			}
		}
		c := Client{URL: &url.URL{Scheme: "https", Host: "cgr.dev"}}
		if query, last := c.nextPage([]string{link}, "/v2/org/python/tags/list"); last && query != "" {
			t.Errorf("%q: got the next page %q after the last", link, query)
		}
	})
}

// listTags lists the tags of a repository ("org/image") in the registry's order: the first
// 20 pages of 1,000.
func (r *Reader) listTags(ctx context.Context, repository string) ([]string, error) {
	l, err := r.newLookup(Reference{Repository: repository}, "")
	if err != nil {
		return nil, err
	}
	tags, _, err := l.listTags(ctx, l.withToken)
	if err != nil {
		return nil, err
	}
	return tags, nil
}
