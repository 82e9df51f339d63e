package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra/doc"

	"docker-credential-cgr/cli"
)

// writeShared collects the files that every archive and package contains.
func (r *release) writeShared(ctx context.Context) error {
	root := cli.Commands("v" + r.version)
	root.DisableAutoGenTag = true

	for shell, generate := range map[string]func(io.Writer) error{
		"bash": func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":  root.GenZshCompletion,
		"fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
		"ps1":  root.GenPowerShellCompletionWithDesc,
	} {
		var b bytes.Buffer
		if err := generate(&b); err != nil {
			return err
		}
		r.shared = append(r.shared, file{"completions/" + program + "." + shell, 0o644, b.Bytes()})
	}

	folder := filepath.Join(r.work, "man")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	header := &doc.GenManHeader{Section: "1", Source: program + " " + r.version, Manual: "User commands", Date: &r.time}
	if err := doc.GenManTree(root, header, folder); err != nil {
		return err
	}
	pages, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, page := range pages {
		data, err := os.ReadFile(filepath.Join(folder, page.Name()))
		if err != nil {
			return err
		}
		r.shared = append(r.shared, file{"man/" + page.Name(), 0o644, data})
	}

	for _, name := range []string{"LICENSE", "README.md"} {
		data, err := os.ReadFile(filepath.Join(r.source, name))
		if err != nil {
			return err
		}
		r.shared = append(r.shared, file{name, 0o644, data})
	}
	licenses, err := r.licenses(ctx)
	if err != nil {
		return err
	}
	r.shared = append(r.shared, file{"THIRD-PARTY-LICENSES.txt", 0o644, licenses})
	slices.SortFunc(r.shared, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return nil
}

// licenses returns the license texts of all modules that a binary of any target contains,
// and of Go. A module without one is an error.
func (r *release) licenses(ctx context.Context) ([]byte, error) {
	type module struct{ Path, Version, Dir string }
	modules := map[string]module{}
	for _, t := range allTargets {
		list := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Module", ".")
		list.Dir = r.source
		list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch)
		out, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		for d := json.NewDecoder(bytes.NewReader(out)); ; {
			var p struct {
				Module *struct {
					module
					Main bool
				}
			}
			if err := d.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if p.Module != nil && !p.Module.Main {
				modules[p.Module.Path] = p.Module.module
			}
		}
	}
	goroot, err := command(ctx, r.source, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	all := []module{{Path: "The Go standard library", Dir: goroot}}
	for _, m := range modules {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s contains the following software.\n", program)
	for _, m := range all {
		found, err := filepath.Glob(filepath.Join(m.Dir, "[Ll][Ii][Cc][Ee][Nn][SsCc][Ee]*"))
		if err != nil || len(found) == 0 {
			return nil, fmt.Errorf("the module %s has no license in %s", m.Path, m.Dir)
		}
		for _, path := range found {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "\n\n=== %s\n\n%s", strings.TrimSpace(m.Path+" "+m.Version), text)
		}
	}
	return b.Bytes(), nil
}
