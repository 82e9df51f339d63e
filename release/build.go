package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// target is a system and an architecture, with Go's names.
type target struct{ os, arch string }

var allTargets = []target{
	{"linux", "amd64"}, {"linux", "arm64"}, {"linux", "arm"}, {"linux", "riscv64"}, {"linux", "386"},
	{"linux", "ppc64le"}, {"linux", "s390x"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
	{"freebsd", "amd64"}, {"openbsd", "amd64"}, {"netbsd", "amd64"},
}

func selectTargets(only string) ([]target, error) {
	if only == "" {
		return allTargets, nil
	}
	var targets []target
	for name := range strings.SplitSeq(only, ",") {
		system, arch, _ := strings.Cut(name, "/")
		t := target{system, arch}
		if !slices.Contains(allTargets, t) {
			return nil, fmt.Errorf("%q is not a target", name)
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// binary returns the name of the program's file.
func (t target) binary() string {
	if t.os == "windows" {
		return program + ".exe"
	}
	return program
}

// path returns where the binary for a target is.
func (r *release) path(t target) string {
	return filepath.Join(r.work, t.os+"_"+t.arch, t.binary())
}

// buildAll builds a static binary for each target. Go puts the tag into it as the version.
func (r *release) buildAll(ctx context.Context) error {
	for _, t := range r.targets {
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", r.path(t), ".")
		build.Dir = r.source
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch,
			"GOARM=7", "GOAMD64=v1", "GO386=sse2", "GOPPC64=power8", "GOFLAGS=-mod=readonly")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("%s/%s: %w\n%s", t.os, t.arch, err, out)
		}
		info, err := buildinfo.ReadFile(r.path(t))
		if err != nil {
			return err
		}
		if info.Main.Version != "v"+r.version {
			return fmt.Errorf("%s/%s has the version %s, want v%s: the work tree has changes", t.os, t.arch, info.Main.Version, r.version)
		}
	}
	return nil
}
