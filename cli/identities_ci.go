package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/iam"
)

func (a *app) newCreateGitHub() *cobra.Command {
	var repo, ref, audience string
	c := a.creating(&cobra.Command{
		Use:   "github NAME",
		Short: "Create an identity for GitHub Actions",
		Long: `Create an identity for a repository's GitHub Actions jobs on a branch or tag. Jobs for
pull requests are not included.

If a repository was created on or after July 15, 2026, or has opted in, GitHub's subjects
include the numeric IDs of the repository and its owner. Without IDs, the identity
accepts both forms, and also any repository that gets the same names later. With IDs, as
in my-org@123456/my-repo@654321, it accepts only this repository.`,
		Example: `  ` + name + ` identities create github my-workflow --github-repo my-org/my-repo \
    --github-ref refs/heads/main --role registry.pull`,
	}, func(_ *cobra.Command, i *iam.Identity) (string, error) {
		m, err := iam.GitHubMatch(repo, ref, audience)
		if err != nil {
			return "", misuse("%w", err)
		}
		i.ClaimMatch = &m
		return gitHubNote(repo), nil
	})
	flags := c.Flags()
	flags.StringVar(&repo, "github-repo", "", "`ORG/REPO` on GitHub, or ORG@ID/REPO@ID")
	flags.StringVar(&ref, "github-ref", "", "full `REF`, such as refs/heads/main (default: any branch or tag)")
	flags.StringVar(&audience, "github-audience", "", "`AUDIENCE` of the ID tokens (default: the host of the platform's issuer)")
	return c
}

// gitHubNote says what a repository's ids are about, and how they are found. repo has
// been checked: it is safe in a command.
func gitHubNote(repo string) string {
	if strings.Contains(repo, "@") {
		return "GitHub's numeric ids are part of this identity: it lets in no other repository that gets these names. " +
			"A repository made before 15 July 2026 has to opt in to subjects with ids first."
	}
	return fmt.Sprintf(`GitHub's subjects may carry numeric ids (repo:ORG@ID/REPO@ID:…): this identity takes %[1]s with and without,
and so whoever gets these names later. To pin it to this repository, make it with --github-repo set to what this prints:
  gh api repos/%[1]s --jq '"\(.owner.login)@\(.owner.id)/\(.name)@\(.id)"'`, repo)
}

func (a *app) newCreateGitLab() *cobra.Command {
	var project, refType, ref string
	c := a.creating(&cobra.Command{
		Use:   "gitlab NAME",
		Short: "Create an identity for GitLab CI on gitlab.com",
		Long: `Create an identity for the GitLab CI jobs of a project on gitlab.com. For a self-managed
server, use identities create with --identity-issuer set to its URL, and --subject.`,
		Example: `  ` + name + ` identities create gitlab my-pipeline --project-path my-group/my-project \
    --ref-type branch --ref main --role registry.pull`,
	}, func(_ *cobra.Command, i *iam.Identity) (string, error) {
		m, err := iam.GitLabMatch(project, refType, ref)
		if err != nil {
			return "", misuse("%w", err)
		}
		i.ClaimMatch = &m
		return "", nil
	})
	flags := c.Flags()
	flags.StringVar(&project, "project-path", "", "`GROUP/PROJECT` on gitlab.com; * matches any project of a group")
	flags.StringVar(&refType, "ref-type", "branch", "`TYPE` of the ref: branch or tag")
	flags.StringVar(&ref, "ref", "", "`NAME` of the branch or tag, such as main (default: any)")
	return c
}

func (a *app) newCreateAWS() *cobra.Command {
	c := &cobra.Command{
		Use:   "aws",
		Short: "Create an identity for an AWS role or user",
		Args:  cobra.ArbitraryArgs,
		RunE:  a.unknown,
	}
	c.AddCommand(
		a.newCreateAWSPrincipal("role", "lambda-role", iam.AWSRole),
		a.newCreateAWSPrincipal("user", "build-user", iam.AWSUser),
	)
	return c
}

func (a *app) newCreateAWSPrincipal(kind, example string, match func(iam.AWSPrincipal) (iam.AWSIdentity, error)) *cobra.Command {
	var p iam.AWSPrincipal
	c := a.creating(&cobra.Command{
		Use:   kind + " NAME",
		Short: "Create an identity for an AWS " + kind,
		Example: `  ` + name + ` identities create aws ` + kind + ` my-` + kind + ` --aws-account-id 123456789012 \
    --aws-` + kind + `-name ` + example + ` --role registry.pull`,
	}, func(_ *cobra.Command, i *iam.Identity) (string, error) {
		identity, err := match(p)
		if err != nil {
			return "", misuse("%w", err)
		}
		i.AWSIdentity = &identity
		return "", nil
	})
	flags := c.Flags()
	flags.StringVar(&p.Account, "aws-account-id", "", "account `ID`, 12 digits")
	flags.StringVar(&p.Name, "aws-"+kind+"-name", "", "`NAME` of the "+kind)
	flags.StringVar(&p.ID, "aws-"+kind+"-id", "", "unique `ID` of the "+kind+" (default: any with this name)")
	flags.StringVar(&p.Partition, "aws-partition", "aws", "`PARTITION`: aws, aws-cn or aws-us-gov")
	return c
}
