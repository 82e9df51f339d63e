package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// writeSBOMs writes a software bill of materials for each binary (https://cyclonedx.org/): the
// modules that Go has recorded in it.
func (r *release) writeSBOMs(context.Context) error {
	for _, t := range r.targets {
		binary, err := os.ReadFile(r.path(t))
		if err != nil {
			return err
		}
		info, err := buildinfo.Read(bytes.NewReader(binary))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := cyclonedx.NewBOMEncoder(&b, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(sbom(info, binary, r.time), cyclonedx.SpecVersion1_6); err != nil {
			return err
		}
		if err := r.write(fmt.Sprintf("%s_%s_%s_%s.cdx.json", program, r.version, t.os, t.arch), b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func sbom(info *debug.BuildInfo, binary []byte, built time.Time) *cyclonedx.BOM {
	sum := sha256.Sum256(binary)
	bom := cyclonedx.NewBOM()
	// The number identifies the binary, so that the same binary has the same file.
	bom.SerialNumber = "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceOID, sum[:]).String()
	main := component(info.Main.Path, info.Main.Version)
	main.Type = cyclonedx.ComponentTypeApplication
	main.Name = program
	main.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}
	bom.Metadata = &cyclonedx.Metadata{Timestamp: built.Format(time.RFC3339), Component: &main}

	components := []cyclonedx.Component{component("std", info.GoVersion)}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		components = append(components, component(m.Path, m.Version))
	}
	refs := make([]string, len(components))
	for i, c := range components {
		refs[i] = c.BOMRef
	}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	return bom
}

// component returns a Go module (https://github.com/package-url/purl-spec).
func component(path, version string) cyclonedx.Component {
	purl := "pkg:golang/" + path + "@" + version
	return cyclonedx.Component{Type: cyclonedx.ComponentTypeLibrary, BOMRef: purl, Name: path, Version: version, PackageURL: purl}
}
