package pin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"docker-credential-cgr/registry"
)

// digest returns a digest for a number.
func digest(n int) string { return fmt.Sprintf("sha256:%064x", n) }

// setOf writes files below a new folder, makes that the current one, and reads it.
func setOf(t *testing.T, files map[string]string) *Set {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return readTree(t)
}

func readTree(t *testing.T) *Set {
	t.Helper()
	s, err := Read(t.Context(), []string{"."}, nil, host)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// resolve resolves images to their digests in the map; others are an error.
func resolve(t *testing.T, s *Set, o Options, digests map[string]string) error {
	t.Helper()
	return s.Resolve(t.Context(), o, func(_ context.Context, image registry.Reference) (string, error) {
		if d, ok := digests[image.String()]; ok {
			return d, nil
		}
		return "", fmt.Errorf("there is no %s", image)
	}, func(error) bool { return false }, func(int, int) {})
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPin(t *testing.T) {
	d, e := digest(1), digest(2)
	now := map[string]string{"org/python:3.13": d, "org/python:latest": e}
	for _, test := range []struct {
		name, before string
		options      Options
		after        string
		state        State
	}{
		{"a tag", "FROM cgr.dev/org/python:3.13\n", Options{}, "FROM cgr.dev/org/python:3.13@" + d + "\n", Unpinned},
		{"the tag is dropped", "FROM cgr.dev/org/python:3.13\n", Options{DropTag: true}, "FROM cgr.dev/org/python@" + d + "\n", Unpinned},
		{"no tag gets the one that it implies", "FROM cgr.dev/org/python\n", Options{}, "FROM cgr.dev/org/python:latest@" + e + "\n", Unpinned},
		{"no tag, and none wanted", "FROM cgr.dev/org/python\n", Options{DropTag: true}, "FROM cgr.dev/org/python@" + e + "\n", Unpinned},
		{"the host stays as it is written", "FROM CGR.dev:443/org/python:3.13\n", Options{}, "FROM CGR.dev:443/org/python:3.13@" + d + "\n", Unpinned},
		{"a pinned one stays", "FROM cgr.dev/org/python:3.13@" + e + "\n", Options{}, "FROM cgr.dev/org/python:3.13@" + e + "\n", Pinned},
		{"it stays with its tag, too", "FROM cgr.dev/org/python:3.13@" + e + "\n", Options{DropTag: true}, "FROM cgr.dev/org/python:3.13@" + e + "\n", Pinned},
		{"it is moved on", "FROM cgr.dev/org/python:3.13@" + e + "\n", Options{Update: true}, "FROM cgr.dev/org/python:3.13@" + d + "\n", Outdated},
		{"it is up to date", "FROM cgr.dev/org/python:3.13@" + d + "\n", Options{Update: true}, "FROM cgr.dev/org/python:3.13@" + d + "\n", Pinned},
		{"I77 a digest without a tag has nothing to follow", "FROM cgr.dev/org/python@" + e + "\n", Options{Update: true}, "FROM cgr.dev/org/python@" + e + "\n", Left},
		{"another platform than the one wanted", "FROM --platform=linux/arm64 cgr.dev/org/python:3.13\n", Options{Platform: "linux/amd64"}, "FROM --platform=linux/arm64 cgr.dev/org/python:3.13\n", Left},
		{"the platform that is wanted", "FROM --platform=linux/arm64 cgr.dev/org/python:3.13\n", Options{Platform: "linux/arm64"}, "FROM --platform=linux/arm64 cgr.dev/org/python:3.13@" + d + "\n", Unpinned},
		{"a platform that is not known", "FROM --platform=$BUILDPLATFORM cgr.dev/org/python:3.13\n", Options{Platform: "linux/amd64"}, "FROM --platform=$BUILDPLATFORM cgr.dev/org/python:3.13\n", Left},
		{"another name of the platform", "FROM --platform=linux/arm64/v8 cgr.dev/org/python:3.13\n", Options{Platform: "linux/arm64"}, "FROM --platform=linux/arm64/v8 cgr.dev/org/python:3.13@" + d + "\n", Unpinned},
		{"P24 a comment and another registry", "# FROM cgr.dev/org/python:3.13\nFROM cgr.dev.evil.example/org/python:3.13\nFROM cgr.dev/org/python:3.13 AS a\n", Options{},
			"# FROM cgr.dev/org/python:3.13\nFROM cgr.dev.evil.example/org/python:3.13\nFROM cgr.dev/org/python:3.13@" + d + " AS a\n", Unpinned},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := setOf(t, map[string]string{"Dockerfile": test.before})
			if err := resolve(t, s, test.options, now); err != nil {
				t.Fatal(err)
			}
			places := slices.DeleteFunc(s.References(), Reference.IsLeftAlone)
			changes := test.after != test.before
			if len(places) != 1 || places[0].State != test.state || (places[0].Reason != "") != (test.state == Left) || (places[0].New != "") != changes {
				t.Errorf("got %+v, want one that is %s, and changes: %v", places, test.state, changes)
			}
			written, err := s.Write(t.Context())
			if err != nil || written == 1 != changes {
				t.Errorf("got %d written, %v, want that it is: %v", written, err, changes)
			}
			if got := content(t, "Dockerfile"); got != test.after {
				t.Errorf("got %q, want %q", got, test.after)
			}
		})
	}
}

func TestResolveAsksOnce(t *testing.T) {
	files := map[string]string{}
	for i := range 60 {
		files[fmt.Sprintf("d%d/Dockerfile", i)] = fmt.Sprintf("FROM cgr.dev/org/i%d:1\nCOPY --from=cgr.dev/org/i%d:1 / /\n", i%20, i%20)
	}
	s := setOf(t, files)
	var mu sync.Mutex
	asked := map[string]int{}
	var now, most atomic.Int32
	full := make(chan struct{})
	var steps []int
	err := s.Resolve(t.Context(), Options{}, func(_ context.Context, image registry.Reference) (string, error) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == workers {
			select {
			case <-full:
			default:
				close(full) // the first to be the eighth lets all go on
			}
		}
		<-full
		mu.Lock()
		defer mu.Unlock()
		asked[image.String()]++
		return digest(1), nil
	}, func(error) bool { return false }, func(asked, all int) { steps = append(steps, asked*100+all) })
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) != 20 || most.Load() != workers {
		t.Errorf("got %d images asked for, %d at once, want 20, %d", len(asked), most.Load(), workers)
	}
	for image, n := range asked {
		if n != 1 {
			t.Errorf("got %s asked for %d times, want once", image, n)
		}
	}
	if len(steps) != 20 || !slices.IsSorted(steps) || steps[19] != 2020 {
		t.Errorf("got the progress %v, want 1 to 20 of 20", steps)
	}
}

func TestResolveErrors(t *testing.T) {
	s := setOf(t, map[string]string{
		"a/Dockerfile": "FROM cgr.dev/org/python:3.13\nFROM cgr.dev/org/gone:1\n",
		"b/Dockerfile": "FROM cgr.dev/org/gone:1\nFROM cgr.dev/org/lost:2\n",
	})
	err := resolve(t, s, Options{}, map[string]string{"org/python:3.13": digest(1)})
	several, ok := err.(interface{ Unwrap() []error })
	if !ok || len(several.Unwrap()) != 2 {
		t.Fatalf("got %v, want two errors", err)
	}
	a, b := here("a/Dockerfile"), here("b/Dockerfile")
	for i, want := range []string{a + ":2 (and 1 more): there is no org/gone:1", b + ":2: there is no org/lost:2"} {
		if got := several.Unwrap()[i].Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// An error that every image would have is returned once, and the others are not resolved.
func TestResolveFatal(t *testing.T) {
	var files strings.Builder
	for i := range 100 {
		fmt.Fprintf(&files, "FROM cgr.dev/org/i%d:1\n", i)
	}
	s := setOf(t, map[string]string{"Dockerfile": files.String()})
	fatal := errors.New("not signed in")
	var asked atomic.Int32
	err := s.Resolve(t.Context(), Options{}, func(ctx context.Context, _ registry.Reference) (string, error) {
		if asked.Add(1) == 1 {
			return "", fatal
		}
		<-ctx.Done()
		return "", ctx.Err()
	}, func(err error) bool { return err == fatal }, func(int, int) {})
	if !errors.Is(err, fatal) || !strings.HasPrefix(err.Error(), here("Dockerfile:")) || asked.Load() > workers {
		t.Errorf("got %v after %d, want %v after %d at most", err, asked.Load(), fatal, workers)
	}
	for _, p := range s.References() {
		if p.State != Unpinned || p.New != "" {
			t.Errorf("got %+v, want it as it was", p)
		}
	}
}

func TestResolveInterrupted(t *testing.T) {
	s := setOf(t, map[string]string{"Dockerfile": "FROM cgr.dev/org/a:1\nFROM cgr.dev/org/b:1\n"})
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Resolve(ctx, Options{}, func(ctx context.Context, _ registry.Reference) (string, error) {
		cancel()
		<-ctx.Done()
		return "", ctx.Err()
	}, func(error) bool { return false }, func(int, int) {})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was canceled", err)
	}
}

func TestReadLeavesTemplates(t *testing.T) {
	s := setOf(t, map[string]string{
		"chart/deployment.yaml": "image: {{ .Values.registry }}/x\nother: cgr.dev/org/x:1\n",
		"chart/registry.yaml":   "image: {{ .Values.registry | default cgr.dev }}/x\n",
		"chart/comment.yaml":    "image: {{ .Values.registry }}/x # cgr.dev/org/x:1\n",
	})
	var got []string
	for _, p := range s.References() {
		got = append(got, fmt.Sprintf("%s:%d %s", p.File, p.Line, p.State))
	}
	same(t, got, here("chart/comment.yaml:1 comment"), here("chart/deployment.yaml:2 left"))
	if len(s.Skipped) != 1 || s.Skipped[0].Path != here("chart/registry.yaml") || !strings.Contains(s.Skipped[0].Reason, "template") {
		t.Errorf("got %v skipped, want the template that names the registry alone", s.Skipped)
	}
}

// An image that one file builds is left alone in another.
func TestReadLeavesWhatIsBuilt(t *testing.T) {
	s := setOf(t, map[string]string{
		"skaffold.yaml": "build: {artifacts: [{image: cgr.dev/org/app}]}\n",
		"pod.yaml":      "image: cgr.dev/org/app\nx: {image: cgr.dev/org/db:1}\n",
	})
	if err := resolve(t, s, Options{}, map[string]string{"org/db:1": digest(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := content(t, "pod.yaml"), "image: cgr.dev/org/app\nx: {image: cgr.dev/org/db:1@"+digest(1)+"}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An image that one file only pushes or tags is pinned in another.
func TestReadSpreadsOnlyWhatIsBuilt(t *testing.T) {
	for _, test := range []struct {
		file, text string
		want       State
	}{
		{"run.sh", "docker push cgr.dev/org/app:1\n", Unpinned},
		{"run.sh", "IMAGE=cgr.dev/org/app:1\ndocker push $IMAGE\n", Unpinned},
		{"x.yaml", "tags: [cgr.dev/org/app:1]\n", Unpinned},
		{"x.json", `{"tags": ["cgr.dev/org/app:1"]}`, Unpinned},
		{"run.sh", "docker build -t cgr.dev/org/app:1 .\n", Built},
		{"run.sh", "docker buildx build --push --tag cgr.dev/org/app:1 .\n", Built},
		{"run.sh", "IMAGE=cgr.dev/org/app:1\ndocker build -t $IMAGE . && docker push $IMAGE\n", Built},
		{"compose.yaml", "services: {a: {build: ., image: 'cgr.dev/org/app:1'}}\n", Built},
		{"skaffold.yaml", "build: {artifacts: [{image: 'cgr.dev/org/app:1'}]}\n", Built},
		{"Tiltfile", "docker_build('cgr.dev/org/app:1', '.')\n", Built},
	} {
		places := setOf(t, map[string]string{"Dockerfile": "FROM cgr.dev/org/app:1\n", test.file: test.text}).References()
		if len(places) != 2 || places[0].File != here("Dockerfile") || places[0].State != test.want || places[1].State != Built {
			t.Errorf("%q: got %+v, want the first %s, and the other left alone", test.text, places, test.want)
		}
	}
}

// References in unknown positions count as pinned if they have a digest, and are not updated.
func TestPinnedElsewhere(t *testing.T) {
	text := "x: cgr.dev/org/db:1@" + digest(2) + "\n"
	s := setOf(t, map[string]string{"notes": text})
	if places := s.References(); len(places) != 1 || places[0].State != Pinned {
		t.Fatalf("got %+v, want it pinned", places)
	}
	if err := resolve(t, s, Options{Update: true}, nil); err != nil {
		t.Fatal(err)
	}
	if places := s.References(); places[0].State != Left || !places[0].HasDigest() {
		t.Errorf("got %+v, want it left, and sure", places)
	}
}

// A reference with a digest is pinned even if its registry is composed.
func TestSureBehindADefault(t *testing.T) {
	places := setOf(t, map[string]string{"run.sh": "docker run ${REG:-cgr.dev/org}/python@" + digest(1) + " x\n"}).References()
	if len(places) != 1 || !places[0].HasDigest() {
		t.Errorf("got %+v, want it pinned", places)
	}
}

// Only a valid digest at the end of a reference pins it.
func TestSure(t *testing.T) {
	d := digest(1)
	for text, want := range map[string]bool{
		"FROM cgr.dev/org/python@" + d:                   true,
		"FROM cgr.dev/org/python:3@" + d + " AS build":   true,
		"ARG O=org\nFROM cgr.dev/${O}/python@" + d:       true,
		"FROM cgr.dev/org/python":                        false,
		"FROM cgr.dev/org/python@sha256:abc":             false,
		"FROM cgr.dev/org/python:latest@sha":             false,
		"ARG D=" + d + "\nFROM cgr.dev/org/python@${D}":  false,
		"ARG D\nFROM cgr.dev/org/python@sha256:${D}":     false,
		"FROM cgr.dev/org/python AS @" + d:               false,
		"ARG O=org\nFROM cgr.dev/${O}/python@" + d + "0": false,
	} {
		places := setOf(t, map[string]string{"Dockerfile": text + "\n"}).References()
		if len(places) != 1 || places[0].HasDigest() != want {
			t.Errorf("%q: got %+v, want that it is pinned: %v", text, places, want)
		}
	}
}

func TestReadInterrupted(t *testing.T) {
	setOf(t, map[string]string{"Dockerfile": "FROM cgr.dev/org/python\n"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := Read(ctx, []string{"."}, nil, host); s != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v, want that it was canceled", s, err)
	}
}
