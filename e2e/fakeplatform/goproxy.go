package fakeplatform

import (
	"archive/zip"
	"bytes"
	"net/http"
	"strings"
)

// GoModule is the module that the platform's Go module proxy has, in version v1.0.0.
const GoModule = "example.com/hello"

// goProxyPath is the path of the Go module proxy (https://go.dev/ref/mod#goproxy-protocol).
const goProxyPath = "/go/"

// serveGo is a module proxy with one module.
func (p *Platform) serveGo(w http.ResponseWriter, r *http.Request) {
	if !p.mayReadPackages(r) {
		http.Error(w, "authentication required", http.StatusUnauthorized)
		return
	}
	const mod = "module " + GoModule + "\n"
	switch strings.TrimPrefix(r.URL.Path, goProxyPath+GoModule+"/@v/v1.0.0") {
	case ".info":
		writeJSON(w, http.StatusOK, map[string]string{"Version": "v1.0.0"})
	case ".mod":
		_, _ = w.Write([]byte(mod)) // fails only if the client disconnects
	case ".zip":
		var archive bytes.Buffer
		z := zip.NewWriter(&archive)
		f, err := z.Create(GoModule + "@v1.0.0/go.mod")
		if err == nil {
			_, err = f.Write([]byte(mod))
		}
		if err != nil || z.Close() != nil {
			http.Error(w, "cannot write the module", http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(archive.Bytes()) // as above
	default:
		http.NotFound(w, r)
	}
}
