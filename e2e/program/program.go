// Package program builds docker-credential-cgr for the tests that run it.
package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Name is what the program has to be called for Docker to find it.
const Name = "docker-credential-cgr"

// Root is the folder of the product's module.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Shipped are the flags of go build for the program as it is shipped. The Makefile
// has the same.
func Shipped() []string {
	return []string{"-trimpath", "-ldflags=-s -w"}
}

// Build builds the program into the folder dir and gives its path. Where this
// package was built with the race detector, so is the program.
func Build(dir string) (string, error) {
	path := filepath.Join(dir, Name)
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	args := []string{"build", "-o", path}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Dir = Root()
	// A workspace of whoever runs the tests is not the module that is shipped.
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build %s: %w\n%s", Name, err, out)
	}
	return path, nil
}
