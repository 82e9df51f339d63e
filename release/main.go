// Release builds the files of a release from a tagged commit: binaries for every system,
// archives, packages, a container image, SBOMs, manifests for package managers and
// checksums. The same commit gives the same bytes on every machine with the
// same version of Go.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// program is the name of the binary, and of the packages that install it.
const program = "docker-credential-cgr"

const (
	summary     = "Docker credential helper for the Chainguard registry"
	description = summary + "\nSign in once in the browser; Docker, Podman and other clients then get short-lived\ncredentials. Independent of Chainguard, Inc."
)

// release is one release.
type release struct {
	source  string    // the work tree, which has no changes
	output  string    // the folder for the files
	work    string    // a folder for what is not released
	version string    // semantic, without "v"
	time    time.Time // of the commit: the time of all files
	url     string    // where the files will be, for the manifests of package managers
	home    string    // the project's address without a scheme, or ""

	targets []target
	shared  []file   // what every archive and package contains beside the program
	names   []string // of the files in output, in the order in which they were written
}

// file is a file of an archive or package.
type file struct {
	name string // with slashes
	mode os.FileMode
	data []byte
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	output := flag.String("output", "dist", "folder for the files, which must not exist or be empty")
	url := flag.String("url", "", "address of the folder where the files will be published")
	only := flag.String("targets", "", "build only these, such as linux/amd64,windows/arm64")
	flag.Parse()
	if err := run(ctx, ".", *output, *url, *only); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run builds the release of the commit that is checked out in folder.
func run(ctx context.Context, folder, output, url, only string) error {
	r, err := newRelease(ctx, folder, output, url, only)
	if err != nil {
		return err
	}
	defer os.RemoveAll(r.work)
	for _, step := range []struct {
		what string
		run  func(context.Context) error
	}{
		{"man pages, completions and licenses", r.writeShared},
		{"binaries", r.buildAll},
		{"archives", r.writeArchives},
		{"SBOMs", r.writeSBOMs},
		{"packages", r.writePackages},
		{"container image", r.writeImage},
		{"manifests of package managers", r.writeManifests},
		{"checksums", r.writeChecksums},
	} {
		fmt.Fprintf(os.Stderr, "%s %s: %s\n", program, r.version, step.what)
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// newRelease reads the version and the time from the work tree that has folder.
func newRelease(ctx context.Context, folder, output, url, only string) (*release, error) {
	source, err := command(ctx, folder, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	r := &release{source: source}
	tag, err := command(ctx, source, "git", "describe", "--exact-match", "--tags", "--match", "v*")
	if err != nil || !semver.IsValid(tag) || semver.Canonical(tag) != tag {
		return nil, fmt.Errorf("the commit has no version tag, such as v1.2.3 (%q, %w)", tag, err)
	}
	r.version = strings.TrimPrefix(tag, "v")
	seconds, err := command(ctx, source, "git", "log", "-1", "--format=%ct")
	if err != nil {
		return nil, err
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, err
	}
	r.time = time.Unix(unix, 0).UTC()
	if r.home, err = readHome(filepath.Join(source, "release", "home")); err != nil {
		return nil, err
	}
	if r.url = strings.TrimSuffix(url, "/"); r.url == "" {
		if r.home == "" {
			return nil, fmt.Errorf("the project has no address yet: give -url (make release RELEASES=URL), or run make rename first")
		}
		r.url = "https://" + r.home + "/releases/download/" + tag
	}
	if r.targets, err = selectTargets(only); err != nil {
		return nil, err
	}
	if r.output, err = filepath.Abs(output); err != nil {
		return nil, err
	}
	if entries, err := os.ReadDir(r.output); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty", r.output)
	}
	if err := os.MkdirAll(r.output, 0o755); err != nil {
		return nil, err
	}
	r.work, err = os.MkdirTemp("", program+"-release-*")
	return r, err
}

// readHome returns the project's address, or "" if it has none. The file has comments and
// at most one other line.
func readHome(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line, nil
		}
	}
	return "", nil
}

// command runs a program in a folder and returns its standard output without blanks at
// the ends.
func command(ctx context.Context, folder, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = folder
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// write writes a file of the release.
func (r *release) write(name string, data []byte) error {
	path := filepath.Join(r.output, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	r.names = append(r.names, name)
	return os.Chtimes(path, r.time, r.time)
}

// checksum returns the SHA-256 of a file of the release, in hexadecimal digits.
func (r *release) checksum(name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(r.output, name))
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), err
}

// writeChecksums writes checksums.txt as sha256sum does.
func (r *release) writeChecksums(context.Context) error {
	var b strings.Builder
	for _, name := range slices.Sorted(slices.Values(r.names)) {
		sum, err := r.checksum(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, name)
	}
	return r.write("checksums.txt", []byte(b.String()))
}
