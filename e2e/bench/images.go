//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
)

// Sizes of the tree of files and of the tag history.
const (
	treeFiles          = 5000
	treeReferences     = 400
	treeImages         = 40
	concurrentRequests = 8
	historyRecords     = 2500
	historyPages       = 3
)

// Names of the commands for images in the report.
const (
	pinCheck   = program.Name + " images pin --check, everything pinned"
	grepFiles  = "grep -rlF"
	pinTree    = "images pin"
	pinNothing = "images pin and --check with everything pinned"
	oldHistory = "images history"
)

// imageRounds is how often the commands for images are measured.
const imageRounds = 20

// images holds how many requests the commands for images sent in each round, and how
// long they took.
type images struct {
	requested, concurrent, idle, pages []int
	check, grep                        *single
}

// manifestRequests is the platform's name for requests for a digest.
const manifestRequests = "registry.manifest"

// measureImages runs the commands for images on a new tree.
func (p *fixture) measureImages(ctx context.Context, rounds int) (*images, error) {
	platform, err := p.newPlatform()
	if err != nil {
		return nil, err
	}
	tree := p.path("tree")
	if err := writeTree(ctx, tree, platform); err != nil {
		return nil, err
	}
	m := &images{}
	command := func(name string, args ...string) *single {
		return &single{name: name, path: p.program(), args: append([]string{"images"}, args...), environ: p.with(platform.Environ())}
	}
	for range rounds {
		if err := m.countPins(ctx, platform, command(pinTree, "pin", "--dry-run", tree)); err != nil {
			return nil, err
		}
	}
	if err := command(pinTree, "pin", tree).verify(ctx); err != nil {
		return nil, err
	}
	m.check = command(pinCheck, "pin", "--check", tree)
	for range rounds {
		platform.ResetCounts()
		if err := errors.Join(command(pinNothing, "pin", tree).verify(ctx), m.check.verify(ctx)); err != nil {
			return nil, err
		}
		m.idle = append(m.idle, platform.Count(""))
	}
	platform.SetHistory(treeRepository(0), "latest", fakeplatform.Builds(time.Now().Add(-historyRecords*time.Hour), historyRecords))
	for range rounds {
		platform.ResetCounts()
		history := command(oldHistory, "history", "-o", "id", treeRepository(0))
		history.wants = fmt.Sprintf("sha256:%064x\n", 1) // the oldest, which comes last
		if err := history.verify(ctx); err != nil {
			return nil, err
		}
		m.pages = append(m.pages, platform.Count("registry.history"))
	}
	return m, p.measureWalk(ctx, m, platform, tree, rounds)
}

// countPins counts the requests of a pin. The registry holds them until concurrentRequests
// are open and then responds after 20 ms, so that more concurrent requests would be counted.
func (m *images) countPins(ctx context.Context, platform *fakeplatform.Platform, pin *single) error {
	platform.Change(func(b *fakeplatform.Behavior) {
		b.Gather[manifestRequests] = concurrentRequests
		b.Latency[manifestRequests] = 20 * time.Millisecond
	})
	platform.ResetCounts()
	pin.wants = "@sha256:"
	err := pin.verify(ctx)
	platform.Change(func(b *fakeplatform.Behavior) { clear(b.Gather); clear(b.Latency) })
	m.requested = append(m.requested, platform.Count(manifestRequests))
	m.concurrent = append(m.concurrent, platform.Peak("registry"))
	return err
}

// measureWalk compares the time of a check of the whole tree with a plain search through
// the same files.
func (p *fixture) measureWalk(ctx context.Context, m *images, platform *fakeplatform.Platform, tree string, rounds int) error {
	all := []*single{m.check}
	if path, err := exec.LookPath("grep"); err != nil {
		p.skip(grepFiles, "grep is not installed")
	} else {
		m.grep = &single{
			name: grepFiles, path: path, args: []string{"-rlF", platform.RegistryHost() + "/", tree},
			environ: p.with(), wants: filepath.Join(tree, "service-000", "Dockerfile") + "\n",
		}
		all = append(all, m.grep)
	}
	return measureSingles(ctx, all, rounds)
}

// treeRepository returns a repository of the tree. The tree names two images of each.
func treeRepository(i int) string {
	return fmt.Sprintf("%s/bench-%02d", fakeplatform.PublicOrganization, i%(treeImages/2))
}

// writeTree writes the tree and pushes the images that it names.
func writeTree(ctx context.Context, tree string, platform *fakeplatform.Platform) error {
	tags := []string{"latest", "latest-dev"} // public tags
	for i := range treeImages {
		repository, tag := treeRepository(i), tags[i/(treeImages/2)]
		if _, err := platform.AddImage(ctx, repository, tag, repository+tag); err != nil {
			return err
		}
	}
	const folders, each = treeReferences / 2, treeFiles / (treeReferences / 2)
	for i := range folders {
		image := func(tag string) string {
			return platform.RegistryHost() + "/" + treeRepository(i) + ":" + tag
		}
		files := map[string]string{
			"Dockerfile":      "# Built by hand no more.\nFROM " + image(tags[0]) + " AS run\nCOPY . /src\n",
			"deployment.yaml": "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n    - name: run\n      image: " + image(tags[1]) + "\n",
			"settings.yaml":   strings.Repeat("key: {a: 1, b: [2, 3]}\n---\n", 50),
			"tests.yml":       "image: registry.example/tests:1\n" + strings.Repeat("# a comment of some length\n", 80),
		}
		for n := range each - len(files) {
			files[fmt.Sprintf("source-%02d.go", n)] = "package service\n" + strings.Repeat("\n// work does what it says.\nfunc work() {}\n", 40+n)
		}
		if err := writeFiles(filepath.Join(tree, fmt.Sprintf("service-%03d", i)), files); err != nil {
			return err
		}
	}
	return nil
}

func writeFiles(dir string, files map[string]string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// walkLimit is how much longer than grep the program may take to check the tree.
const walkLimit = 1.5

func (r *report) imageBudgets() []budget {
	m := r.images
	if m == nil {
		m = &images{}
	}
	tree := fmt.Sprintf("%s, %d files with %d references to %d images: ", pinTree, treeFiles, treeReferences, treeImages)
	walk := budget{what: pinCheck + ", against " + grepFiles, limit: fmt.Sprintf("%.2f", walkLimit), measured: "not measured"}
	if m.check != nil && m.grep != nil {
		got := ratio(m.check.took, m.grep.took)
		walk.measured, walk.met = fmt.Sprintf("%.2f", got), got <= walkLimit
	}
	return []budget{
		always(tree+"images requested", treeImages, m.requested),
		always(tree+"concurrent requests", concurrentRequests, m.concurrent),
		always(pinNothing+": requests", 0, m.idle),
		always(fmt.Sprintf("%s, %d records: requests for them", oldHistory, historyRecords), historyPages, m.pages),
		walk,
	}
}

// always returns a budget whose count must equal the limit in every round.
func always(what string, limit int, counts []int) budget {
	b := budget{what: what, limit: fmt.Sprint(limit), measured: "not measured"}
	if len(counts) > 0 {
		b.measured, b.met = extremes(counts), slices.Min(counts) == limit && slices.Max(counts) == limit
	}
	return b
}

func (r *report) imageTable() table {
	t := table{fmt.Sprintf("A tree of %d files", treeFiles), [][]string{{"what", "median, ms", "quartiles, ms", "/ " + grepFiles}}}
	if r.images == nil {
		return t
	}
	for _, s := range []*single{r.images.check, r.images.grep} {
		if s == nil {
			continue
		}
		against := ""
		if s != r.images.grep && r.images.grep != nil {
			against = fmt.Sprintf("%.2f", ratio(s.took, r.images.grep.took))
		}
		t.rows = append(t.rows, []string{s.name, milliseconds(median(s.took)), quartiles(s.took), against})
	}
	return t
}

// imageMethod explains the figures about images.
func imageMethod() string {
	return fmt.Sprintf(`The tree has %[1]d files in %[2]d folders: in each, a Dockerfile and a Kubernetes file that name one of %[3]d images, two YAML files that name
none, and source files, mostly of two to three KB. The registry holds requests for a digest until %[4]d are open at once, then answers each
after 20 ms, so that more concurrent requests would be noticed; it counts the requests that arrive. grep searches all files of the tree
for the registry's name, and so does the program. Each runs in %[5]d rounds.`,
		treeFiles, treeReferences/2, treeImages, concurrentRequests, imageRounds)
}
