package identities

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/workload"
)

// addSystems adds the commands that create identities for CI systems and clouds.
func addSystems(a *command.App, create *cobra.Command) {
	for _, system := range workload.Systems {
		var group *cobra.Command
		for _, t := range system.Templates {
			parent, prefix := create, command.Name+" identities create "+t.Name+" "
			if groupName, kind, ok := strings.Cut(t.Name, " "); ok {
				if group == nil {
					group = command.Group(&cobra.Command{Use: groupName, Short: "Create an identity for " + system.Name})
					create.AddCommand(group)
				}
				parent, t.Name = group, kind
			}
			parent.AddCommand(newSystem(a, t, prefix))
		}
	}
}

func newSystem(a *command.App, t workload.Template, prefix string) *cobra.Command {
	values := map[string]*string{}
	c := createCommand(a, &cobra.Command{
		Use:     t.Name + " NAME",
		Short:   t.Short,
		Long:    t.Long,
		Example: "  " + prefix + t.Example,
	}, func(_ *cobra.Command, i *iam.Identity) (string, error) {
		flags := map[string]string{}
		for flag, value := range values {
			flags[flag] = *value
		}
		note, err := t.Fill(i, flags)
		if err != nil {
			return "", command.Usagef("%w", err)
		}
		return note, nil
	})
	for _, flag := range t.Flags {
		values[flag.Name] = c.Flags().String(flag.Name, flag.Default, flag.Usage)
	}
	return c
}

// printJob prints on standard error how a job assumes a new identity. Standard output has
// only its ID.
func printJob(a *command.App, i iam.Identity, group iam.Group, note string) {
	j := workload.Job{
		Identity: platform.Printable(i.ID),
		Image:    a.Config.Registry.Host + "/" + imageOwner(group) + "/python:latest",
		Audience: a.Config.Issuer.Host,
	}
	fmt.Fprintf(a.Stderr, "\n%s", j.Steps(i))
	if note != "" {
		fmt.Fprintf(a.Stderr, "\n%s\n", note)
	}
}

// imageOwner returns the organization for the name of an image, or a placeholder unless the
// name can be used in a command.
func imageOwner(group iam.Group) string {
	isNotInNames := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	}
	if group.Name == "" || strings.Contains(group.ID, "/") || strings.ContainsFunc(group.Name, isNotInNames) {
		return "ORGANIZATION"
	}
	return group.Name
}
