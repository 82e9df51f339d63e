package images

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/term"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/pin"
	"docker-credential-cgr/platform"
)

// newProgress returns the function that shows at a terminal how many images have been
// looked up.
func newProgress(a *command.App) func(done, all int) {
	if !term.IsTerminal(int(a.Stderr.Fd())) {
		return func(int, int) {}
	}
	return func(done, all int) {
		fmt.Fprintf(a.Stderr, "\r%d of %s", done, command.Count(all, "image"))
		if done == all {
			fmt.Fprint(a.Stderr, "\r\x1b[K")
		}
	}
}

// report is the result of images pin.
type report struct {
	*pinFlags
	references []pin.Reference // those that can be pinned
	leftAlone  []pin.Reference // those in comments, and names of images that are built
	skipped    []pin.Skipped
	changed    int             // references that changed, or would change
	files      map[string]bool // that contain a changed reference
	pinned     int             // references that have a digest
	unknown    int             // references that have a digest, but may be out of date
	isClean    bool            // all references are pinned and up to date
}

func newReport(set *pin.Set, f *pinFlags, allRead bool) report {
	r := report{pinFlags: f, skipped: set.Skipped, files: map[string]bool{}}
	r.isClean = allRead && len(r.skipped) == 0
	for _, ref := range set.References() {
		if ref.IsLeftAlone() {
			r.leftAlone = append(r.leftAlone, ref)
			continue
		}
		r.references = append(r.references, ref)
		if ref.New != "" {
			r.changed++
			r.files[ref.File] = true
		}
		if !ref.HasDigest() {
			r.isClean = false
			continue
		}
		r.pinned++
		if ref.State == pin.Left {
			r.unknown++
		}
	}
	return r
}

// print prints the report: JSON, a diff, or a line for each reference.
func (r report) print(a *command.App, set *pin.Set) error {
	switch {
	case a.Output == "json":
		return r.printJSON(a)
	case r.dryRun:
		diff := set.Diff()
		safe := platform.PrintableLines(diff)
		// A pipe may lead to git apply, which needs every byte, or into the log of a CI job,
		// which must not take lines of these files for commands.
		if term.IsTerminal(int(a.Stdout.Fd())) || strings.Count(safe, `:\:`)+strings.Count(safe, `#\#`) > strings.Count(diff, `:\:`)+strings.Count(diff, `#\#`) {
			diff = safe
		}
		return a.Print("%s", diff)
	}
	var b strings.Builder
	for _, ref := range r.references {
		switch {
		case !r.check && ref.New != "":
			fmt.Fprintf(&b, "%s -> %s\n", position(ref), ref.Digest)
		case !r.check || ref.HasDigest():
		case ref.State == pin.Left:
			fmt.Fprintf(&b, "%s cannot be pinned: %s\n", position(ref), ref.Reason)
		case ref.State == pin.Outdated:
			fmt.Fprintf(&b, "%s is out of date: %s\n", position(ref), ref.Digest)
		default:
			fmt.Fprintf(&b, "%s is not pinned\n", position(ref))
		}
	}
	return a.Print("%s", b.String())
}

// position returns the file, line and image of a reference.
func position(ref pin.Reference) string {
	return fmt.Sprintf("%s:%d: %s", platform.Printable(ref.File), ref.Line, platform.Printable(ref.Image))
}

// summarize prints which references are not changed, why, and a summary.
func (r report) summarize(a *command.App, paths []string) {
	if a.Output != "json" {
		r.warnUnchanged(a)
	}
	all := command.Count(len(r.references), "reference")
	allPinned := all
	if len(r.leftAlone) > 0 {
		allPinned += fmt.Sprintf(", %d left alone", len(r.leftAlone))
	}
	changed := fmt.Sprintf("%s in %s", command.Count(r.changed, "reference"), command.Count(len(r.files), "file"))
	switch {
	case r.changed > 0 && !r.check && !r.dryRun:
		a.Note("Changed %s.", changed)
	case r.changed > 0 && r.dryRun:
		a.Note("Would change %s.", changed)
	case len(r.references) == 0 && len(r.skipped) > 0:
		a.Warn("%s may name an image of %s and could not be read", command.Count(len(r.skipped), "file"), a.Config.Registry.Host)
	case len(r.references) == 0 && len(r.leftAlone) > 0:
		a.Note("Nothing to pin: %s left alone.", command.Count(len(r.leftAlone), "reference"))
	case len(r.references) == 0:
		a.Note("No file names an image of %s.", a.Config.Registry.Host)
	case !r.isClean && r.check:
		upToDate := ""
		if r.update {
			upToDate = " and up to date"
		}
		a.PrintError(hint.With(fmt.Errorf("%d of %s pinned%s", r.pinned, all, upToDate), r.checkHints(paths)...))
	case !r.isClean:
		a.PrintError(fmt.Errorf("%d of %s pinned; nothing changed", r.pinned, all))
	case r.update && r.unknown > 0:
		a.Warn("all references are pinned (%s), but the tag to follow is unknown for %d", allPinned, r.unknown)
	case r.update:
		a.Note("All references are pinned and up to date (%s).", allPinned)
	default:
		a.Note("All references are pinned (%s). To update the digests, add --update.", allPinned)
	}
}

// checkHints returns what to do after a failed --check.
func (r report) checkHints(paths []string) (hints []hint.Hint) {
	isChangeable := func(ref pin.Reference) bool { return ref.State == pin.Unpinned || ref.State == pin.Outdated }
	isUnpinnable := func(ref pin.Reference) bool { return ref.State == pin.Left && !ref.HasDigest() }
	if slices.ContainsFunc(r.references, isChangeable) {
		command := "docker-credential-cgr images pin"
		if r.update {
			command += " --update"
		}
		for _, path := range paths {
			command += " " + hint.Quote(platform.Printable(path))
		}
		hints = append(hints, hint.Hint{Text: command})
	}
	if slices.ContainsFunc(r.references, isUnpinnable) {
		hints = append(hints, hint.Text("leave out files with references that cannot be pinned: --exclude '*.md'"))
	}
	return hints
}

// warnUnchanged lists the references and files that are not changed, with the reasons.
func (r report) warnUnchanged(a *command.App) {
	for _, ref := range r.references {
		if ref.State == pin.Left && (!r.check || ref.HasDigest()) {
			a.Warn("%s not changed: %s", position(ref), ref.Reason)
		}
	}
	for _, s := range r.skipped {
		a.Warn("%s: not read: %s", platform.Printable(s.Path), s.Reason)
	}
	for _, ref := range r.leftAlone {
		a.Warn("%s left alone: %s", position(ref), ref.Reason)
	}
}

func (r report) printJSON(a *command.App) error {
	type reference struct {
		File   string    `json:"file"`
		Line   int       `json:"line"`
		Image  string    `json:"image"` // before the change
		State  pin.State `json:"state"` // before the change
		Digest string    `json:"digest,omitempty"`
		New    string    `json:"new,omitempty"` // the image after the change
		Why    string    `json:"why,omitempty"`
	}
	type skipped struct {
		File string `json:"file"`
		Why  string `json:"why"`
	}
	var out struct {
		References []reference `json:"items"`
		Skipped    []skipped   `json:"skipped,omitempty"`
	}
	out.References = []reference{}
	for _, ref := range slices.Concat(r.references, r.leftAlone) {
		out.References = append(out.References, reference{ref.File, ref.Line, ref.Image, ref.State, ref.Digest, ref.New, ref.Reason})
	}
	for _, s := range r.skipped {
		out.Skipped = append(out.Skipped, skipped{s.Path, s.Reason})
	}
	return a.PrintJSON(out)
}
