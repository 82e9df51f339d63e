package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const (
	testVersion = "0.1.2"
	testURL     = "https://releases.example.com/cgr"
)

// work is a folder for all tests of one run.
var work string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if work, err = os.MkdirTemp("", "release-test-*"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(work)
		return m.Run()
	}())
}

// build copies the work tree, with its changes, into a new repository below work, tags it,
// and builds its release for targets. It returns the folder of the files.
func build(name, targets string) (string, error) {
	source, output := filepath.Join(work, name, "source"), filepath.Join(work, name, "files")
	if err := copyTree("..", source); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"init", "-q"},
		{"add", "-A"},
		{"-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false", "commit", "-qm", "test"},
		{"tag", "v" + testVersion},
	} {
		git := exec.Command("git", args...)
		git.Dir = source
		git.Env = append(os.Environ(), "GIT_AUTHOR_DATE=2026-11-29T12:00:00Z", "GIT_COMMITTER_DATE=2026-11-29T12:00:00Z")
		if out, err := git.CombinedOutput(); err != nil {
			return "", fmt.Errorf("git %s: %w\n%s", args[0], err, out)
		}
	}
	return output, run(context.Background(), source, output, testURL, targets)
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (d.Name() == ".git" || name == "bin" || name == "dist"):
			return fs.SkipDir
		case d.Name() == ".git": // of a linked work tree: git would change that one
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), data, info.Mode())
	})
}

var hostTarget = target{runtime.GOOS, runtime.GOARCH}

// built builds the release for this machine once, and for Windows, whose archive is another.
var built = sync.OnceValues(func() (string, error) {
	return build("host", hostTarget.os+"/"+hostTarget.arch+",windows/arm64")
})

func hostRelease(t *testing.T) string {
	t.Helper()
	folder, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func read(t *testing.T, elements ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// untar returns the files of a tar archive by name.
func untar(t *testing.T, r io.Reader) map[string]file {
	t.Helper()
	files := map[string]file{}
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = file{header.Name, header.FileInfo().Mode(), data}
	}
}

func hostArchive() string {
	return fmt.Sprintf("%s_%s_%s_%s.tar.gz", program, testVersion, hostTarget.os, hostTarget.arch)
}

// The same commit in another folder gives the same bytes.
func TestReproducible(t *testing.T) {
	first := hostRelease(t)
	second, err := build("a longer name than the first", hostTarget.os+"/"+hostTarget.arch+",windows/arm64")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, second, "checksums.txt"), read(t, first, "checksums.txt"); !bytes.Equal(got, want) {
		t.Errorf("got the checksums\n%s\nwant\n%s", got, want)
	}
}

func TestArchive(t *testing.T) {
	unzipped, err := gzip.NewReader(bytes.NewReader(read(t, hostRelease(t), hostArchive())))
	if err != nil {
		t.Fatal(err)
	}
	files := untar(t, unzipped)
	for _, name := range []string{
		program, "LICENSE", "README.md", "man/" + program + ".1", "man/" + program + "-pull-token-create.1",
		"completions/" + program + ".bash", "completions/" + program + ".zsh", "completions/" + program + ".fish", "completions/" + program + ".ps1",
	} {
		if len(files[name].data) == 0 {
			t.Errorf("the archive has no %s", name)
		}
	}
	if mode := files[program].mode; mode != 0o755 {
		t.Errorf("the program has the mode %v, want 0755", mode)
	}
	for _, module := range []string{"The Go standard library", "github.com/spf13/cobra v", "golang.org/x/oauth2 v", "github.com/danieljoos/wincred v"} {
		if !bytes.Contains(files["THIRD-PARTY-LICENSES.txt"].data, []byte("=== "+module)) {
			t.Errorf("the licenses have no %s", module)
		}
	}
	binary := filepath.Join(t.TempDir(), program)
	if err := os.WriteFile(binary, files[program].data, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(binary, "version").Output(); err != nil || string(out) != program+" v"+testVersion+"\n" {
		t.Errorf("version: got %q, %v", out, err)
	}
}

func TestSBOM(t *testing.T) {
	var bom cyclonedx.BOM
	data := read(t, hostRelease(t), fmt.Sprintf("%s_%s_%s_%s.cdx.json", program, testVersion, hostTarget.os, hostTarget.arch))
	if err := json.Unmarshal(data, &bom); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range *bom.Components {
		names = append(names, c.Name)
	}
	if list := strings.Join(names, " "); !strings.Contains(list, "std ") || !strings.Contains(list, "github.com/spf13/cobra") {
		t.Errorf("got the components %s", list)
	}
	if bom.Metadata.Component.Version != "v"+testVersion {
		t.Errorf("got the version %s", bom.Metadata.Component.Version)
	}
}

func TestImage(t *testing.T) {
	if hostTarget.os != "linux" {
		t.Skip("an image is built for Linux only")
	}
	folder := t.TempDir()
	for name, f := range untar(t, bytes.NewReader(read(t, hostRelease(t), program+"_"+testVersion+"_image.tar"))) {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	outer, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := outer.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("got %d manifests, %v", len(manifest.Manifests), err)
	}
	index, err := outer.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Fatal(err)
	}
}

func TestManifests(t *testing.T) {
	folder := hostRelease(t)
	sums := string(read(t, folder, "checksums.txt"))
	windows := program + "_" + testVersion + "_windows_arm64.zip"
	var sum string
	for line := range strings.Lines(sums) {
		if name := strings.TrimSpace(line[66:]); name == windows {
			sum = line[:64]
		}
	}
	if sum == "" {
		t.Fatalf("the checksums have no %s:\n%s", windows, sums)
	}
	for _, name := range []string{program + ".json", "winget.yaml"} {
		text := string(read(t, folder, name))
		if !strings.Contains(text, testURL+"/"+windows) || !strings.Contains(text, sum) {
			t.Errorf("%s has no address or checksum of %s:\n%s", name, windows, text)
		}
	}
	var scoop map[string]any
	if err := json.Unmarshal(read(t, folder, program+".json"), &scoop); err != nil {
		t.Error(err)
	}
	for _, name := range []string{program + ".rb", program + ".nix"} {
		if text := string(read(t, folder, name)); !strings.Contains(text, testURL+"/"+program+"_"+testVersion+"_darwin_arm64.tar.gz") {
			t.Errorf("%s has no address:\n%s", name, text)
		}
	}
}

// A commit without a tag, or with changes, is not released.
func TestNoRelease(t *testing.T) {
	hostRelease(t)
	source := filepath.Join(work, "host", "source")
	changed := filepath.Join(source, "changed.go")
	if err := os.WriteFile(changed, []byte("package main\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(changed) })
	err := run(t.Context(), source, filepath.Join(t.TempDir(), "files"), testURL, hostTarget.os+"/"+hostTarget.arch)
	if err == nil || !strings.Contains(err.Error(), "the work tree has changes") {
		t.Errorf("with a change: got the error %v", err)
	}
	err = run(t.Context(), source, filepath.Join(t.TempDir(), "files"), "", "")
	if err == nil || !strings.Contains(err.Error(), "no address yet") {
		t.Errorf("without an address: got the error %v", err)
	}
	err = run(t.Context(), source, work, testURL, "")
	if err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("with a folder that has files: got the error %v", err)
	}
}
