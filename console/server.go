package console

import (
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"docker-credential-cgr/signin/loopback"
)

// files are the page. They contain no secret, and are not templates.
//
//go:embed page.html entered.html refused.html console.css console.js
var files embed.FS

// The paths are below the server's base.
const (
	apiPath    = "api/tokens"
	alivePath  = "api/alive"
	keyName    = "key"
	cookieName = "cgr-console"
	// header is on every request of the page's script. Pages of other sites cannot send it
	// without a preflight, which is never granted.
	header = "Cgr-Console"
)

// server handles the requests of the page.
type server struct {
	*Console
	port    string
	base    string // of all paths; ends with a slash
	session string // the cookie's value
	idle    *idle
	ended   chan struct{} // closed when the page ends
	used    chan struct{} // closed when the key was used

	mu  sync.Mutex
	key string // in the address; empty once used
}

func newServer(c *Console, port int) *server {
	return &server{
		Console: c, port: strconv.Itoa(port), base: "/" + rand.Text() + "/", session: rand.Text(), key: rand.Text(),
		idle: newIdle(c.Idle), ended: make(chan struct{}), used: make(chan struct{}),
	}
}

// address returns the URL to open first.
func (s *server) address() string {
	return fmt.Sprintf("http://localhost:%s%s?%s=%s", s.port, s.base, keyName, s.key)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, below := strings.CutPrefix(r.URL.Path, s.base)
	switch {
	case !below:
		w.WriteHeader(http.StatusNotFound)
	case path == apiPath || path == alivePath:
		s.serveAPI(w, r, path)
	case path == "":
		s.servePage(w, r)
	case path == "console.css": // the page for those without a cookie needs it too
		serveFile(w, r, path, "text/css; charset=utf-8")
	case path == "console.js":
		serveFile(w, r, path, "text/javascript; charset=utf-8")
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// policy lets the page use its own files and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// servePage exchanges the key for a cookie, and serves the page to browsers with the cookie.
//
// After the exchange it serves a page that opens the address without the key. A redirect
// would not work: the browser may come from a file, which is another site, and would not
// send its new cookie along a redirect that began there.
func (s *server) servePage(w http.ResponseWriter, r *http.Request) {
	if !loopback.Allow(w, r, http.MethodGet) {
		return
	}
	query := r.URL.Query()
	switch {
	case query.Has(keyName) && !s.letIn(w, r, query.Get(keyName)), !query.Has(keyName) && !s.isIn(r):
		writeFile(w, http.StatusForbidden, "refused.html", "text/html; charset=utf-8")
	case query.Has(keyName):
		defer s.idle.begin()()
		writeFile(w, http.StatusOK, "entered.html", "text/html; charset=utf-8")
	default:
		defer s.idle.begin()()
		writeFile(w, http.StatusOK, "page.html", "text/html; charset=utf-8")
	}
}

// letIn exchanges the key for a cookie, once. Cookies are not isolated by port (RFC 6265,
// section 8.5), so the cookie's path separates it from other servers on localhost.
func (s *server) letIn(w http.ResponseWriter, r *http.Request, key string) bool {
	if !loopback.IsNavigation(r) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key == "" || subtle.ConstantTimeCompare([]byte(key), []byte(s.key)) != 1 {
		return false
	}
	s.key = ""
	close(s.used)
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: s.session, Path: s.base, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	return true
}

// isIn reports whether a request has the cookie. Another server on localhost may have set
// one with the same name too.
func (s *server) isIn(r *http.Request) bool {
	return slices.ContainsFunc(r.CookiesNamed(cookieName), func(c *http.Cookie) bool {
		return subtle.ConstantTimeCompare([]byte(c.Value), []byte(s.session)) == 1
	})
}

func serveFile(w http.ResponseWriter, r *http.Request, name, kind string) {
	if loopback.Allow(w, r, http.MethodGet) {
		writeFile(w, http.StatusOK, name, kind)
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
	// An incomplete page does no harm.
	_, _ = w.Write(text)
}

// serveAPI answers the page's script.
func (s *server) serveAPI(w http.ResponseWriter, r *http.Request, path string) {
	methods := []string{http.MethodGet, http.MethodPost, http.MethodDelete}
	if path == alivePath {
		methods = methods[:1]
	}
	if !loopback.Allow(w, r, methods...) {
		return
	}
	if !s.isIn(r) {
		writeError(w, http.StatusForbidden, "this page has no session: start the console again")
		return
	}
	if !fromPage(r) {
		writeError(w, http.StatusForbidden, "the request does not come from the console's own page")
		return
	}
	if path == alivePath {
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

// fromPage reports whether a request comes from the page's own script. Browsers send the
// origin of every request that can change something. The cookie alone is not enough: to
// browsers, all ports of localhost are one site.
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

// alive sends a response that ends when the page does, so that the page can tell the user.
// Waiting for it does not count as using the page.
func (s *server) alive(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush() // otherwise sent at the end
	select {
	case <-s.ended:
		_, _ = io.WriteString(w, "ended\n")
	case <-r.Context().Done():
	}
}
