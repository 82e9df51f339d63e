package fakeplatform

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// seed pushes the public and private images that every platform has.
func (p *Platform) seed(ctx context.Context) error {
	for _, image := range []struct {
		repository, tag string
		schema2         bool // Docker's format; the others are OCI indexes, as the vendor's own are
	}{
		{PublicOrganization + "/python", "latest", false},
		{PublicOrganization + "/python", "latest-dev", false},
		{PublicOrganization + "/python", "3.13", false}, // not for anonymous
		{Organization + "/python", "latest", false},
		{Organization + "/python", "3.13", true},
	} {
		text := fmt.Sprintf("Hello from %s:%s\n", image.repository, image.tag)
		var what remote.Taggable
		var err error
		if image.schema2 {
			what, err = newImage(text, "amd64", true)
		} else {
			what, err = newIndex(text)
		}
		if err != nil {
			return err
		}
		digest, err := p.push(ctx, image.repository, image.tag, what)
		if err != nil {
			return err
		}
		const day = 24 * time.Hour
		var records []HistoryRecord
		for i, ago := range []time.Duration{21 * day, 14 * day, 7 * day} {
			records = append(records, HistoryRecord{p.started.Add(-ago), fmt.Sprintf("sha256:%064x", i+1)})
		}
		p.SetHistory(image.repository, image.tag, append(records, HistoryRecord{p.started.Add(-time.Hour), digest}))
	}
	return nil
}

// AddImage pushes an image with this text in /hello.txt, adds it to the tag's history and returns its digest. The
// organization must exist.
func (p *Platform) AddImage(ctx context.Context, repository, tag, text string) (digest string, err error) {
	index, err := newIndex(text)
	if err != nil {
		return "", err
	}
	if digest, err = p.push(ctx, repository, tag, index); err != nil {
		return "", err
	}
	p.SetHistory(repository, tag, append(p.History(repository, tag), HistoryRecord{p.now(), digest}))
	return digest, nil
}

// push writes an image or an index to the registry directly, without requests that would be counted.
func (p *Platform) push(ctx context.Context, repository, tag string, what remote.Taggable) (digest string, err error) {
	ref, err := name.NewTag(p.RegistryHost()+"/"+repository+":"+tag, name.StrictValidation, name.Insecure)
	if err != nil {
		return "", err
	}
	token := p.mintRegistryToken("seed", []access{{"repository", repository, []string{"pull", "push"}}})
	opts := []remote.Option{
		remote.WithContext(ctx),
		remote.WithTransport(handlerTransport{p.images.app}),
		remote.WithAuth(authn.FromConfig(authn.AuthConfig{RegistryToken: token})),
	}
	var hash v1.Hash
	switch what := what.(type) {
	case v1.ImageIndex:
		if err := remote.WriteIndex(ref, what, opts...); err != nil {
			return "", err
		}
		hash, err = what.Digest()
	case v1.Image:
		if err := remote.Write(ref, what, opts...); err != nil {
			return "", err
		}
		hash, err = what.Digest()
	default:
		return "", fmt.Errorf("cannot push a %T", what)
	}
	return hash.String(), err
}

// handlerTransport sends requests to a handler, without a network.
type handlerTransport struct {
	handler http.Handler
}

func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "http" {
		return nil, errors.New("the registry speaks plain HTTP") // clients try HTTPS first
	}
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer func() { _ = in.Body.Close() }()
	in.RequestURI = in.URL.RequestURI()
	if in.Host == "" {
		in.Host = in.URL.Host
	}
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(w, in)
	response := w.Result()
	response.Request = r
	return response, nil
}

// imageTime is the time of everything in an image, so that the same text has the same digest.
var imageTime = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// newIndex returns an OCI index for linux/amd64 and linux/arm64.
func newIndex(text string) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, architecture := range []string{"amd64", "arm64"} {
		image, err := newImage(text, architecture, false)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	return index, nil
}

// newImage returns an image with one layer that contains /hello.txt.
func newImage(text, architecture string, schema2 bool) (v1.Image, error) {
	manifestType, configType, layerType := types.OCIManifestSchema1, types.OCIConfigJSON, types.OCILayer
	if schema2 {
		manifestType, configType, layerType = types.DockerManifestSchema2, types.DockerConfigJSON, types.DockerLayer
	}
	files, err := helloTar(text)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil },
		tarball.WithMediaType(layerType))
	if err != nil {
		return nil, err
	}
	image, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, manifestType), configType),
		mutate.Addendum{
			Layer: layer, MediaType: layerType,
			History: v1.History{Created: v1.Time{Time: imageTime}, CreatedBy: "fakeplatform"},
		})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", architecture, v1.Time{Time: imageTime}
	config.Config.Cmd = []string{"/hello.txt"}
	return mutate.ConfigFile(image, config)
}

func helloTar(text string) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: "hello.txt", Mode: 0o644, Size: int64(len(text)), ModTime: imageTime,
	})
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
