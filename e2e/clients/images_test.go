//go:build e2e && linux

package clients

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
)

// TestBuildPinned pins a Dockerfile the way the registry's documentation does by hand,
// and builds from it with the real Docker, through the helper: the image that was
// pinned, though the tag has moved on.
func TestBuildPinned(t *testing.T) {
	for _, test := range []struct {
		name, image string
		prepare     func(p *fixture)
		signIns     int
	}{
		{"public", publicImage, func(*fixture) {}, 0},
		{"private", privateImage, (*fixture).signsInAlone, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlaceFor(t, docker)
			test.prepare(p)
			repository, tag, _ := strings.Cut(test.image, ":")
			pinned := fmt.Sprintf("%s/%s@%s", p.host, repository, p.pointsTo(repository, tag))
			folder := p.path("app")
			dockerfile := filepath.Join(folder, "Dockerfile")
			p.writes(dockerfile, "FROM "+p.host+"/"+test.image+"\nCOPY note.txt /note.txt\n")
			p.writes(filepath.Join(folder, "note.txt"), "a layer of its own\n")

			p.must("docker-credential-cgr", "images", "pin", "--keep-tag=no", folder)
			if text, err := os.ReadFile(dockerfile); string(text) != "FROM "+pinned+"\nCOPY note.txt /note.txt\n" {
				t.Fatalf("the pinned file is %q (%v), want it FROM %s", text, err, pinned)
			}
			p.wantCounts("pin", map[string]int{
				"windows": test.signIns, "signin": test.signIns, "registry.manifest": 1, "registry.blob": 0, "registry.history": 0,
			})

			if _, err := p.platform.AddImage(t.Context(), repository, tag, "moved on\n"); err != nil {
				t.Fatal(err)
			}
			built := p.builds(folder)
			p.wantCounts("build", map[string]int{"windows": 0, "signin": 0, "issuer": 0})
			p.isBuiltFrom(built, pinned, test.image)
		})
	}
}

// pointsTo is the digest that a tag points to.
func (p *fixture) pointsTo(repository, tag string) string {
	p.t.Helper()
	history := p.platform.History(repository, tag)
	if len(history) == 0 {
		p.t.Fatalf("%s:%s points to nothing", repository, tag)
	}
	return history[len(history)-1].Digest
}

func (p *fixture) writes(path, text string) {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// builds builds a folder, and gives the image's name. The builder is BuildKit where
// this Docker has it, and else the one that Docker had before.
func (p *fixture) builds(folder string) (image string) {
	p.t.Helper()
	image = "pinned-" + strings.ToLower(filepath.Base(p.dir))
	builder, command := "the classic builder", []string{"docker", "build", "--tag", image, folder}
	if p.run("docker", "buildx", "version").code == 0 {
		builder, command = "BuildKit", []string{"docker", "buildx", "build", "--load", "--provenance=false", "--tag", image, folder}
	}
	p.t.Logf("built by %s", builder)
	p.must(command...)
	return image
}

// isBuiltFrom sees whether a built image holds what the pinned one holds, layer by
// layer, and removes both.
func (p *fixture) isBuiltFrom(built, pinned, image string) {
	p.t.Helper()
	p.must("docker", "pull", pinned) // BuildKit keeps what it builds from to itself
	base, all := p.layers(pinned), p.layers(built)
	if len(base) == 0 || len(all) != len(base)+1 || !slices.Equal(all[:len(base)], base) {
		p.t.Errorf("it has the layers %q, want those of %s, %q, and one more", all, pinned, base)
	}
	to := p.path("tmp/built")
	p.must("docker", "save", "--output", to, built)
	if hello, err := helloIn(to); err != nil || hello != helloFrom(image) {
		p.t.Errorf("what was built says %q (%v), want %q", hello, err, helloFrom(image))
	}
	p.must("docker", "rmi", built, pinned)
}

// layers are the digests of what an image's layers hold, the lowest first.
func (p *fixture) layers(image string) (digests []string) {
	p.t.Helper()
	r := p.must("docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", image)
	if err := json.Unmarshal([]byte(r.stdout), &digests); err != nil {
		p.t.Fatalf("%v: %s", err, r)
	}
	return digests
}

// record is one of a tag's history, as the registry has it and as the program tells it.
type record struct {
	UpdateTimestamp string `json:"updateTimestamp"`
	Digest          string `json:"digest"`
}

// history asks the program for a history.
func (p *fixture) history(args ...string) (records []record) {
	p.t.Helper()
	r := p.must(append([]string{"docker-credential-cgr", "images", "history", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(r.stdout), &records); err != nil {
		p.t.Fatalf("%v: %s", err, r)
	}
	return records
}

// TestHistoryByHand asks for a history as the registry's documentation does, with curl
// and jq, in each of its three ways, and the program for the same.
func TestHistoryByHand(t *testing.T) {
	// $IMAGE and $HOST are filled in; a pull token comes on standard input.
	const history = `curl -sSf -H "Authorization: Bearer $tok" "http://$HOST/v2/$IMAGE/_chainguard/history/latest" | jq .history`
	for _, test := range []struct {
		name, repository, script string
	}{
		{"without a credential", fakeplatform.PublicOrganization + "/python",
			`tok=$(curl -sSf "http://$HOST/token?scope=repository:$IMAGE:pull" | jq -r .token)`},
		{"with what get gives", fakeplatform.Organization + "/python",
			`tok=$(curl -sSf -H "Authorization: Bearer $(echo "$HOST" | docker-credential-cgr get | jq -r .Secret)" \
				"http://$HOST/token?scope=repository:$IMAGE:pull" | jq -r .token)`},
		{"with a pull token", fakeplatform.Organization + "/python",
			`read -r USERNAME PASSWORD
			TOKEN=$(printf %s "$USERNAME:$PASSWORD" | base64 | tr -d '\n\r')
			tok=$(curl -sSf -H "Authorization: Basic $TOKEN" "http://$HOST/token?scope=repository:$IMAGE:pull" | jq -r .token)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newFixture(t)
			p.signsInAlone()
			// The documentation's way has tokens in curl's arguments.
			t.Cleanup(func() { p.watch.leaveOut("curl") })
			before := p.platform.History(test.repository, "latest")
			p.platform.SetHistory(test.repository, "latest", append(fakeplatform.Builds(before[0].Updated.Add(-time.Hour*1000), 40), before...))
			id, secret := p.platform.PullToken(time.Hour)

			script := fmt.Sprintf("HOST=%s IMAGE=%s\n%s\n%s\n", p.host, test.repository, test.script, history)
			r := p.start(id+" "+secret+"\n", "sh", "-ec", script).wait()
			var byHand []record
			if err := json.Unmarshal([]byte(r.stdout), &byHand); err != nil || r.code != 0 {
				t.Fatalf("by hand (%v): %s", err, r)
			}
			got := p.history("--reverse", p.host+"/"+test.repository+":latest")
			if len(got) != 44 || !slices.Equal(got, byHand) {
				t.Errorf("got %d records\n%v, want as by hand\n%v", len(got), got, byHand)
			}
		})
	}
}

// leaveOut leaves out what was seen of a program that the test gives secrets in
// arguments.
func (w *watch) leaveOut(program string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.seen {
		if name, _, _ := strings.Cut(p.arguments, "\x00"); filepath.Base(name) == program {
			delete(w.seen, p)
		}
	}
}

// TestLongHistory has a tag that was moved more often than the registry tells at once.
func TestLongHistory(t *testing.T) {
	const moves = 2500
	p := newFixture(t)
	first := time.Date(2024, time.February, 3, 4, 5, 6, 789e6, time.UTC)
	builds := fakeplatform.Builds(first, moves)
	p.platform.SetHistory(fakeplatform.PublicOrganization+"/python", "latest", builds)
	got := p.history(fakeplatform.PublicOrganization + "/python")
	p.wantCounts("history", map[string]int{"registry.token": 1, "registry.history": 3, "registry": 4, "issuer": 0, "windows": 0})

	want := make([]record, moves)
	for i, build := range builds {
		want[moves-1-i] = record{build.Updated.Format("2006-01-02T15:04:05.000Z"), build.Digest}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d records, want %d, the newest first:\n%v", len(got), moves, got)
	}
	r := p.must("docker-credential-cgr", "images", "history", "-o", "id", "--limit", "1", fakeplatform.PublicOrganization+"/python")
	if r.stdout != builds[moves-1].Digest+"\n" {
		t.Errorf("the newest is %s, want %s", r, builds[moves-1].Digest)
	}
}

// TestPublicOpensNoWindow asks at a terminal for a tag that a public image has not: that
// is no reason to have somebody sign in. A private image is one.
func TestPublicOpensNoWindow(t *testing.T) {
	p := newPlaceFor(t, docker)
	for _, public := range []string{"chainguard/python:lates", "chainguard/python:3.13"} {
		if r := p.runAtTerminal("docker-credential-cgr", "images", "digest", p.host+"/"+public); r.code == 0 {
			t.Errorf("got %s, want that it cannot be had", r)
		}
	}
	p.wantCounts("public images", map[string]int{"windows": 0, "signin": 0})
	if r := p.runAtTerminal("docker-credential-cgr", "images", "digest", p.host+"/"+privateImage); r.code != 0 {
		t.Errorf("got %s, want a digest", r)
	}
	p.wantCounts("a private image", map[string]int{"windows": 1, "signin": 1})
}

// TestPinAtTerminal shows how far it is, and a diff in which nothing drives the terminal.
func TestPinAtTerminal(t *testing.T) {
	p := newPlaceFor(t, docker)
	file := filepath.Join(p.path("app"), "Dockerfile")
	p.writes(file, "FROM "+p.host+"/"+publicImage+"\nRUN a \\\n    b\n# \x1b]0;title\a\n")
	r := p.runAtTerminal("docker-credential-cgr", "images", "pin", "--dry-run", file)
	digest := p.pointsTo("chainguard/python", "latest")
	for _, want := range []string{
		"1 of 1 image", "\n     b\r\n", "\n+FROM " + p.host + "/" + publicImage + "@" + digest + "\r\n", "\n # " + `\x1b]0;title\a` + "\r\n", "Would change 1 reference in 1 file",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("got no %q in %q", want, r.stdout)
		}
	}
	if strings.Contains(r.stdout, "\x1b]0") {
		t.Errorf("got %q, want that the title stays", r.stdout)
	}
}
