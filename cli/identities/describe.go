package identities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/workload"
)

func newDescribe(a *command.App) *cobra.Command {
	var parent string
	c := command.Formats(&cobra.Command{
		Use:     "describe ID|NAME",
		Short:   "Show an identity: which ID tokens it accepts, and its roles",
		Example: `  docker-credential-cgr identities describe my-workflow`,
		Args:    identityArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := command.CheckParent(c, parent); err != nil {
				return err
			}
			return describe(c.Context(), a, parent, args[0])
		},
		ValidArgsFunction: a.CompleteNames(1, command.IsIdentity),
	}, "text", "json")
	command.ParentFlag(c.Flags(), &parent, "look for the name in this `ORGANIZATION` (name or ID)")
	return c
}

func describe(ctx context.Context, a *command.App, parent, idOrName string) error {
	client, _, err := a.API(ctx)
	if err != nil {
		return err
	}
	found, err := find(ctx, a, client, parent, []string{idOrName})
	if err != nil {
		return err
	}
	bindings, incomplete := client.RoleBindings(ctx, groupOf(found[0].ID))
	if incomplete != nil && !iam.IsPartial(incomplete) {
		return incomplete
	}
	v := withRoles(found, bindings)[0]
	if v.ClaimMatch != nil {
		review := workload.ReviewClaims(*v.ClaimMatch)
		v.Warnings = slices.Concat(review.Accepts, review.Rejects)
	}
	if a.Output == "json" {
		return errors.Join(a.PrintJSON(v), incomplete)
	}
	return errors.Join(a.Print("%s", describeText(v)), incomplete)
}

// printableAll is platform.Printable without a limit: the end of a pattern matters too.
func printableAll(text string) string {
	const piece = 100 // runes, well below the limit of Printable
	var b strings.Builder
	for part := range slices.Chunk([]rune(text), piece) {
		// The angle brackets keep Printable from trimming spaces.
		printable := platform.Printable("<" + string(part) + ">")
		b.WriteString(printable[1 : len(printable)-1])
	}
	return b.String()
}

// describeText returns everything about an identity.
func describeText(v identityView) string {
	var b strings.Builder // writing to it cannot fail
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", platform.Printable(name), printableAll(value))
		}
	}
	line("id", v.ID)
	line("name", v.Name)
	line("type", v.Type)
	line("description", v.Description)
	line("created", formatTime(v.CreatedAt))
	line("updated", formatTime(v.UpdatedAt))
	line("last seen", formatTime(v.LastSeen))
	switch {
	case v.ClaimMatch != nil:
		describeClaims(line, *v.ClaimMatch)
	case v.Static != nil:
		describeKeys(line, *v.Static, isExpired(v.Identity))
	case v.AWSIdentity != nil:
		line("aws account", v.AWSIdentity.Account)
		line("arn", v.AWSIdentity.ARN)
		line("arn pattern", v.AWSIdentity.ARNPattern)
		line("user id", v.AWSIdentity.UserID)
		line("user id pattern", v.AWSIdentity.UserIDPattern)
	case v.ServicePrincipal != nil:
		line("service principal", *v.ServicePrincipal)
	}
	for _, role := range v.roleTexts() {
		line("role", role)
	}
	if len(v.Roles) == 0 {
		line("role", "none: it has no permissions")
	}
	for _, warning := range v.Warnings {
		line("warning", warning)
	}
	_ = w.Flush()
	return b.String()
}

func describeClaims(line func(name, value string), m iam.ClaimMatch) {
	line("issuer", m.Issuer)
	line("issuer pattern", m.IssuerPattern)
	line("subject", m.Subject)
	line("subject pattern", m.SubjectPattern)
	line("audience", m.Audience)
	line("audience pattern", m.AudiencePattern)
	for _, claim := range slices.Sorted(maps.Keys(m.Claims)) {
		line("claim "+claim, m.Claims[claim])
	}
	for _, claim := range slices.Sorted(maps.Keys(m.ClaimPatterns)) {
		line("claim pattern "+claim, m.ClaimPatterns[claim])
	}
}

func describeKeys(line func(name, value string), s iam.Static, expired bool) {
	line("issuer", s.Issuer)
	line("subject", s.Subject)
	for _, audience := range s.Audiences {
		line("audience", audience)
	}
	var set struct {
		Keys []struct {
			ID        string `json:"kid"`
			Type      string `json:"kty"`
			Algorithm string `json:"alg"`
		} `json:"keys"`
	}
	_ = json.Unmarshal([]byte(s.IssuerKeys), &set) // an invalid JWKS has no keys to print
	for _, key := range set.Keys {
		line("key", strings.TrimSpace(key.Type+" "+key.Algorithm+" "+key.ID))
	}
	end := formatTime(s.Expiration)
	if expired {
		end += " (expired)"
	}
	line("expires", end)
}

func formatTime(t iam.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(command.TimeFormat)
}
