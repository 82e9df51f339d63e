// Package pin adds digests to the image references in files. It reads the files of a tree,
// resolves each tag to a digest, and changes the bytes of the references and no others.
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

// State is the state of a reference.
type State string

// The states of a reference.
const (
	Unpinned State = "unpinned" // without a digest
	Pinned   State = "pinned"   // with a digest
	Outdated State = "outdated" // with a digest that Resolve found to differ from its tag's
	Left     State = "left"     // ambiguous, so that it cannot be pinned or updated
	Comment  State = "comment"  // in a comment, and left alone
	Built    State = "built"    // the name of an image that is built or pushed there, and left alone
)

// Reference is an image reference in a file.
type Reference struct {
	File   string // the path that is shown
	Line   int    // counted from 1
	Image  string // as the file has it; not printable if State is Left
	State  State
	Digest string // that it has, or that Resolve found; or empty
	New    string // the new reference, once Resolve found it; empty if nothing changes
	Reason string // why it is left or left alone; or empty

	found references.Reference
	edit  string // what replaces the bytes from found.Start to found.End
}

// Options control how references are pinned.
type Options struct {
	Update   bool   // also update references that have a digest
	DropTag  bool   // write IMAGE@DIGEST instead of IMAGE:TAG@DIGEST
	Platform string // resolve to the digests of this platform's images, such as linux/amd64; or empty
}

// file is a file with references.
type file struct {
	path       string
	text       []byte
	references []*Reference // by line
}

// Set is the references of a number of files.
type Set struct {
	Skipped    []Skipped // files that were not read
	Unfiltered []Skipped // folders in which ignored files were read too, since git could not list them
	files      []*file
	references []*Reference // by file and line

	beforeCommit func() // a hook for tests, called before the first file changes
}

// Read finds the references to images of the registry with this host in files and folders,
// which it reads as Walk does. It sends no requests. Its error joins one for each file and
// folder that could not be read. The set has the others, and is nil if a path is wrong
// (*ArgumentError) or ctx has ended.
func Read(ctx context.Context, paths, exclude []string, host string) (*Set, error) {
	tree, unread := Walk(ctx, paths, exclude, host)
	if tree == nil {
		return nil, unread
	}
	s := &Set{Skipped: tree.Skipped, Unfiltered: tree.Unfiltered}
	built := map[registry.Reference]bool{}
	for _, f := range tree.Files {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		found, err := references.Find(f.Kind, f.Text, host)
		if err != nil {
			s.Skipped = append(s.Skipped, Skipped{f.Path, err.Error()})
			continue
		}
		if len(found) > 0 {
			file := newFile(f, found)
			s.files = append(s.files, file)
			s.references = append(s.references, file.references...)
		}
		for _, r := range found {
			if r.Class == references.Built && r.Image.Repository != "" {
				built[r.Image] = true
			}
		}
	}
	// An image that one file builds is left alone in all others. A push does not count: the
	// image may have been built elsewhere.
	for _, r := range s.references {
		if r.State == Unpinned && built[r.found.Image] {
			r.State, r.Reason = Built, "names an image that another file builds"
		}
	}
	return s, unread
}

func newFile(f File, found []references.Reference) *file {
	states := map[references.Class]State{
		references.Pinnable: Unpinned, references.ReadOnly: Unpinned, references.Ambiguous: Left,
		references.Comment: Comment, references.Pushed: Built, references.Built: Built,
	}
	result := &file{path: f.Path, text: f.Text}
	for _, r := range found {
		ref := &Reference{File: f.Path, Line: r.Line, Image: r.Text, State: states[r.Class], Reason: r.Reason, found: r}
		if ref.State == Unpinned && r.Image.Digest != "" {
			ref.State, ref.Digest = Pinned, r.Image.Digest
		}
		result.references = append(result.references, ref)
	}
	return result
}

// IsLeftAlone reports whether the reference is in a comment or names an image that is built.
// It is not pinned, and does not fail a check.
func (r Reference) IsLeftAlone() bool { return r.State == Comment || r.State == Built }

// HasDigest reports whether the reference ends with a digest. If so, it is pinned, even if
// the rest of it is ambiguous.
func (r Reference) HasDigest() bool {
	digest := r.Image[strings.LastIndexByte(r.Image, '@')+1:]
	return r.State == Pinned || r.State == Left && (r.Digest != "" || registry.ValidDigest(digest))
}

// References returns all references, by file and line.
func (s *Set) References() []Reference {
	var all []Reference
	for _, r := range s.references {
		all = append(all, *r)
	}
	return all
}

// workers is how many images are resolved, and files read or written, at the same time.
const workers = 8

// Resolver returns the digest that the tag of an image points to. Several goroutines call it
// at the same time.
type Resolver func(context.Context, registry.Reference) (digest string, err error)

// Resolve resolves each image that a reference needs once, and sets State, Digest and New of
// the references. Its error joins one for each image, with its positions. The first error for
// which isFatal reports that other images would have the same ends the work, and is returned
// alone. progress is called after each image, never concurrently.
func (s *Set) Resolve(
	ctx context.Context, o Options, resolve Resolver, isFatal func(error) bool, progress func(resolved, all int),
) error {
	byImage := s.byImage(o)
	images := make([]registry.Reference, 0, len(byImage))
	for image := range byImage {
		images = append(images, image)
	}
	slices.SortFunc(images, func(a, b registry.Reference) int { return strings.Compare(a.String(), b.String()) })
	digests, errs := make([]string, len(images)), make([]error, len(images))

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	resolved := 0
	parallel(len(images), func(i int) {
		if ctx.Err() != nil {
			return
		}
		var err error
		if digests[i], err = resolve(ctx, images[i]); err != nil {
			errs[i] = fmt.Errorf("%s: %w", positionOf(byImage[images[i]]), err)
			if isFatal(err) {
				cancel(errs[i])
			}
		}
		mu.Lock()
		defer mu.Unlock()
		resolved++
		progress(resolved, len(images))
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i, image := range images {
		for _, r := range byImage[image] {
			if errs[i] == nil {
				r.setDigest(digests[i], o)
			}
		}
	}
	return errors.Join(errs...)
}

// byImage returns the references that need a digest by the image and tag to resolve. It sets
// the state of those that cannot be updated.
func (s *Set) byImage(o Options) map[registry.Reference][]*Reference {
	byImage := map[registry.Reference][]*Reference{}
	for _, r := range s.references {
		image, asked := r.found.Image, r.found.Platform
		switch {
		case r.State == Left, r.IsLeftAlone(), image.Digest != "" && !o.Update:
			continue
		case r.found.Class == references.ReadOnly:
			r.Reason = "it is not in a known position of an image"
		case image.Digest != "" && image.Tag == "":
			r.Reason = "it has a digest and no tag to follow (add the tag: IMAGE:TAG@DIGEST, or newTag in a kustomization)"
		case o.Platform != "" && asked != "" && !registry.SamePlatform(asked, o.Platform):
			r.Reason = "it is for " + platform.Printable(asked) + ", not for " + o.Platform
		default:
			tag := registry.Reference{Repository: image.Repository, Tag: cmp.Or(image.Tag, "latest")}
			byImage[tag] = append(byImage[tag], r)
			continue
		}
		r.State = Left
	}
	return byImage
}

// setDigest sets the new digest of a reference.
func (r *Reference) setDigest(digest string, o Options) {
	if digest == r.Digest {
		return
	}
	if r.Digest != "" {
		r.State = Outdated
	}
	r.Digest = digest
	r.New, r.edit = r.found.Pin(digest, o.DropTag)
}

// positionOf returns the file and line of the first of several references.
func positionOf(all []*Reference) string {
	position := fmt.Sprintf("%s:%d", platform.Printable(all[0].File), all[0].Line)
	if more := len(all) - 1; more > 0 {
		position += fmt.Sprintf(" (and %d more)", more)
	}
	return position
}

// newText returns the text of a file with its new references.
func (f *file) newText() []byte {
	changed := slices.DeleteFunc(slices.Clone(f.references), func(r *Reference) bool { return r.New == "" })
	slices.SortFunc(changed, func(a, b *Reference) int { return cmp.Compare(a.found.Start, b.found.Start) })
	var text []byte
	end := 0
	for _, r := range changed {
		text = append(append(text, f.text[end:r.found.Start]...), r.edit...)
		end = r.found.End
	}
	return append(text, f.text[end:]...)
}
