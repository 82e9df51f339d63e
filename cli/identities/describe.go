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

// description consists of lines of a name and a value.
type description struct{ strings.Builder }

// line adds a line if there is a value, which may contain anything.
func (d *description) line(name, value string) {
	if value != "" {
		fmt.Fprintf(d, "%s\t%s\n", platform.Printable(name), printableAll(value))
	}
}

// printableAll is platform.Printable without a limit: the end of a pattern matters too.
func printableAll(text string) string {
	const piece = 100 // runes, well below the limit of Printable
	var b strings.Builder
	for part := range slices.Chunk([]rune(text), piece) {
		// Printable trims spaces, which belong to the text here.
		shown := platform.Printable("<" + string(part) + ">")
		b.WriteString(shown[1 : len(shown)-1])
	}
	return b.String()
}

// describeText returns everything about an identity.
func describeText(v identityView) string {
	var d description
	d.line("id", v.ID)
	d.line("name", v.Name)
	d.line("type", v.Type)
	d.line("description", v.Description)
	d.line("created", formatTime(v.CreatedAt))
	d.line("updated", formatTime(v.UpdatedAt))
	d.line("last seen", formatTime(v.LastSeen))
	switch {
	case v.ClaimMatch != nil:
		d.claimMatch(*v.ClaimMatch)
	case v.Static != nil:
		d.static(*v.Static, isExpired(v.Identity))
	case v.AWSIdentity != nil:
		d.line("aws account", v.AWSIdentity.Account)
		d.line("arn", v.AWSIdentity.ARN)
		d.line("arn pattern", v.AWSIdentity.ARNPattern)
		d.line("user id", v.AWSIdentity.UserID)
		d.line("user id pattern", v.AWSIdentity.UserIDPattern)
	case v.ServicePrincipal != nil:
		d.line("service principal", *v.ServicePrincipal)
	}
	for _, role := range v.roleTexts() {
		d.line("role", role)
	}
	if len(v.Roles) == 0 {
		d.line("role", "none: it has no permissions")
	}
	for _, warning := range v.Warnings {
		d.line("warning", warning)
	}
	var aligned strings.Builder
	w := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, d.String()) // writing to a strings.Builder cannot fail
	_ = w.Flush()
	return aligned.String()
}

func (d *description) claimMatch(m iam.ClaimMatch) {
	d.line("issuer", m.Issuer)
	d.line("issuer pattern", m.IssuerPattern)
	d.line("subject", m.Subject)
	d.line("subject pattern", m.SubjectPattern)
	d.line("audience", m.Audience)
	d.line("audience pattern", m.AudiencePattern)
	for _, claim := range slices.Sorted(maps.Keys(m.Claims)) {
		d.line("claim "+claim, m.Claims[claim])
	}
	for _, claim := range slices.Sorted(maps.Keys(m.ClaimPatterns)) {
		d.line("claim pattern "+claim, m.ClaimPatterns[claim])
	}
}

func (d *description) static(s iam.Static, over bool) {
	d.line("issuer", s.Issuer)
	d.line("subject", s.Subject)
	for _, audience := range s.Audiences {
		d.line("audience", audience)
	}
	var set struct {
		Keys []struct {
			ID        string `json:"kid"`
			Type      string `json:"kty"`
			Algorithm string `json:"alg"`
		} `json:"keys"`
	}
	_ = json.Unmarshal([]byte(s.IssuerKeys), &set) // other text has no keys to print
	for _, key := range set.Keys {
		d.line("key", strings.TrimSpace(key.Type+" "+key.Algorithm+" "+key.ID))
	}
	end := formatTime(s.Expiration)
	if over {
		end += " (expired)"
	}
	d.line("expires", end)
}

func formatTime(t iam.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(command.TimeFormat)
}
