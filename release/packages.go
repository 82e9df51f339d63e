package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk"
	_ "github.com/goreleaser/nfpm/v2/arch"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// formats are the packages that are built for Linux. Arch Linux itself has one
// architecture; its ports have the others.
var formats = []string{"deb", "rpm", "apk", "archlinux"}

// dockerPlugins is where Docker looks for its plugins
// (https://docs.docker.com/engine/extend/cli_plugins/).
const dockerPlugins = "/usr/libexec/docker/cli-plugins"

// writePackages writes the packages for each Linux target.
func (r *release) writePackages(context.Context) error {
	contents, err := r.packageContents()
	if err != nil {
		return err
	}
	for _, t := range r.targets {
		if t.os != "linux" {
			continue
		}
		arch := t.arch
		if arch == "arm" {
			arch = "arm7"
		}
		for _, format := range formats {
			binary := &files.Content{Source: r.path(t), Destination: "/usr/bin/" + program, FileInfo: &files.ContentFileInfo{Mode: 0o755}}
			info := nfpm.WithDefaults(&nfpm.Info{
				Name: program, Arch: arch, Version: r.version, Release: "1", Section: "utils", Priority: "optional",
				Maintainer: "the authors of " + program, Description: description, License: "Apache-2.0", Homepage: r.homepage(),
				DisableGlobbing: true, MTime: r.time,
				Overridables: nfpm.Overridables{
					Contents: append(files.Contents{binary}, zshFolder(format, contents)...),
					RPM:      nfpm.RPM{BuildHost: "localhost", Summary: summary},
				},
			})
			if err := r.writePackage(format, info); err != nil {
				return err
			}
		}
	}
	return nil
}

// zshFolder returns contents with the completions for zsh where zsh looks on the systems of a
// package format. Only Debian has vendor-completions.
func zshFolder(format string, contents files.Contents) files.Contents {
	if format == "deb" {
		return contents
	}
	moved := make(files.Contents, len(contents))
	for i, c := range contents {
		other := *c
		other.Destination = strings.Replace(c.Destination, "/zsh/vendor-completions/", "/zsh/site-functions/", 1)
		moved[i] = &other
	}
	return moved
}

func (r *release) writePackage(format string, info *nfpm.Info) error {
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := packager.Package(info, &b); err != nil {
		return err
	}
	return r.write(packager.ConventionalFileName(info), b.Bytes())
}

// packageContents returns all files of a package but the program, at their places in the
// file system.
func (r *release) packageContents() (files.Contents, error) {
	folders := map[string]string{
		"completions/" + program + ".bash": "/usr/share/bash-completion/completions/" + program,
		"completions/" + program + ".fish": "/usr/share/fish/vendor_completions.d/" + program + ".fish",
		"completions/" + program + ".zsh":  "/usr/share/zsh/vendor-completions/_" + program,
		"LICENSE":                          "/usr/share/doc/" + program + "/copyright",
	}
	contents := files.Contents{{Source: "/usr/bin/" + program, Destination: dockerPlugins + "/docker-cgr", Type: files.TypeSymlink}}
	for _, f := range r.shared {
		destination, found := folders[f.name]
		switch {
		case found:
		case strings.HasSuffix(f.name, ".ps1"):
			continue
		case strings.HasPrefix(f.name, "man/"):
			destination = "/usr/share/man/man1/" + filepath.Base(f.name) + ".gz"
			var err error
			if f.data, err = compressed(f.data); err != nil {
				return nil, err
			}
		default:
			destination = "/usr/share/doc/" + program + "/" + f.name
		}
		path := filepath.Join(r.work, "package", destination)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, f.data, 0o644); err != nil {
			return nil, err
		}
		contents = append(contents, &files.Content{Source: path, Destination: destination, FileInfo: &files.ContentFileInfo{Mode: f.mode}})
	}
	return contents, nil
}

func compressed(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}
