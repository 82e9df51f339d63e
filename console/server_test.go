package console

import (
	"crypto/rand"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func (f *fixture) wantRefused(r *http.Request) {
	f.t.Helper()
	w := f.wantStatus(r, http.StatusForbidden)
	if !strings.Contains(w.Body.String(), "console") {
		f.t.Errorf("got %s, want what to do", w.Body)
	}
	if w.Header().Get("Set-Cookie") != "" || w.Header().Get("Location") != "" {
		f.t.Errorf("got the headers %v, want neither a cookie nor an address", w.Header())
	}
}

func TestKey(t *testing.T) {
	f := newFixture(t)
	if !regexp.MustCompile(`^http://localhost:4711/[A-Z2-7]{26}/\?key=[A-Z2-7]{26}$`).MatchString(f.address()) {
		t.Fatalf("got the address %s, want a path and a key of 130 bits each", f.address())
	}
	address := strings.TrimPrefix(f.address(), "http://"+host+f.base)
	for name, key := range map[string]string{"wrong": rand.Text(), "empty": "", "short": f.key[:25], "long": f.key + "A", "of the cookie": f.session} {
		t.Run("I72 key "+name, func(t *testing.T) { f.wantRefused(f.get("?key=" + key)) })
	}
	t.Run("I72 another's name for the address", func(t *testing.T) {
		r := f.get(address)
		r.Host = "rebound.example:4711"
		f.wantStatus(r, http.StatusMisdirectedRequest)
	})
	for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodPut} {
		t.Run("I72 key by "+method, func(t *testing.T) {
			r := f.get(address)
			r.Method = method
			f.wantStatus(r, http.StatusMethodNotAllowed)
		})
	}
	t.Run("I72 in a frame", func(t *testing.T) {
		r := f.get(address)
		r.Header.Set("Sec-Fetch-Dest", "iframe")
		f.wantRefused(r)
	})
	select {
	case <-f.used:
		t.Error("the key counts as used, want it left")
	default:
	}
	// The browser comes from a file, or from nowhere.
	first := f.get(address)
	first.Header.Set("Sec-Fetch-Site", "cross-site")
	first.Header.Set("Sec-Fetch-Dest", "document")
	w := f.wantStatus(first, http.StatusOK)
	if !strings.Contains(w.Body.String(), `<meta http-equiv="refresh" content="0;url=./">`) || strings.Contains(w.Body.String(), "New pull token") {
		t.Errorf("I69 got %s, want a page that goes on to the address without the key", w.Body)
	}
	<-f.used
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("got the cookies %v, want one", cookies)
	}
	c := cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != f.base || c.Domain != "" || c.MaxAge != 0 {
		t.Errorf("I72 got the cookie %v, want it for scripts of no site, for this path alone, in this window alone", c)
	}
	if c.Value == "" || strings.Contains(address, c.Value) {
		t.Errorf("got a cookie that the address holds")
	}
	t.Run("I72 key replayed", func(t *testing.T) {
		f.wantRefused(f.get(address))
		f.wantRefused(f.get("?key=")) // the key that is left
		again := f.get(address)
		again.AddCookie(c)
		f.wantRefused(again)
	})
	page := f.get("")
	page.AddCookie(&http.Cookie{Name: c.Name, Value: "of another program on this machine"})
	page.AddCookie(c)
	if w := f.wantStatus(page, http.StatusOK); !strings.Contains(w.Body.String(), "New pull token") {
		t.Errorf("got %s, want the page", w.Body)
	}
}

func TestNoCookie(t *testing.T) {
	f := newFixture(t)
	f.wantRefused(f.get(""))
	for name, cookie := range map[string]string{"none": "", "wrong": "cgr-console=wrong", "of another name": "cgr-consoles=" + f.session, "empty": "cgr-console="} {
		t.Run("I72 cookie "+name, func(t *testing.T) {
			for method, body := range map[string]string{http.MethodGet: "", http.MethodPost: creation, http.MethodDelete: revocation} {
				r := f.request(method, apiPath, body)
				r.Header.Set("Cookie", cookie)
				f.wantRefused(r)
			}
			alive := f.request(http.MethodGet, alivePath, "")
			alive.Header.Set("Cookie", cookie)
			f.wantRefused(alive)
		})
	}
	f.wantUnchanged()
}

func TestForeign(t *testing.T) {
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"I72 Origin of another site", set("Origin", "https://evil.example"), 403},
		{"I72 Origin null", set("Origin", "null"), 403},
		{"I72 Origin of another port", set("Origin", "http://localhost:4712"), 403},
		{"I72 Origin of another name for us", set("Origin", "http://127.0.0.1:4711"), 403},
		{"I72 Origin over TLS", set("Origin", "https://"+host), 403},
		{"I72 Origin that begins like ours", set("Origin", "http://"+host+".evil.example"), 403},
		{"I72 Origin empty", set("Origin", ""), 403},
		{"I72 Origin absent", func(r *http.Request) { r.Header.Del("Origin") }, 403},
		{"I72 Origin absent, Referer ours", func(r *http.Request) { r.Header.Del("Origin"); r.Header.Set("Referer", "http://"+host+"/") }, 403},
		{"I72 Origin twice", func(r *http.Request) { r.Header.Add("Origin", "http://"+host) }, 403},
		{"I72 from another site", set("Sec-Fetch-Site", "cross-site"), 403},
		{"I72 from another port", set("Sec-Fetch-Site", "same-site"), 403},
		{"I72 no header of the page", func(r *http.Request) { r.Header.Del(header) }, 403},
		{"I72 another's header", set(header, "2"), 403},
		{"I72 DNS rebinding", func(r *http.Request) {
			r.Host = "rebound.example:4711"
			r.Header.Set("Origin", "http://rebound.example:4711")
		}, 421},
		{"I72 Host without a port", func(r *http.Request) { r.Host = "localhost" }, 421},
		{"I72 Host with another port", func(r *http.Request) { r.Host = "localhost:80" }, 421},
		{"I72 Host absent", func(r *http.Request) { r.Host = "" }, 421},
		{"I72 Host that begins like ours", func(r *http.Request) { r.Host = "localhost.evil.example:4711" }, 421},
		{"I72 Host that ends like ours", func(r *http.Request) { r.Host = "evil.localhost:4711" }, 421},
		{"I72 Host 0.0.0.0", func(r *http.Request) { r.Host = "0.0.0.0:4711" }, 421},
		{"I72 form", set("Content-Type", "application/x-www-form-urlencoded"), 415},
		{"I72 form with a file", set("Content-Type", "multipart/form-data; boundary=x"), 415},
		{"I72 form of text", set("Content-Type", "text/plain"), 415},
		{"I72 form of text that says JSON", set("Content-Type", "text/plain; application/json"), 415},
		{"I72 no type", func(r *http.Request) { r.Header.Del("Content-Type") }, 415},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			for method, body := range map[string]string{http.MethodPost: creation, http.MethodDelete: revocation} {
				r := f.request(method, apiPath, body)
				test.change(r)
				w := f.wantStatus(r, test.status)
				if w.Header().Get("Access-Control-Allow-Origin") != "" {
					t.Error("got another origin allowed, want none")
				}
			}
			f.wantUnchanged()
		})
	}
	t.Run("I72 list for another origin", func(t *testing.T) {
		f := newFixture(t)
		r := f.request(http.MethodGet, apiPath, "")
		r.Header.Set("Origin", "http://localhost:4712")
		f.wantStatus(r, http.StatusForbidden)
	})
}

func TestOwnNames(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"localhost:4711", "127.0.0.1:4711", "[::1]:4711"} {
		r := f.request(http.MethodDelete, apiPath, revocation)
		r.Host = name
		r.Header.Set("Origin", "http://"+name)
		f.wantStatus(r, http.StatusOK)
	}
}

func TestMethods(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"HEAD", "", 405}, {"POST", "", 405}, {"DELETE", "", 405}, {"POST", "console.js", 405}, {"HEAD", "console.css", 405},
		{"HEAD", apiPath, 405}, {"PUT", apiPath, 405}, {"PATCH", apiPath, 405}, {"TRACE", apiPath, 405}, {"POST", alivePath, 405},
		{"OPTIONS", apiPath, 204}, {"OPTIONS", "", 204},
		{"GET", apiPath + "?id=" + pullID, 200}, {"GET", apiPath + "/" + pullID + "/revoke", 404}, {"GET", apiPath + "?method=DELETE", 200},
		{"GET", "..%2fserver.go", 404}, {"GET", "../server.go", 404}, {"GET", "/", 404}, {"GET", "server.go", 404}, {"GET", "refused.html", 404},
		{"GET", "page.html", 404}, {"GET", "entered.html", 404}, {"GET", "%2e%2e/%2e%2e/etc/passwd", 404}, {"GET", `..\..\windows\win.ini`, 404},
		{"GET", "console.css/..", 404}, {"GET", "console.css", 200}, {"GET", "console.js", 200}, {"GET", "favicon.ico", 404},
	} {
		t.Run("I72 "+test.method+" "+test.path, func(t *testing.T) {
			f := newFixture(t)
			r := f.request(test.method, "", creation)
			path, query, _ := strings.Cut(test.path, "?")
			r.URL.Path = f.base + strings.NewReplacer("%2f", "/", "%2e", ".").Replace(path) // Parse would clean it
			r.URL.RawQuery = query
			w := f.wantStatus(r, test.status)
			for name := range w.Header() {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("got %s, want a preflight granted nothing", name)
				}
			}
			if test.status == 405 && w.Header().Get("Allow") == "" {
				t.Error("got no Allow, want the methods (RFC 9110, section 15.5.6)")
			}
			f.wantUnchanged()
		})
	}
	for _, base := range []string{"/", "//", "", "/" + rand.Text() + "/", strings.ToLower(f.base), f.base[:len(f.base)-1], "/." + f.base} {
		for _, path := range []string{"", apiPath, "console.css", "?key=" + f.key} {
			r := f.request(http.MethodGet, "", "")
			r.URL.Path, r.URL.RawQuery, _ = strings.Cut(base+path, "?")
			if w := f.serve(r); w.Code != http.StatusNotFound || w.Body.Len() > 0 {
				t.Errorf("I72 got status %d at %q, want 404 beside the base", w.Code, base+path)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	f := newFixture(t)
	for name, r := range map[string]*http.Request{
		"page": f.request("GET", "", ""), "refusal": f.get(""), "list": f.request("GET", apiPath, ""), "script": f.request("GET", "console.js", ""),
		"new token": f.request("POST", apiPath, creation), "nothing": f.request("GET", "none", ""), "preflight": f.request("OPTIONS", apiPath, ""),
	} {
		h := f.serve(r).Header()
		for header, want := range map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		} {
			if got := h.Get(header); got != want {
				t.Errorf("S15 %s: got %s %q, want %q", name, header, got, want)
			}
		}
	}
}

// TestFiles keeps the page small, and free of what its policy would refuse.
func TestFiles(t *testing.T) {
	entries, err := files.ReadDir(".")
	if err != nil || len(entries) != 5 {
		t.Fatalf("got %v, %v, want five files", entries, err)
	}
	size := 0
	for _, entry := range entries {
		text, err := files.ReadFile(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		size += len(text)
		for what, pattern := range map[string]string{
			"S13 what is fetched from elsewhere": `(?i)https?:|["'(]//|@import|url\(`,
			"S15 an inline script or style":      `(?i)<script>|<style|\sstyle=|\son[a-z]+=|javascript:`,
			"P13 markup made of text":            `innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser`,
			"P13 a place that stays":             `localStorage|sessionStorage|indexedDB|document\.cookie|pushState|replaceState`,
		} {
			if found := regexp.MustCompile(pattern).Find(text); found != nil {
				t.Errorf("%s holds %q: %s", entry.Name(), found, what)
			}
		}
	}
	if size > 40<<10 {
		t.Errorf("got %d bytes, want at most 40 KB", size)
	}
}
