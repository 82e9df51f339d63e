package cli

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

// progress shows at a terminal how many images have been asked for.
func (a *app) progress() func(asked, all int) {
	if !term.IsTerminal(int(a.Stderr.Fd())) {
		return func(int, int) {}
	}
	return func(asked, all int) {
		fmt.Fprintf(a.Stderr, "\r%s: %d of %s", command.Name, asked, command.Count(all, "image"))
		if asked == all {
			fmt.Fprint(a.Stderr, "\r\x1b[K")
		}
	}
}

// pinView is what is to be said of a set of references.
type pinView struct {
	*pinFlags
	places  []pin.Reference // that count
	alone   []pin.Reference // in comments, and of what is built
	skipped []pin.Skipped
	changed int             // references that changed, or would
	files   map[string]bool // that they are in
	pinned  int             // references that have a digest, and may keep it
	unknown int             // of these, references of which it is not known whether it is the right one
	sure    bool            // nothing is left to pin or to update
}

func newPinView(set *pin.Set, f *pinFlags, allRead bool) pinView {
	v := pinView{pinFlags: f, skipped: set.Skipped, files: map[string]bool{}}
	v.sure = allRead && len(v.skipped) == 0
	for _, p := range set.References() {
		if p.IsLeftAlone() {
			v.alone = append(v.alone, p)
			continue
		}
		v.places = append(v.places, p)
		if p.New != "" {
			v.changed++
			v.files[p.File] = true
		}
		if p.HasDigest() {
			v.pinned++
		} else {
			v.sure = false
		}
		if p.HasDigest() && p.State == pin.Left {
			v.unknown++
		}
	}
	return v
}

// left reports whether a reference cannot be pinned.
func (v pinView) left() bool {
	return slices.ContainsFunc(v.places, func(p pin.Reference) bool { return p.State == pin.Left && !p.HasDigest() })
}

// changeable reports whether there is a reference that images pin would change.
func (v pinView) changeable() bool {
	return slices.ContainsFunc(v.places, func(p pin.Reference) bool { return p.State == pin.Unpinned || p.State == pin.Outdated })
}

// showPins is the answer: a diff, or what was or is to be done, a line each.
func (a *app) showPins(set *pin.Set, v pinView) error {
	switch {
	case a.Output == "json":
		return a.PrintJSON(v.report())
	case v.dryRun:
		diff := set.Diff()
		safe := platform.PrintableLines(diff)
		// A pipe may lead to git apply, which needs every byte, or into the log of a CI
		// job, which must not take lines of these files for commands.
		if term.IsTerminal(int(a.Stdout.Fd())) || strings.Count(safe, `:\:`)+strings.Count(safe, `#\#`) > strings.Count(diff, `:\:`)+strings.Count(diff, `#\#`) {
			diff = safe
		}
		return a.Print("%s", diff)
	}
	var b strings.Builder
	for _, p := range v.places {
		at := fmt.Sprintf("%s:%d: %s", platform.Printable(p.File), p.Line, platform.Printable(p.Image))
		switch {
		case !v.check && p.New != "":
			fmt.Fprintf(&b, "%s -> %s\n", at, p.Digest)
		case !v.check || p.HasDigest():
		case p.State == pin.Left:
			fmt.Fprintf(&b, "%s cannot be pinned: %s\n", at, p.Reason)
		case p.State == pin.Outdated:
			fmt.Fprintf(&b, "%s is out of date: %s\n", at, p.Digest)
		default:
			fmt.Fprintf(&b, "%s is not pinned\n", at)
		}
	}
	return a.Print("%s", b.String())
}

// summarizePins prints what was left as it is and why, and a summary.
func (a *app) summarizePins(v pinView, paths []string) {
	if a.Output != "json" {
		a.warnOfUnpinned(v)
	}
	again := "docker-credential-cgr images pin "
	if v.update {
		again += "--update "
	}
	for _, path := range paths {
		again += hint.Quote(platform.Printable(path)) + " "
	}
	again = strings.TrimSpace(again)
	all := command.Count(len(v.places), "reference")
	pinned := all
	if len(v.alone) > 0 {
		pinned += fmt.Sprintf(", %d left alone", len(v.alone))
	}
	move := hint.Text("docker-credential-cgr images pin --update")
	switch {
	case v.changed > 0 && !v.check && !v.dryRun:
		a.Note("Changed %s in %s.", command.Count(v.changed, "reference"), command.Count(len(v.files), "file"))
	case v.changed > 0 && v.dryRun:
		a.Note("Would change %s in %s.", command.Count(v.changed, "reference"), command.Count(len(v.files), "file"))
	case len(v.places) == 0 && len(v.skipped) == 0 && len(v.alone) > 0:
		a.Note("Nothing to pin: %s left alone.", command.Count(len(v.alone), "reference"))
	case len(v.places) == 0 && len(v.skipped) == 0:
		a.Note("No file names an image of %s.", a.Config.Registry.Host)
	case len(v.places) == 0:
		a.Warn("%s may name an image of %s and could not be read", command.Count(len(v.skipped), "file"), a.Config.Registry.Host)
	case !v.sure && v.check:
		upToDate := ""
		if v.update {
			upToDate = " and up to date"
		}
		var hints []hint.Hint
		if v.changeable() {
			hints = append(hints, hint.Text("%s", again))
		}
		if v.left() {
			hints = append(hints, hint.Text("leave out files with references that cannot be pinned: --exclude '*.md'"))
		}
		a.PrintError(hint.With(fmt.Errorf("%d of %s pinned%s", v.pinned, all, upToDate), hints...))
	case !v.sure && v.at != "" && !v.update:
		a.PrintError(hint.With(fmt.Errorf("%d of %s pinned; nothing changed, because --at without --update changes no digest", v.pinned, all), move))
	case !v.sure:
		a.PrintError(fmt.Errorf("%d of %s pinned; nothing changed", v.pinned, all))
	case v.update && v.unknown > 0:
		a.Warn("all references are pinned (%s), but the tag to follow is unknown for %d", pinned, v.unknown)
	case v.update:
		a.Note("All references are pinned and up to date (%s).", pinned)
	case v.at != "":
		a.WarnError(hint.With(fmt.Errorf("nothing changed: all references were already pinned (%s), and --at without --update changes no digest", pinned), move))
	default:
		a.Note("All references are pinned (%s). To update the digests, add --update.", pinned)
	}
}

// warnOfUnpinned lists what was left as it is, with the reason.
func (a *app) warnOfUnpinned(v pinView) {
	for _, p := range v.places {
		if p.State == pin.Left && (!v.check || p.HasDigest()) {
			a.Warn("%s:%d: %s not changed: %s", platform.Printable(p.File), p.Line, platform.Printable(p.Image), p.Reason)
		}
	}
	for _, s := range v.skipped {
		a.Warn("%s: not read: %s", platform.Printable(s.Path), s.Reason)
	}
	for _, p := range v.alone {
		a.Warn("%s:%d: %s left alone: %s", platform.Printable(p.File), p.Line, platform.Printable(p.Image), p.Reason)
	}
}

// pinReport is the answer for programs.
type pinReport struct {
	References []pinnedReference `json:"items"`
	Skipped    []skippedFile     `json:"skipped,omitempty"`
}

// pinnedReference is a reference as programs see it.
type pinnedReference struct {
	File   string    `json:"file"`
	Line   int       `json:"line"`
	Image  string    `json:"image"` // as it stood there
	State  pin.State `json:"state"` // before anything was changed
	Digest string    `json:"digest,omitempty"`
	New    string    `json:"new,omitempty"` // what stands there now, or would
	Why    string    `json:"why,omitempty"`
}

type skippedFile struct {
	File string `json:"file"`
	Why  string `json:"why"`
}

func (v pinView) report() pinReport {
	report := pinReport{References: []pinnedReference{}}
	for _, p := range append(v.places, v.alone...) {
		report.References = append(report.References, pinnedReference{p.File, p.Line, p.Image, p.State, p.Digest, p.New, p.Reason})
	}
	for _, s := range v.skipped {
		report.Skipped = append(report.Skipped, skippedFile{s.Path, s.Reason})
	}
	return report
}
