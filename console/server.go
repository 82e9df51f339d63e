package console

import (
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// files is the page. Nothing of it is a secret, and nothing of it is made while it runs.
//
//go:embed page.html refused.html console.css console.js
var files embed.FS

const (
	apiPath   = "/api/tokens"
	alivePath = "/api/alive"
	keyName   = "key"
	// header comes with every request of the page's script. No other site's page can
	// send it without a preflight, and none is granted.
	header = "Cgr-Console"
)

// server answers the requests to the page.
type server struct {
	*Console
	port    string
	session string // the cookie's value
	idle    *idle
	ended   chan struct{} // closed when the page ends

	mu  sync.Mutex
	key string // in the address; empty once used
}

func newServer(c *Console, port int) *server {
	return &server{
		Console: c, port: strconv.Itoa(port), session: random(), key: random(),
		idle: newIdle(c.Idle), ended: make(chan struct{}),
	}
}

// random is a secret of 32 bytes, for an URL or a cookie.
func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// address is where a browser has to be sent first.
func (s *server) address() string {
	return fmt.Sprintf("http://localhost:%s/?%s=%s", s.port, keyName, s.key)
}

// cookieName holds the port, because cookies know none: two consoles would take each
// other's (RFC 6265, section 8.5).
func (s *server) cookieName() string { return "cgr-console-" + s.port }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	switch {
	case !s.ownHost(r.Host):
		// Another name for this address: DNS rebinding (RFC 9110, section 15.5.20).
		w.WriteHeader(http.StatusMisdirectedRequest)
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent) // a preflight, granted nothing
	case r.URL.Path == apiPath || r.URL.Path == alivePath:
		s.serveAPI(w, r)
	case r.URL.Path == "/":
		s.servePage(w, r)
	case r.URL.Path == "/console.css": // the page for those without a cookie needs it too
		s.serveFile(w, r, "text/css; charset=utf-8")
	case r.URL.Path == "/console.js":
		s.serveFile(w, r, "text/javascript; charset=utf-8")
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// setHeaders sets the headers that every answer has. The page may use its own files, and
// nothing else; nobody may frame it, link to it with a handle on it, or keep it.
func setHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

func (s *server) ownHost(host string) bool {
	return slices.Contains([]string{"localhost:" + s.port, "127.0.0.1:" + s.port, net.JoinHostPort("::1", s.port)}, host)
}

// only refuses other methods than those allowed.
func only(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if slices.Contains(methods, r.Method) {
		return true
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	w.WriteHeader(http.StatusMethodNotAllowed)
	return false
}

// servePage lets in whoever has the key, and shows the page to those who are in. 303
// takes the key out of the address, and is not cached, as 301 and 308 would be.
func (s *server) servePage(w http.ResponseWriter, r *http.Request) {
	if !only(w, r, http.MethodGet) {
		return
	}
	query := r.URL.Query()
	switch {
	case query.Has(keyName) && !s.letIn(w, r, query.Get(keyName)), !query.Has(keyName) && !s.isIn(r):
		writeFile(w, http.StatusForbidden, "refused.html", "text/html; charset=utf-8")
	case query.Has(keyName):
		defer s.idle.begin()()
		w.Header().Set("Location", "/")
		w.WriteHeader(http.StatusSeeOther)
	default:
		defer s.idle.begin()()
		writeFile(w, http.StatusOK, "page.html", "text/html; charset=utf-8")
	}
}

// letIn exchanges the key for a cookie, once.
func (s *server) letIn(w http.ResponseWriter, r *http.Request, key string) bool {
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		return false // a script, an image, a frame: nobody looks at it
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key == "" || subtle.ConstantTimeCompare([]byte(key), []byte(s.key)) != 1 {
		return false
	}
	s.key = ""
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(), Value: s.session, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	return true
}

// isIn says whether a request has the cookie. Another program on this machine may have
// set one of the same name beside it.
func (s *server) isIn(r *http.Request) bool {
	return slices.ContainsFunc(r.CookiesNamed(s.cookieName()), func(c *http.Cookie) bool {
		return subtle.ConstantTimeCompare([]byte(c.Value), []byte(s.session)) == 1
	})
}

// serveFile answers with the file that the path names.
func (s *server) serveFile(w http.ResponseWriter, r *http.Request, kind string) {
	if only(w, r, http.MethodGet) {
		writeFile(w, http.StatusOK, strings.TrimPrefix(r.URL.Path, "/"), kind)
	}
}

func writeFile(w http.ResponseWriter, status int, name, kind string) {
	text, err := files.ReadFile(name)
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	// A page that went out in part is of no consequence.
	_, _ = w.Write(text)
}

// serveAPI answers the page's script.
func (s *server) serveAPI(w http.ResponseWriter, r *http.Request) {
	methods := []string{http.MethodGet, http.MethodPost, http.MethodDelete}
	if r.URL.Path == alivePath {
		methods = methods[:1]
	}
	if !only(w, r, methods...) {
		return
	}
	if !s.isIn(r) {
		writeError(w, http.StatusForbidden, "this page is not signed in; run: docker-credential-cgr console")
		return
	}
	if !fromPage(r) {
		writeError(w, http.StatusForbidden, "the request does not come from the console's own page")
		return
	}
	if r.URL.Path == alivePath {
		s.alive(w, r)
		return
	}
	defer s.idle.begin()()
	switch r.Method {
	case http.MethodGet:
		s.list(w, r)
	case http.MethodPost:
		s.create(w, r)
	case http.MethodDelete:
		s.revoke(w, r)
	}
}

// fromPage says whether a request comes from the page's own script. Browsers name the
// origin of whatever can change something; what has none comes from no browser. The
// cookie alone is not enough: to browsers all ports of localhost are one site.
func fromPage(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	if r.Header.Get(header) != "1" {
		return false
	}
	if r.Method == http.MethodGet && len(origins) == 0 {
		return true
	}
	return len(origins) == 1 && origins[0] == "http://"+r.Host
}

// alive is an answer that ends when the page does, so that the page can say so. Waiting
// for it is no use of the page.
func (s *server) alive(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush() // it goes out at the end at the latest
	select {
	case <-s.ended:
		_, _ = io.WriteString(w, "ended\n")
	case <-r.Context().Done():
	}
}
