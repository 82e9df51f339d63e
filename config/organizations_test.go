package config

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestOrganizations(t *testing.T) {
	const id = "89fe8d4ef086da7ca570fb69a3f02392e3fd389c/0123456789abcdef"
	c, err := Load(func(name string) string {
		return map[string]string{"CHAINGUARD_AUTH_ORGANIZATIONS": "example.com,acme=" + id}[name]
	})
	if err != nil || len(c.Organizations) != 2 {
		t.Fatalf("got %v, %v", c.Organizations, err)
	}
	if o, found := c.FindOrganization("acme"); !found || o.Identity != id {
		t.Errorf("got %v, %v", o, found)
	}
	if o, found := c.FindOrganization("Acme"); found {
		t.Errorf("got %v for another name", o)
	}
}

// Sign-ins for two organizations at once, each of which has read the settings before the other
// changed them, both stay.
func TestChangeOrganizations(t *testing.T) {
	const id = "89fe8d4ef086da7ca570fb69a3f02392e3fd389c/0123456789abcdef"
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := RemoveOrganization(path, "acme"); err != nil {
		t.Fatalf("without a file: got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("got a file for nothing")
	}
	var adding sync.WaitGroup
	for _, name := range []string{"acme", "example.com"} {
		adding.Go(func() {
			if err := AddOrganization(path, Organization{name, ""}); err != nil {
				t.Error(err)
			}
		})
	}
	adding.Wait()
	for _, change := range []error{
		AddOrganization(path, Organization{"acme", id}), AddOrganization(path, Organization{"example.net", ""}),
		RemoveOrganization(path, "example.com"), RemoveOrganization(path, "example"), // a prefix of another name
	} {
		if change != nil {
			t.Error(change)
		}
	}
	c, err := Read(Sources{File: path, Getenv: func(string) string { return "" }})
	if got, want := c.Organizations.String(), "acme="+id+",example.net"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if err := os.WriteFile(path, []byte("auth:\n  organizations: a,,b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := AddOrganization(path, Organization{"acme", ""}); err == nil || !strings.Contains(err.Error(), "auth.organizations") {
		t.Errorf("got %v, want an error that names the setting", err)
	}
}

func FuzzOrganizations(f *testing.F) {
	f.Add("example.com,acme=89fe8d4ef086da7ca570fb69a3f02392e3fd389c")
	f.Add("a,,b")
	f.Add("../x")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseOrganizations(text)
		if err != nil {
			return
		}
		if got := all.String(); got != text {
			t.Errorf("%q became %q", text, got)
		}
		for _, o := range all {
			if strings.ContainsAny(o.Name, `/\:= `) || strings.HasPrefix(o.Name, ".") {
				t.Errorf("accepted the name %q", o.Name)
			}
		}
	})
}
