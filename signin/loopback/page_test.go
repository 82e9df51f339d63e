package loopback

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	w := httptest.NewRecorder()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writePage(w, Page{Title: `<b>"title"</b>`, Text: "<script>alert('{title}')</script>&"})
	})
	r := httptest.NewRequest(http.MethodGet, "http://localhost:1/", nil)
	Guard(1, pagePolicy(), page).ServeHTTP(w, r)
	body := w.Body.String()
	if strings.Contains(body, "<script") || strings.Contains(body, "<b>") {
		t.Errorf("I71 got %s, want what is filled in escaped", body)
	}
	if !strings.Contains(body, "&lt;script&gt;alert(&#39;") {
		t.Errorf("I71 got %s, want the text shown", body)
	}
	if remote := regexp.MustCompile(`(?i)(src|href|url\(|@import|http-equiv)`).FindString(body); remote != "" {
		t.Errorf("S13 got %q in the page, want nothing that is fetched", remote)
	}
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(body)
	if style == nil {
		t.Fatal("got no style sheet, want one")
	}
	sum := sha256.Sum256([]byte(style[1]))
	policy := w.Header().Get("Content-Security-Policy")
	if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
		t.Errorf("got policy %q, want the page's own style sheet %s allowed", policy, want)
	}
	for name, part := range map[string]string{
		"Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Content-Type": "text/html; charset=utf-8",
	} {
		if got := w.Header().Get(name); !strings.Contains(got, part) {
			t.Errorf("I71 %s: got %q, want %q in it", name, got, part)
		}
	}
	if !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("S15 got policy %q, want frames refused", policy)
	}
}
