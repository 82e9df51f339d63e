package fakeplatform

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// librariesName is the name below the registry's of the host that serves packages.
const librariesName = "libraries."

// The packages that the registry's server has, for that host too.
const (
	pythonPath  = "/python/"
	pythonIndex = pythonPath + "simple/hello-cgr/"
	pythonWheel = "hello_cgr-1.0-py3-none-any.whl"

	javascriptPath    = "/javascript/"
	javascriptPackage = javascriptPath + "hello-cgr"
	javascriptArchive = javascriptPackage + "/-/hello-cgr-1.0.0.tgz"
)

// servePython is an index of one package (PEP 503), for callers with Basic credentials.
func (p *Platform) servePython(w http.ResponseWriter, r *http.Request) {
	if _, _, isBasic := r.BasicAuth(); !isBasic || !p.mayReadPackages(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="libraries"`)
		http.Error(w, "authentication required", http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case pythonIndex:
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, "<!DOCTYPE html><a href=%q>%[1]s</a>", pythonPath+pythonWheel)
	case pythonPath + pythonWheel:
		http.ServeContent(w, r, pythonWheel, time.Time{}, bytes.NewReader(helloWheel()))
	default:
		http.NotFound(w, r)
	}
}

// serveJavaScript is an npm registry of one package
// (https://github.com/npm/registry/blob/main/docs/REGISTRY-API.md), for callers with Basic or Bearer credentials.
func (p *Platform) serveJavaScript(w http.ResponseWriter, r *http.Request) {
	if !p.mayReadPackages(r) {
		http.Error(w, "authentication required", http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case javascriptPackage:
		archive := helloArchive()
		hash := sha512.Sum512(archive)
		address := strings.TrimSuffix(p.Registry, p.RegistryHost()) + r.Host + javascriptArchive
		writeJSON(w, http.StatusOK, map[string]any{
			"name": "hello-cgr", "dist-tags": map[string]string{"latest": "1.0.0"},
			"versions": map[string]any{"1.0.0": map[string]any{
				"name": "hello-cgr", "version": "1.0.0",
				"dist": map[string]string{"tarball": address, "integrity": "sha512-" + base64.StdEncoding.EncodeToString(hash[:])},
			}},
		})
	case javascriptArchive:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(helloArchive()))
	default:
		http.NotFound(w, r)
	}
}

// mayReadPackages reports whether the caller has a credential.
func (p *Platform) mayReadPackages(r *http.Request) bool {
	who, refused := p.registryCaller(r)
	return refused == nil && who != anonymous
}

// helloArchive returns an npm package with one module.
func helloArchive() []byte {
	var b bytes.Buffer
	compressed := gzip.NewWriter(&b)
	w := tar.NewWriter(compressed)
	for _, file := range [][2]string{
		{"package/package.json", `{"name":"hello-cgr","version":"1.0.0"}`},
		{"package/index.js", "console.log('hello')\n"},
	} {
		err := w.WriteHeader(&tar.Header{Name: file[0], Size: int64(len(file[1])), Mode: 0o644})
		if err == nil {
			_, err = w.Write([]byte(file[1]))
		}
		if err != nil {
			panic(fmt.Sprintf("fakeplatform: writing an archive to memory: %v", err))
		}
	}
	if err := errors.Join(w.Close(), compressed.Close()); err != nil {
		panic(fmt.Sprintf("fakeplatform: writing an archive to memory: %v", err))
	}
	return b.Bytes()
}

// helloWheel returns a wheel with one module (https://packaging.python.org, "Binary distribution format").
func helloWheel() []byte {
	const info = "hello_cgr-1.0.dist-info/"
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, file := range [][2]string{
		{"hello_cgr.py", "print('hello')\n"},
		{info + "METADATA", "Metadata-Version: 2.1\nName: hello-cgr\nVersion: 1.0\n"},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: fakeplatform\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{info + "RECORD", "hello_cgr.py,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n"},
	} {
		f, err := w.Create(file[0])
		if err == nil {
			_, err = f.Write([]byte(file[1]))
		}
		if err != nil {
			panic(fmt.Sprintf("fakeplatform: writing a wheel to memory: %v", err))
		}
	}
	if err := w.Close(); err != nil {
		panic(fmt.Sprintf("fakeplatform: writing a wheel to memory: %v", err))
	}
	return b.Bytes()
}
