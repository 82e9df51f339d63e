//go:build e2e && linux

package clients

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"docker-credential-cgr/e2e/fakeplatform"
)

// The images that every platform has, and what their one file holds.
const (
	privateImage = fakeplatform.Organization + "/python:latest"
	publicImage  = fakeplatform.PublicOrganization + "/python:latest"
)

func helloFrom(image string) string { return "Hello from " + image + "\n" }

// client is a program that pulls images.
type client struct {
	name string
	// pull gives the command that pulls the image ref, to the path to where the
	// client has no store of its own.
	pull func(p *fixture, ref, to string) []string
	// export gives the command that writes a pulled image to the path to; nil
	// where it lies there already.
	export func(p *fixture, ref, to string) []string
	// remove gives the command that removes a pulled image, so that the next pull
	// fetches it again; nil where that one goes to another path.
	remove func(p *fixture, ref string) []string
}

var (
	docker = client{
		name:   "docker",
		pull:   func(_ *fixture, ref, _ string) []string { return []string{"docker", "pull", ref} },
		export: func(_ *fixture, ref, to string) []string { return []string{"docker", "save", "--output", to, ref} },
		remove: func(_ *fixture, ref string) []string { return []string{"docker", "rmi", ref} },
	}
	podman = client{
		name: "podman",
		pull: func(p *fixture, ref, _ string) []string {
			return podmanCommand(p, "pull", "--tls-verify=false", ref)
		},
		export: func(p *fixture, ref, to string) []string { return podmanCommand(p, "save", "--output", to, ref) },
		remove: func(p *fixture, ref string) []string { return podmanCommand(p, "rmi", ref) },
	}
	skopeo = client{
		name: "skopeo",
		pull: func(_ *fixture, ref, to string) []string {
			return []string{"skopeo", "copy", "--src-tls-verify=false", "docker://" + ref, "dir:" + to}
		},
	}
	crane = client{
		name: "crane",
		pull: func(_ *fixture, ref, to string) []string {
			return []string{"crane", "pull", "--platform", "linux/amd64", ref, to}
		},
	}
	allClients = []client{docker, podman, skopeo, crane}
)

// podmanCommand is podman with a store of its own.
func podmanCommand(p *fixture, args ...string) []string {
	return append([]string{
		"podman", "--root", p.path("podman/root"), "--runroot", p.path("podman/run"), "--tmpdir", p.path("podman/tmp"),
		"--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none",
	}, args...)
}

// eachOf runs a test for several clients.
func eachOf(t *testing.T, clients []client, test func(t *testing.T, c client)) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) { test(t, c) })
	}
}

// newPlaceFor is newFixture for a client.
func newPlaceFor(t *testing.T, c client, opts ...fakeplatform.Option) *fixture {
	t.Helper()
	p := newFixture(t, opts...)
	p.prepareFor(c)
	return p
}

// prepareFor starts what the client needs.
func (p *fixture) prepareFor(c client) {
	p.t.Helper()
	if c.name == docker.name {
		p.useDocker()
	}
}

// tryPull pulls an image, and says how that went and where it went to.
func (c client) tryPull(p *fixture, image string) (r result, to string) {
	p.t.Helper()
	to = filepath.Join(p.environ["TMPDIR"], fmt.Sprintf("%s-%d", c.name, len(p.results)))
	return p.run(c.pull(p, p.host+"/"+image, to)...), to
}

// pulls pulls an image, which has to work, sees whether it is the right one, and
// removes it again.
func (c client) pulls(p *fixture, image string) result {
	p.t.Helper()
	r, to := c.tryPull(p, image)
	if r.code != 0 {
		p.t.Fatalf("the pull failed: %s", r)
	}
	c.arrived(p, image, to)
	return r
}

func (c client) arrived(p *fixture, image, to string) {
	p.t.Helper()
	if c.export != nil {
		p.must(c.export(p, p.host+"/"+image, to)...)
	}
	if hello, err := helloIn(to); err != nil || hello != helloFrom(image) {
		p.t.Fatalf("what was pulled says %q (%v), want %q", hello, err, helloFrom(image))
	}
	if c.remove != nil {
		p.must(c.remove(p, p.host+"/"+image)...)
	}
}

var errNoHello = errors.New("no hello.txt in it")

// helloIn finds what hello.txt holds in an image that was written to a file or a
// folder, in whatever form: archives of archives, packed or not.
func helloIn(path string) (string, error) {
	hello := ""
	err := filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || hello != "" {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if text, err := helloInArchive(f); err == nil {
			hello = text
		}
		return nil
	})
	if err == nil && hello == "" {
		err = errNoHello
	}
	return hello, err
}

func helloInArchive(r io.Reader) (string, error) {
	buffered := bufio.NewReader(r)
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return "", err
		}
		return helloInArchive(unpacked)
	}
	for archive := tar.NewReader(buffered); ; {
		entry, err := archive.Next()
		if err != nil { // also of what is no archive
			return "", errNoHello
		}
		if strings.TrimPrefix(entry.Name, "./") == "hello.txt" {
			text, err := io.ReadAll(archive)
			return string(text), err
		}
		if hello, err := helloInArchive(archive); err == nil {
			return hello, nil
		}
	}
}
