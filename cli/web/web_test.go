package web

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/pulltoken"
)

func TestSnippets(t *testing.T) {
	made := pulltoken.Credential{
		Identity: iam.Identity{ID: "aa/bb", Name: "my builds"}, Token: "eyJ.eyJ.c2ln",
		Expires: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	images := []string{"docker login", "Environment", "Kubernetes"}
	for _, test := range []struct {
		repositories []pulltoken.Repository
		want         []string
	}{
		{[]pulltoken.Repository{pulltoken.OCI}, images},
		{[]pulltoken.Repository{pulltoken.APK, pulltoken.OCI}, images},
		{[]pulltoken.Repository{pulltoken.Java, pulltoken.APK}, []string{"Environment"}},
	} {
		snippets, err := newSnippets("cgr.dev", made, test.repositories)
		if err != nil {
			t.Fatal(err)
		}
		var titles []string
		for _, s := range snippets {
			titles = append(titles, s.Title)
			if s.Title != "Kubernetes" && !strings.Contains(s.Text, made.Token) {
				t.Errorf("got %s of %q without the pull token, want it", s.Text, s.Title)
			}
		}
		if !slices.Equal(titles, test.want) {
			t.Errorf("%q: got %q, want %q", test.repositories, titles, test.want)
		}
	}
	for name, want := range map[string]string{"builds": "  name: \"builds\"\n", "my builds": "  name: \"chainguard-pull\"\n", "my_builds": "  name: \"chainguard-pull\"\n"} {
		made.Identity.Name = name
		snippets, err := newSnippets("cgr.dev", made, []pulltoken.Repository{pulltoken.OCI})
		if err != nil {
			t.Fatal(err)
		}
		if got := snippets[2].Text; !strings.Contains(got, want) || !strings.Contains(got, `docker-credential-cgr/expires: "2027-01-02T03:04:05Z"`) {
			t.Errorf("%q: got %s, want a secret with %s", name, got, want)
		}
	}
	made.Token = ""
	if _, err := newSnippets("cgr.dev", made, []pulltoken.Repository{pulltoken.OCI}); err == nil {
		t.Error("got no error for a pull token that no secret can hold, want one")
	}
}

// TestLoginSnippet has a shell run what people paste.
func TestLoginSnippet(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here")
	}
	made := pulltoken.Credential{Identity: iam.Identity{ID: "aa/bb", Name: "ci"}, Token: `it's; $(echo harm) %s`}
	snippets, err := newSnippets("cgr.dev", made, []pulltoken.Repository{pulltoken.OCI})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(sh, "-c", `docker() { echo "$@"; cat; }`+"\n"+snippets[0].Text).Output()
	if want := "login cgr.dev --username aa/bb --password-stdin\n" + made.Token + "\n"; err != nil || string(out) != want {
		t.Errorf("P13 got %q, %v, want %q: the token on standard input alone", out, err, want)
	}
}

func TestAwaitBrowser(t *testing.T) {
	const late, failed = "no browser has shown the page within 10s", "cannot open a browser"
	for _, test := range []struct {
		name    string
		event   string        // which channel is closed
		wait    time.Duration // before that
		printed []string
	}{
		{"at once", "used", 0, nil},
		{"just in time", "used", browserTimeout - time.Millisecond, nil},
		{"late", "used", time.Hour, []string{late}},
		{"never", "ended", time.Hour, []string{late}},
		{"the page ends first", "ended", time.Second, nil},
		{"no browser", "failed", time.Second, []string{failed}},
		{"no browser after a while", "failed", time.Minute, []string{late, failed}},
	} {
		t.Run(test.name, func(t *testing.T) {
			stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
			if err != nil {
				t.Fatal(err)
			}
			defer stderr.Close()
			synctest.Test(t, func(t *testing.T) {
				events := map[string]chan struct{}{"used": make(chan struct{}), "failed": make(chan struct{}), "ended": make(chan struct{})}
				time.AfterFunc(test.wait, func() { close(events[test.event]) })
				a := &command.App{Stderr: stderr}
				started := time.Now()
				awaitBrowser(a, events["used"], events["failed"], events["ended"])
				if got := time.Since(started); got != test.wait {
					t.Errorf("got the end after %s, want it after %s", got, test.wait)
				}
			})
			text, err := os.ReadFile(stderr.Name())
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
			if len(test.printed) == 0 {
				lines = nil
			}
			if !slices.EqualFunc(lines, test.printed, strings.Contains) {
				t.Errorf("got %q, want %q", lines, test.printed)
			}
		})
	}
}
