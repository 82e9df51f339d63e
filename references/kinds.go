package references

import (
	"bytes"
	"path"
	"regexp"
	"strings"
	"sync"

	"docker-credential-cgr/references/scan"
)

// Kind is a kind of file, by how it is read.
type Kind int

// The kinds of files. Those up to MarkupText are not written.
const (
	Text       Kind = iota // unknown, and with unknown marks for comments
	HashText               // text with comments behind #
	SlashText              // text with comments behind // and between /* */
	MarkupText             // text with comments between <!-- -->
	Dockerfile
	YAML
	Workflow // YAML of GitHub Actions: a workflow or an action
	Literals // configuration and programs in which a whole string is an image
	Script   // commands and variables
)

// A Rule is a row of the table in docs/pinning.md.
type Rule struct {
	Kind    Kind
	Files   string // lower-case patterns, perhaps with the folder; empty if the row continues the one above
	Read    string // what is read as a reference
	Written string // what it becomes; empty if nothing is written
}

const reference = "`IMAGE:TAG@DIGEST`"

// Rules is the table. The first row that matches a file's name applies.
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

// KindOf returns the kind of a file by its path, which has slashes.
func KindOf(name string) Kind {
	base, folder := path.Base(name), path.Base(path.Dir(name))
	for _, rule := range Rules {
		for pattern := range strings.FieldsSeq(rule.Files) {
			if dir, file, found := strings.Cut(pattern, "/"); found {
				if dir != folder {
					continue
				}
				pattern = file
			}
			if matched, _ := path.Match(pattern, strings.ToLower(base)); matched && (rule.Kind != Dockerfile || !isCode(base)) {
				return rule.Kind
			}
		}
	}
	return Text
}

// isCode reports whether a file with the name of a Dockerfile is none by its extension.
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

// KindOfText returns the kind of a file by how its text begins.
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

// dockerfileStart matches the beginning of a Dockerfile: after comments, ARG NAME or
// FROM IMAGE [AS STAGE], and not `from a import b`.
var dockerfileStart = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("^\ufeff?(?:\\s*#.*\n)*\\s*(?:ARG[ \t]+\\S|" +
		"FROM[ \t]+(?:--\\S+[ \t]+)*[^\\s-]\\S*(?:[ \t]+(?i:AS)[ \t]+\\S+)?[ \t\\\\`\r]*(?:\n|$))")
})

// comments returns how the kind of file marks comments.
func (k Kind) comments() scan.CommentSyntax {
	switch k {
	case Text:
		return scan.CommentSyntax{}
	case MarkupText:
		return scan.CommentSyntax{Open: "<!--", Close: "-->"}
	case SlashText:
		return scan.CommentSyntax{Line: []string{"//"}, Open: "/*", Close: "*/"}
	case Literals:
		return scan.CommentSyntax{Line: []string{"#", "//"}, Open: "/*", Close: "*/"}
	}
	return scan.CommentSyntax{Line: []string{"#"}}
}
