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
	{Text, "*.lock *.lock.hcl *-lock.json *.lock.json *-lock.yaml *.sum *.spdx.json *.cdx.json *.intoto.json *.min.js *.dockerignore", "any reference (programs generate these files)", ""},
	{Workflow, "workflows/*.yml workflows/*.yaml action.yml action.yaml", "as in other YAML files; also `uses: docker://IMAGE`", reference},
	{YAML, "*.yml *.yaml", "`image:` and keys that end with it (`baseImage:`, `base_image:`), whose value is an image, a list of images or `{name: IMAGE}`; lists under `images:` and `services:`; `container:`; `baseImageOverrides:`; `reference:`", reference},
	{YAML, "", "`${NAME:-IMAGE}` or `${NAME-IMAGE}` in the same keys", "`${NAME:-IMAGE:TAG@DIGEST}`"},
	{YAML, "", "a mapping with `repository:` and `digest:`, which may be empty; `registry:` is optional (Helm values)", "`digest: DIGEST`"},
	{YAML, "", "the same mapping with `tag:` and without `digest:`", "`tag: TAG@DIGEST`"},
	{YAML, "", "an entry of a kustomization's `images:` with `newTag:`", "`digest: DIGEST` replaces `newTag:`"},
	{YAML, "", "the value of a variable under `variables:`, or of a parameter (`name:` with `default:` or `value:`), if an `image:` in the same file consists of that variable alone; the value of a parameter whose name ends with `image`, except `IMAGE`, which names the image that a task builds", reference},
	{YAML, "", "the YAML in a literal block under `values:` or `NAME.yaml:`", "as YAML"},
	{YAML, "", "`run:`, `script:`, `before_script:` and `after_script:`", "as a script"},
	{Dockerfile, "dockerfile containerfile dockerfile.* containerfile.* dockerfile-* containerfile-* dockerfile_* containerfile_* *.dockerfile *.containerfile", "`FROM`, `COPY --from`, `RUN --mount=from`, `# syntax=`; the default of an `ARG` or of `${NAME:-IMAGE}`, if a `FROM` consists of that variable alone", reference},
	{Literals, "*.tf *.tfvars *.hcl *.nomad *.json *.jsonc *.json5 *.toml *.bzl *.bazel *.star *.groovy *.gradle *.kts *.bicep build workspace tiltfile jenkinsfile jenkinsfile.* *.jenkinsfile", "a string that is one reference with a tag, with or without `docker://` or `docker-image://` before it; without a tag if the name of its key ends with `image`", reference},
	{Script, "*.sh *.bash *.zsh *.ksh *.env .env .env.* .envrc *.mk makefile gnumakefile makefile.* earthfile justfile", "a reference with a tag that is the whole value of a variable or an option; without a tag if the option is `--from` or its name ends with `image`; the image that `run`, `pull`, `create` or `FROM` names", reference},
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
