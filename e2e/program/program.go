// Package program builds docker-credential-cgr for the tests that run it.
package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Name is the name by which Docker finds the program.
const Name = "docker-credential-cgr"

// Root returns the folder of the product's module.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Shipped returns the flags of go build for a release. The Makefile has the same.
func Shipped() []string {
	return []string{"-trimpath", "-ldflags=-s -w"}
}

// Build builds the program into dir and returns its path. The program has the race detector if this
// package has.
func Build(dir string) (string, error) {
	var args []string
	if race {
		args = append(args, "-race")
	}
	return build(dir, runtime.GOOS, args)
}

// BuildFor builds the program for a system into dir and returns its path. It has no C code, as in a release. Its paths
// are not trimmed, so that it uses what .ci/lint has compiled.
func BuildFor(dir, system, architecture string) (string, error) {
	return build(dir, system, nil, "GOOS="+system, "GOARCH="+architecture, "CGO_ENABLED=0")
}

func build(dir, system string, args []string, environ ...string) (string, error) {
	path := filepath.Join(dir, Name)
	if system == "windows" {
		path += ".exe"
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, args...), ".")...)
	cmd.Dir = Root()
	// A Go workspace would change the module that is built.
	cmd.Env = append(append(os.Environ(), "GOWORK=off"), environ...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build %s: %w\n%s", Name, err, out)
	}
	return path, nil
}
