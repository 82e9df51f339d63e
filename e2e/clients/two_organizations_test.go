//go:build e2e && linux

package clients

import (
	"testing"

	"docker-credential-cgr/e2e/fakeplatform"
)

// TestTwoOrganizations pulls from two organizations with two accounts. Crane sends the name of the repository to the
// program if that is Docker's credential store.
func TestTwoOrganizations(t *testing.T) {
	p := newFixture(t)
	p.writeConfig(`{"credsStore": "cgr"}`)
	const image = fakeplatform.OtherOrganization + "/tool:latest"
	if _, err := p.platform.AddImage(t.Context(), fakeplatform.OtherOrganization+"/tool", "latest", "Hello from example.net/tool:latest\n"); err != nil {
		t.Fatal(err)
	}
	p.platform.Join(fakeplatform.Grace, fakeplatform.OtherOrganization, "registry.pull")
	p.platform.SetRoles(fakeplatform.Edsger, "registry.pull")

	p.set("EMAIL="+fakeplatform.Edsger, "PASSWORD=dijkstra")
	p.must("docker-credential-cgr", "login")
	crane.pulls(p, privateImage)
	if r, _ := crane.tryPull(p, image); r.code == 0 {
		t.Fatalf("%s was pulled without a session for it: %s", image, r)
	}
	p.set("EMAIL="+fakeplatform.Grace, "PASSWORD=hopper")
	p.must("docker-credential-cgr", "login", "--for", fakeplatform.OtherOrganization)
	p.wantCounts("sign-ins", map[string]int{"windows": 2})
	for range 2 {
		crane.pulls(p, image)
		crane.pulls(p, privateImage)
	}
	for repository, account := range map[string]string{
		fakeplatform.OtherOrganization + "/tool": fakeplatform.Grace,
		fakeplatform.Organization + "/python":    fakeplatform.Edsger,
	} {
		if n := p.platform.Count(repository + " for " + p.platform.PersonID(account)); n != 2 {
			t.Errorf("%s was pulled %d times by %s, want twice", repository, n, account)
		}
	}
	p.wantCounts("pulls", map[string]int{"windows": 0, "issuer": 0})
}
