package fakeplatform

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"time"
)

// The Python package that the registry's host serves, as libraries.cgr.dev does.
const (
	pythonPath  = "/python/"
	pythonIndex = pythonPath + "simple/hello-cgr/"
	pythonWheel = "hello_cgr-1.0-py3-none-any.whl"
)

// servePython is an index of one package (PEP 503), for callers with Basic credentials.
func (p *Platform) servePython(w http.ResponseWriter, r *http.Request) {
	who, refused := p.packageCaller(r)
	if _, _, isBasic := r.BasicAuth(); !isBasic || refused != nil || who == anonymous {
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
