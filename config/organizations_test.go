package config

import (
	"strings"
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
	if got := c.WithOrganization(Organization{Name: "acme"}); got != "example.com,acme" {
		t.Errorf("got %q", got)
	}
	if got := c.WithoutOrganization("example.com"); got != "acme="+id {
		t.Errorf("got %q", got)
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
