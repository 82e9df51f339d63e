// Package pin writes digests into the files that name images: it reads the files of a
// tree, asks what each tag stands for, and changes the bytes of the references and no
// others.
package pin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/references"
	"docker-credential-cgr/registry"
)

// State is how a reference stands.
type State string

// The states of a reference.
const (
	Unpinned State = "unpinned" // it has no digest
	Pinned   State = "pinned"   // it has one
	Outdated State = "outdated" // its digest is not its tag's any more, as Resolve has found
	Left     State = "left"     // it may be read as an image, and cannot be pinned, or not be followed
	Comment  State = "comment"  // it stands in a comment, and is left alone
	Built    State = "built"    // it names what is built or pushed there, and is left alone
)

// Place is a reference in a file.
type Place struct {
	File   string // its path, as it is shown
	Line   int    // counted from 1
	Image  string // as it stands there; not printable where State is Left
	State  State
	Digest string // that it has, or is to have; empty for none
	New    string // the reference that is to be there, once Resolve has found it; empty where nothing changes
	Why    string // it is left, or left alone; else empty

	found references.Found
	edit  string // what is to stand between the bytes of found
}

// Options say what becomes of references.
type Options struct {
	Update   bool   // move those that have a digest to what their tag is now
	DropTag  bool   // write IMAGE@DIGEST in place of IMAGE:TAG@DIGEST
	Platform string // the digests are of this platform's images, such as linux/amd64; empty for the digests of all
}

// file is a file with references in it.
type file struct {
	path   string
	text   []byte
	places []*Place
}

// Set is the references of files.
type Set struct {
	Skipped []Skipped // files that were not read
	Whole   []Skipped // folders in which everything was read, since git could not tell what it ignores
	files   []*file   // by path

	prepared func() // for tests: another program's turn, just before the first file changes
}

// Read finds the references to images of the registry with this host in files and
// folders, as Walk reads them. It asks no network. Its error joins one for each file
// and folder that could not be read; the set has what could, unless the paths are
// wrong (ArgumentError) or ctx has ended: then it is nil.
func Read(ctx context.Context, paths, exclude []string, host string) (*Set, error) {
	tree, unread := Walk(ctx, paths, exclude, host)
	if tree == nil {
		return nil, unread
	}
	s := &Set{Skipped: tree.Skipped, Whole: tree.Whole}
	built := map[registry.Reference]bool{}
	for _, f := range tree.Files {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		found, left, err := references.Find(f.Kind, f.Text, host)
		if err != nil {
			s.Skipped = append(s.Skipped, Skipped{f.Path, err.Error()})
			continue
		}
		for _, l := range left {
			if l.Class == references.Built && l.Image.Repository != "" {
				built[l.Image] = true
			}
		}
		if len(found)+len(left) > 0 {
			s.files = append(s.files, newFile(f, found, left))
		}
	}
	s.leaveBuilt(built)
	return s, unread
}

// leaveBuilt leaves what some file builds alone wherever it is named. That a file pushes
// or tags an image does not say that it is built here.
func (s *Set) leaveBuilt(built map[registry.Reference]bool) {
	for _, f := range s.files {
		for _, p := range f.places {
			if p.State == Unpinned && built[p.found.Image] {
				p.State, p.Why = Built, "is the name of what another file builds"
			}
		}
	}
}

func newFile(f File, found []references.Found, left []references.Left) *file {
	all := &file{path: f.Path, text: f.Text}
	for _, r := range found {
		p := &Place{File: f.Path, Line: r.Line, Image: r.Text, State: Unpinned, Digest: r.Image.Digest, found: r}
		if r.Image.Digest != "" {
			p.State = Pinned
		}
		all.places = append(all.places, p)
	}
	states := map[references.Class]State{references.Ambiguous: Left, references.Comment: Comment, references.Pushed: Built, references.Built: Built}
	for _, l := range left {
		all.places = append(all.places, &Place{File: f.Path, Line: l.Line, Image: l.Text, State: states[l.Class], Why: l.Why})
	}
	slices.SortStableFunc(all.places, func(a, b *Place) int { return cmp.Compare(a.Line, b.Line) })
	return all
}

// Alone reports whether the reference is left alone: it neither is a finding nor is
// pinned.
func (p Place) Alone() bool { return p.State == Comment || p.State == Built }

// Sure reports whether the reference ends with a digest, which decides whatever else in it
// is not known.
func (p Place) Sure() bool {
	digest := p.Image[strings.LastIndexByte(p.Image, '@')+1:]
	return p.State == Pinned || p.State == Left && (p.Digest != "" || registry.ValidDigest(digest))
}

// Places gives all references, by file and line.
func (s *Set) Places() []Place {
	var all []Place
	for _, f := range s.files {
		for _, p := range f.places {
			all = append(all, *p)
		}
	}
	return all
}

// workers is how many images are asked for at once, and files read and written.
const workers = 8

// Resolver tells what the tag of an image stands for. It is called by several
// goroutines at once.
type Resolver func(context.Context, registry.Reference) (digest string, err error)

// Resolve asks for each image that some reference needs, once, and notes what becomes
// of the references. The errors, joined, say where the images stand; the first one for
// which fatal says that it would be the same for all others ends the rest, and is the
// only one then. done is told how many images have been asked for, one call at a time.
func (s *Set) Resolve(ctx context.Context, o Options, resolve Resolver, fatal func(error) bool, done func(asked, all int)) error {
	wants := s.wants(o)
	images := make([]registry.Reference, 0, len(wants))
	for image := range wants {
		images = append(images, image)
	}
	slices.SortStableFunc(images, func(a, b registry.Reference) int { return strings.Compare(a.String(), b.String()) })
	digests, errs := make([]string, len(images)), make([]error, len(images))

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	asked := 0
	parallel(len(images), func(i int) {
		if ctx.Err() != nil {
			return
		}
		var err error
		if digests[i], err = resolve(ctx, images[i]); err != nil {
			errs[i] = fmt.Errorf("%s: %w", where(wants[images[i]]), err)
			if fatal(err) {
				cancel(errs[i])
			}
		}
		mu.Lock()
		defer mu.Unlock()
		asked++
		done(asked, len(images))
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i, image := range images {
		for _, p := range wants[image] {
			if errs[i] == nil {
				p.become(digests[i], o)
			}
		}
	}
	return errors.Join(errs...)
}

// wants gives the places that need to know what an image is, by the image's tag.
func (s *Set) wants(o Options) map[registry.Reference][]*Place {
	wants := map[registry.Reference][]*Place{}
	for _, f := range s.files {
		for _, p := range f.places {
			image := p.found.Image
			switch {
			case p.State == Left, p.Alone(), image.Digest != "" && !o.Update:
				continue
			case p.found.Fixed:
				p.leave("it does not stand where it is known to name an image, so it is not moved")
				continue
			case image.Digest != "" && image.Tag == "":
				p.leave("it has a digest and no tag to follow; add the tag, such as IMAGE:TAG@DIGEST, or newTag in a kustomization")
				continue
			case o.Platform != "" && p.found.Platform != "" && !registry.SamePlatform(p.found.Platform, o.Platform):
				p.leave("it is for " + platform.Printable(p.found.Platform) + ", and the digests that were asked for are of " + o.Platform)
				continue
			}
			tag := registry.Reference{Repository: image.Repository, Tag: cmp.Or(image.Tag, "latest")}
			wants[tag] = append(wants[tag], p)
		}
	}
	return wants
}

func (p *Place) leave(why string) { p.State, p.Why = Left, why }

// become notes what a reference is to be.
func (p *Place) become(digest string, o Options) {
	if digest == p.Digest {
		return
	}
	if p.Digest != "" {
		p.State = Outdated
	}
	p.Digest = digest
	p.New, p.edit = p.found.Pin(digest, o.DropTag)
}

// where says where an image stands.
func where(places []*Place) string {
	first := places[0]
	text := fmt.Sprintf("%s:%d", platform.Printable(first.File), first.Line)
	if more := len(places) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// changed gives what the file is to hold, and whether that is something else.
func (f *file) changed() ([]byte, bool) {
	var out []byte
	done := 0
	for _, p := range f.edits() {
		out = append(append(out, f.text[done:p.found.Start]...), p.edit...)
		done = p.found.End
	}
	return append(out, f.text[done:]...), done > 0
}

// edits gives the places that change, in their order in the file.
func (f *file) edits() []*Place {
	var edits []*Place
	for _, p := range f.places {
		if p.New != "" {
			edits = append(edits, p)
		}
	}
	slices.SortFunc(edits, func(a, b *Place) int { return cmp.Compare(a.found.Start, b.found.Start) })
	return edits
}
