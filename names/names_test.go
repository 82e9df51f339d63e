package names

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/state"
)

const (
	organization = "0123456789abcdef0123456789abcdef01234567"
	other        = "76543210fedcba9876543210fedcba9876543210"
)

func newCache(t *testing.T) (c *Cache, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "state")
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	return &Cache{Dir: state.NewDir("names-test", func() (string, error) { return dir, nil }), Note: "names", Now: func() time.Time { return now }}, dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantNames(t *testing.T, c *Cache, want ...string) {
	t.Helper()
	var got []string
	for _, item := range c.Items() {
		got = append(got, item.Name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got the names %q, want %q", got, want)
	}
}

func TestCache(t *testing.T) {
	c, dir := newCache(t)
	wantNames(t, c)
	must(t, c.PutOrganizations([]Item{{ID: organization, Name: "a.example"}, {ID: other, Name: "b.example"}}))
	must(t, c.PutIdentities("", []Item{{ID: organization + "/1", Name: "one"}, {ID: organization + "/1/2", Name: "two"}, {ID: other + "/3", Name: "three"}}))
	wantNames(t, c, "a.example", "b.example", "one", "three", "two")
	must(t, c.PutIdentities(organization, []Item{{ID: organization + "/4", Name: "four"}})) // the others are as they were
	wantNames(t, c, "a.example", "b.example", "four", "three")
	must(t, c.PutIdentities(organization+"/4", nil)) // deleted
	must(t, c.PutOrganizations([]Item{{ID: other, Name: "b.example"}}))
	wantNames(t, c, "b.example", "three")
	if info, err := os.Stat(filepath.Join(dir, "names")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file of mode 0600", info, err)
	}

	noon := c.Now()
	c.Now = func() time.Time { return noon.Add(maxAge / 2) }
	must(t, c.PutIdentities(other, []Item{{ID: other + "/5", Name: "five"}}))
	c.Now = func() time.Time { return noon.Add(maxAge + time.Second) }
	wantNames(t, c, "five")
	c.Now = func() time.Time { return noon.Add(-time.Second) } // the clock was wrong
	wantNames(t, c)
	c.Now = func() time.Time { return noon.Add(maxAge / 2) }
	must(t, c.Clear())
	wantNames(t, c)
}

func TestCacheIsBounded(t *testing.T) {
	c, _ := newCache(t)
	items := make([]Item, 3*maxItems)
	for i := range items {
		items[i] = Item{ID: organization + "/" + strings.Repeat("0", 200), Name: strings.Repeat("n", 300), Type: "service_principal"}
	}
	must(t, c.PutIdentities("", items))
	if got := len(c.Items()); got != maxItems {
		t.Errorf("got %d items, want %d", got, maxItems)
	}
}

func TestDamagedCache(t *testing.T) {
	c, dir := newCache(t)
	for _, text := range []string{"", "x", "{}", "[1]", `[{"id":"a","at":"yesterday"}]`, "[" + strings.Repeat("[", 100)} {
		must(t, state.MakePrivateDir(dir))
		must(t, os.WriteFile(filepath.Join(dir, "names"), []byte(text), 0o600))
		wantNames(t, c)
	}
	must(t, c.PutOrganizations([]Item{{ID: organization, Name: "a.example"}}))
	wantNames(t, c, "a.example")
}

func TestComplete(t *testing.T) {
	id := func(n string) string { return organization + "/" + n }
	items := []Item{
		{ID: id("1"), Name: "mirror"}, {ID: id("2"), Name: "builds"}, {ID: id("3"), Name: "builds"},
		{ID: id("4"), Name: "two words"}, {ID: id("5"), Name: "$(touch x)"}, {ID: id("6"), Name: "-flag"},
		{ID: id("7"), Name: "new\nline\x1b[2J"}, {ID: "-x;y", Name: "a`b`"},
	}
	for _, test := range []struct {
		name, typed string
		given, want []string
	}{
		{"I75 all", "", nil, []string{
			id("2") + "\tbuilds", id("3") + "\tbuilds", id("4") + "\ttwo words", id("5") + "\t$(touch x)", id("6") + "\t-flag",
			id("7") + "\tnew line\\x1b[2J", "mirror\t" + id("1"),
		}},
		{"a name", "mi", nil, []string{"mirror\t" + id("1")}},
		{"an ID", id("1"), nil, []string{id("1") + "\tmirror"}},
		{"none", "x", nil, nil},
		{"given by name", "m", []string{"mirror"}, nil},
		{"given by ID", "m", []string{id("1")}, nil},
		{"a name that two have", "", []string{"builds", "mirror", id("3"), id("4"), id("5"), id("6"), id("7")}, []string{id("2") + "\tbuilds"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Complete(items, test.typed, test.given); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
