package references

import (
	"bytes"
	"path"
	"regexp"
	"strings"
	"sync"

	"docker-credential-cgr/references/scan"
)

// Kind is how a file is read.
type Kind int

// The kinds of files. Those up to MarkupText are not written.
const (
	Text       Kind = iota // of which nothing is known, not even its comments
	HashText               // text with comments behind #
	SlashText              // text with comments behind // and between /* */
	MarkupText             // text with comments between <!-- -->
	Dockerfile
	YAML
	Workflow // YAML of GitHub Actions: a workflow, or an action's own file
	Literals // configuration and programs in which a whole string is an image
	Script   // command lines and variables
)

// A Rule is a row of the table in docs/pinning.md: which files are read how.
type Rule struct {
	Kind    Kind
	Files   string // patterns of names in lower case; FOLDER/ before one for the folder that it is in; empty for more about the row above
	Read    string // what is read as an image
	Written string // what it becomes; empty for nothing
}

const reference = "`IMAGE:TAG@DIGEST`"

// Rules is the table. The first row with a pattern that a file's name has is the file's.
var Rules = []Rule{
	{Text, "*.lock *.lock.hcl *-lock.json *.lock.json *-lock.yaml *.sum *.spdx.json *.cdx.json *.intoto.json *.min.js *.dockerignore", "any reference, in files that programs write", ""},
	{Workflow, "workflows/*.yml workflows/*.yaml action.yml action.yaml", "as other YAML, and `uses: docker://IMAGE`", reference},
	{YAML, "*.yml *.yaml", "`image:` and keys that end with it (`baseImage:`, `base_image:`), with an image, a list, or `{name: IMAGE}`; lists under `images:` and `services:`; `container:`; `baseImageOverrides:`; `reference:`", reference},
	{YAML, "", "there, `${NAME:-IMAGE}` or `${NAME-IMAGE}`", "`${NAME:-IMAGE:TAG@DIGEST}`"},
	{YAML, "", "a mapping with `repository:`, perhaps `registry:`, and `digest:`, which may be empty (Helm values)", "`digest: DIGEST`"},
	{YAML, "", "the same with `tag:` and without `digest:`", "`tag: TAG@DIGEST`"},
	{YAML, "", "`images:` of a kustomization with `newTag:`", "`digest: DIGEST` in the place of `newTag:`"},
	{YAML, "", "what a variable under `variables:`, or a parameter with `name:` and `default:` or `value:`, stands for, where an `image:` of the file is all that variable; parameters whose names end with `image`, but for `IMAGE`, which is what a task builds", reference},
	{YAML, "", "the YAML in a literal block under `values:` or `NAME.yaml:`", "as YAML"},
	{YAML, "", "`run:`, `script:`, `before_script:` and `after_script:`", "as a script"},
	{Dockerfile, "dockerfile containerfile dockerfile.* containerfile.* dockerfile-* containerfile-* dockerfile_* containerfile_* *.dockerfile *.containerfile", "`FROM`, `COPY --from`, `RUN --mount=from`, `# syntax=`, and the default of an `ARG` or in `${NAME:-IMAGE}` that is all a `FROM` names", reference},
	{Literals, "*.tf *.tfvars *.hcl *.nomad *.json *.jsonc *.json5 *.toml *.bzl *.bazel *.star *.groovy *.gradle *.kts *.bicep build workspace tiltfile jenkinsfile jenkinsfile.* *.jenkinsfile", "a string that is one reference with a tag, alone or behind `docker://` or `docker-image://`; without a tag, where its name ends with `image`", reference},
	{Script, "*.sh *.bash *.zsh *.ksh *.env .env .env.* .envrc *.mk makefile gnumakefile makefile.* earthfile justfile", "the whole value of a variable, with a tag; that of an option, as above; what `run`, `pull`, `create` or `FROM` names", reference},
	{HashText, "*.py *.rb *.pl *.conf *.cfg *.ini *.properties *.nix *.cue *.tpl *.cmake .gitignore", "any reference", ""},
	{SlashText, "*.go *.js *.mjs *.cjs *.ts *.tsx *.jsx *.java *.kt *.scala *.rs *.c *.h *.cc *.cpp *.cs *.swift *.proto *.jsonnet *.libsonnet *.php", "any reference", ""},
	{MarkupText, "*.md *.markdown *.html *.htm *.xml *.svg", "any reference", ""},
	{Text, "*", "any reference", ""},
}

// KindOf returns a file's kind by its path, with slashes between its parts.
func KindOf(name string) Kind {
	base, folder := strings.ToLower(path.Base(name)), path.Base(path.Dir(name))
	for _, rule := range Rules {
		for pattern := range strings.FieldsSeq(rule.Files) {
			dir, pattern, inFolder := cutFolder(pattern)
			if matched, _ := path.Match(pattern, base); matched && (!inFolder || dir == folder) {
				if rule.Kind == Dockerfile && isCode(path.Base(name)) {
					continue
				}
				return rule.Kind
			}
		}
	}
	return Text
}

func cutFolder(pattern string) (dir, base string, found bool) {
	if dir, base, found = strings.Cut(pattern, "/"); found {
		return dir, base, true
	}
	return "", pattern, false
}

// isCode reports whether what has to do with a Dockerfile is none by its extension.
// Dockerfile.go may build the part in Go; dockerfile.go is a program.
func isCode(base string) bool {
	switch strings.ToLower(path.Ext(base)) {
	case ".md":
		return true
	case ".go", ".js", ".ts", ".py", ".rb", ".rs", ".java", ".c", ".h", ".sh", ".json", ".html":
		return base == strings.ToLower(base)
	}
	return false
}

// KindOfText returns the kind of a file whose name tells none, by how it begins.
func KindOfText(text []byte) Kind {
	first, _, _ := bytes.Cut(text[:min(len(text), 256)], []byte("\n"))
	if bytes.HasPrefix(first, []byte("#!")) {
		if bytes.Contains(first, []byte("sh")) {
			return Script
		}
		return HashText
	}
	if dockerfileStart().Match(text[:min(len(text), maxContext)]) {
		return Dockerfile
	}
	return Text
}

// dockerfileStart is what a Dockerfile begins with, behind comments: ARG NAME, or
// FROM IMAGE [AS STAGE], which `from a import b` is not.
var dockerfileStart = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("^\ufeff?(?:\\s*#.*\n)*\\s*(?:ARG[ \t]+\\S|FROM[ \t]+(?:--\\S+[ \t]+)*[^\\s-]\\S*(?:[ \t]+(?i:AS)[ \t]+\\S+)?[ \t\\\\`\r]*(?:\n|$))")
})

func (k Kind) comments() scan.CommentSyntax {
	switch k {
	case Text:
		return scan.CommentSyntax{}
	case MarkupText:
		return markupComments
	case SlashText:
		return slashComments
	case Literals:
		return configComments
	}
	return hashComments
}

var (
	hashComments   = scan.CommentSyntax{Line: []string{"#"}}
	slashComments  = scan.CommentSyntax{Line: []string{"//"}, Open: "/*", Close: "*/"}
	configComments = scan.CommentSyntax{Line: []string{"#", "//"}, Open: "/*", Close: "*/"}
	markupComments = scan.CommentSyntax{Open: "<!--", Close: "-->"}
)
