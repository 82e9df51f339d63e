package main

import (
	"bytes"
	"context"
	"embed"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed manifests
var manifests embed.FS

// homepage returns the project's page, or where its files are if it has none.
func (r *release) homepage() string {
	if r.home == "" {
		return r.url
	}
	return "https://" + r.home
}

// writeManifests writes what package managers install the archives by, and the installers.
func (r *release) writeManifests(context.Context) error {
	functions := template.FuncMap{
		"url": func(system, arch string) string { return r.url + "/" + r.archive(target{system, arch}) },
		"sha256": func(system, arch string) (string, error) {
			for _, t := range r.targets {
				if t == (target{system, arch}) {
					return r.checksum(r.archive(t))
				}
			}
			return strings.Repeat("0", 64), nil // not built: -targets was given
		},
	}
	data := struct{ Program, Version, Summary, Homepage, Date string }{
		program, r.version, summary, r.homepage(), r.time.Format("2006-01-02"),
	}
	all, err := template.New("").Funcs(functions).Option("missingkey=error").ParseFS(manifests, "manifests/*")
	if err != nil {
		return err
	}
	for _, m := range all.Templates() {
		if m.Name() == "" {
			continue
		}
		var b bytes.Buffer
		if err := m.Execute(&b, data); err != nil {
			return err
		}
		if err := r.write(m.Name(), b.Bytes()); err != nil {
			return err
		}
	}
	for _, installer := range []string{"install.sh", "install.ps1"} {
		text, err := os.ReadFile(filepath.Join(r.source, installer))
		if err != nil {
			return err
		}
		if err := r.write(installer, text); err != nil {
			return err
		}
	}
	return nil
}
