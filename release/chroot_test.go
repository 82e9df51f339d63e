package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// chroot is a Debian with nothing but its package manager.
type chroot struct {
	t      *testing.T
	folder string
}

func newChroot(t *testing.T) *chroot {
	t.Helper()
	if testing.Short() {
		t.Skip("slow")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can make a chroot")
	}
	if _, err := exec.LookPath("debootstrap"); err != nil {
		t.Skip("debootstrap is not installed")
	}
	folder := t.TempDir()
	if out, err := exec.Command("debootstrap", "--variant=minbase", "stable", folder).CombinedOutput(); err != nil {
		t.Fatalf("debootstrap: %v\n%s", err, out)
	}
	// debootstrap leaves mounts behind if it was stopped.
	t.Cleanup(func() { _ = exec.Command("umount", filepath.Join(folder, "proc")).Run() })
	return &chroot{t, folder}
}

// run runs a program in the chroot and returns its output.
func (c *chroot) run(environ []string, args ...string) string {
	c.t.Helper()
	command := exec.Command("chroot", append([]string{c.folder}, args...)...)
	command.Env = append([]string{"HOME=/root", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive"}, environ...)
	out, err := command.CombinedOutput()
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// copy copies a file into the chroot's root folder.
func (c *chroot) copy(path string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.folder, filepath.Base(path)), read(c.t, path), 0o755); err != nil {
		c.t.Fatal(err)
	}
}

// checkInstalled checks that files exist, and that the program and its completion work.
func (c *chroot) checkInstalled(files ...string) {
	c.t.Helper()
	for _, name := range files {
		if _, err := os.Lstat(filepath.Join(c.folder, name)); err != nil {
			c.t.Error(err)
		}
	}
	if version := c.run(nil, program, "version"); version != program+" v"+testVersion+"\n" {
		c.t.Errorf("got the version %q", version)
	}
	if out := c.run(nil, "bash", "-c", ". "+files[0]+" && complete -p "+program); !strings.Contains(out, "complete -o") {
		c.t.Errorf("got the completion %q", out)
	}
}

// checkRemoved checks that no file with the program's name is left below root.
func checkRemoved(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(d.Name(), "docker-c") && filepath.Dir(path) != root && !strings.Contains(path, "/var/lib/dpkg/") {
			t.Errorf("%s was left behind", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A machine without curl, wget and man.
func TestChroot(t *testing.T) {
	release := hostRelease(t)
	c := newChroot(t)
	server := httptest.NewServer(http.FileServer(http.Dir(release)))
	defer server.Close()
	c.copy("../install.sh")

	releases := []string{"RELEASES=" + server.URL}
	if out := c.run(releases, "sh", "/install.sh"); !strings.Contains(out, "Installed "+program+" "+testVersion+" in /usr/local/bin.") || strings.Contains(out, "warning") {
		t.Errorf("install.sh printed %q", out)
	}
	c.checkInstalled("/usr/local/share/bash-completion/completions/"+program, "/usr/local/share/man/man1/"+program+".1",
		"/usr/local/lib/docker/cli-plugins/docker-cgr")
	c.run(nil, "sh", "/install.sh", "--uninstall")
	checkRemoved(t, c.folder)

	deb := fmt.Sprintf("%s_%s-1_%s.deb", program, testVersion, hostTarget.arch)
	c.copy(filepath.Join(release, deb))
	c.run(nil, "dpkg", "-i", "/"+deb)
	c.checkInstalled("/usr/share/bash-completion/completions/"+program, "/usr/share/man/man1/"+program+".1.gz", dockerPlugins+"/docker-cgr")
	c.run(nil, "dpkg", "--purge", program)
	checkRemoved(t, c.folder)
}

func TestRPM(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("rpm is not installed")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can install a package")
	}
	found, err := filepath.Glob(filepath.Join(hostRelease(t), "*.rpm"))
	if err != nil || len(found) != 1 {
		t.Fatalf("got the packages %v, %v", found, err)
	}
	root := t.TempDir()
	rpm := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("rpm", append([]string{"--root", root, "--dbpath", "/var/lib/rpm"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("rpm %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	rpm("--install", "--nosignature", found[0])
	out, err := exec.Command(filepath.Join(root, "usr/bin", program), "version").CombinedOutput()
	if err != nil || string(out) != program+" v"+testVersion+"\n" {
		t.Errorf("version: got %q, %v", out, err)
	}
	if link, err := os.Readlink(filepath.Join(root, dockerPlugins, "docker-cgr")); err != nil || link != "/usr/bin/"+program {
		t.Errorf("docker-cgr: got %q, %v", link, err)
	}
	if files := rpm("--query", "--list", program); !strings.Contains(files, "/usr/share/man/man1/"+program+".1.gz") {
		t.Errorf("got the files\n%s", files)
	}
	rpm("--erase", program)
	checkRemoved(t, root)
}

// The package for Alpine, which no program of Debian can install. Without a signature it has two
// gzip streams, the second of which has the files (https://wiki.alpinelinux.org/wiki/Apk_spec).
// The program needs no C library, so neither musl: package e2e/systems runs it alone in a root
// folder.
func TestAPK(t *testing.T) {
	if hostTarget.os != "linux" {
		t.Skip("packages are built for Linux only")
	}
	found, err := filepath.Glob(filepath.Join(hostRelease(t), "*.apk"))
	if err != nil || len(found) != 1 {
		t.Fatalf("got the packages %v, %v", found, err)
	}
	packed := bytes.NewReader(read(t, found[0]))
	stream, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	stream.Multistream(false)
	control := untar(t, stream)
	data := read(t, found[0])
	data = data[len(data)-packed.Len():]
	info := string(control[".PKGINFO"].data)
	for _, line := range []string{
		"pkgname = " + program, "pkgver = " + testVersion + "-r1", fmt.Sprintf("datahash = %x", sha256.Sum256(data)),
	} {
		if !strings.Contains("\n"+info, "\n"+line+"\n") {
			t.Errorf(".PKGINFO has no line %q:\n%s", line, info)
		}
	}
	if stream, err = gzip.NewReader(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	files := untar(t, stream)
	for _, name := range []string{
		"usr/share/man/man1/" + program + ".1.gz", "usr/share/zsh/site-functions/_" + program, "usr/share/bash-completion/completions/" + program,
	} {
		if len(files[name].data) == 0 {
			t.Errorf("the package has no %s", name)
		}
	}
	binary, err := elf.NewFile(bytes.NewReader(files["usr/bin/"+program].data))
	if err != nil {
		t.Fatal(err)
	}
	if binary.Section(".interp") != nil {
		t.Error("the program needs the loader of a C library")
	}
	if mode := files["usr/bin/"+program].mode; mode != 0o755 {
		t.Errorf("the program has the mode %v, want 0755", mode)
	}
}
