package cli

import (
	"testing"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/workload"
)

// Each system in package workload has a command with its flags.
func TestNewSystem(t *testing.T) {
	old := workload.Systems
	t.Cleanup(func() { workload.Systems = old })
	workload.Systems = append(old[:len(old):len(old)], workload.System{Name: "Acme CI", Templates: []workload.Template{
		{Name: "acme", Short: "Create an identity for Acme CI", Flags: []workload.Flag{{Name: "acme-project", Usage: "`PROJECT`"}}},
		{Name: "acme-cloud role", Short: "Create an identity for a role", Flags: []workload.Flag{{Name: "role-name", Default: "any", Usage: "`NAME`"}}},
	}})
	for _, test := range []struct {
		command []string
		flag    string
	}{
		{[]string{"identities", "create", "acme"}, "acme-project"},
		{[]string{"iam", "identities", "create", "acme-cloud", "role"}, "role-name"},
	} {
		c, rest, err := newRoot(&command.App{}, "").Find(test.command)
		if err != nil || len(rest) > 0 || c.Flags().Lookup(test.flag) == nil || c.Flags().Lookup("role") == nil {
			t.Errorf("got %q, %q, %v, want the command %q with its flags", c.CommandPath(), rest, err, test.command)
		}
	}
}
