package references

import (
	"strings"
	"testing"

	"docker-credential-cgr/references/scan"
)

func TestKindOf(t *testing.T) {
	for _, test := range []struct {
		want  Kind
		names string // with spaces between
	}{
		{Dockerfile, "Dockerfile dockerfile Containerfile containerfile DOCKERFILE"},
		{Dockerfile, "a/b/Dockerfile ./Dockerfile /srv/Containerfile"},
		{Dockerfile, "Dockerfile.dev Dockerfile-dev dockerfile.prod.arm64 Containerfile.web Containerfile-ci Dockerfile_old"},
		{Dockerfile, "web.Dockerfile web.dockerfile api.prod.Containerfile"},
		{Dockerfile, "Dockerfile.go Dockerfile.js Dockerfile.py Dockerfile.rs"}, // which part they build
		{Dockerfile, "Dockerfile.yaml.tmpl"},
		{SlashText, "dockerfile.go dockerfile.js dockerfile.rs containerfile.ts main.go x.cpp"}, // programs
		{HashText, "dockerfile.py x.rb .gitignore"},
		{Literals, "dockerfile.json main.tf docker-bake.hcl x/devcontainer.json Tiltfile Jenkinsfile Jenkinsfile.deploy BUILD.bazel x.toml build.gradle"},
		{Script, "run.sh Makefile x.mk .env .env.local prod.env Earthfile"},
		{MarkupText, "Dockerfile.md dockerfile.md README.md pom.xml"},
		{Text, "Dockerfile.dockerignore web.Dockerfile.dockerignore"},
		{Text, "Dockerfiles mydockerfile Dockerfile~ Dockerfile/notes.txt"},
		{Text, "package-lock.json .terraform.lock.hcl flake.lock Chart.lock go.sum x.spdx.json app.min.js"}, // what programs write
		{YAML, "compose.yaml compose.yml docker-compose.override.yml values.yaml pod.YAML a/b/c.Yml"},
		{YAML, ".gitlab-ci.yml .circleci/config.yml .yaml dockerfile.yaml dockerfile-lint.yml"},
		{YAML, "k8s/workflows/deep/x.yaml workflows.yaml my-action.yml actions.yaml"},
		{Workflow, ".github/workflows/ci.yml .github/workflows/ci.yaml a/.github/workflows/x.YML .github/workflows/dockerfile-lint.yml"},
		{Workflow, "action.yml action.yaml tools/setup/action.yml Action.yml"},
		{Text, "compose.yaml.tmpl yaml yml notes.txt workflows/run"},
		{Text, ". /"},
	} {
		for name := range strings.FieldsSeq(test.names) {
			t.Run(name, func(t *testing.T) {
				if got := KindOf(name); got != test.want {
					t.Errorf("got %d, want %d", got, test.want)
				}
			})
		}
	}
	t.Run("no name", func(t *testing.T) {
		if got := KindOf(""); got != Text {
			t.Errorf("got %d, want text", got)
		}
	})
}

func TestKindOfText(t *testing.T) {
	for text, want := range map[string]Kind{
		"FROM a":             Dockerfile,
		"FROM a as b\nRUN c": Dockerfile,
		"\ufeff# escape=`\r\n\r\n  FROM a `\r\n AS b": Dockerfile,
		"FROM --platform=$BUILDPLATFORM a AS b":       Dockerfile,
		"FROM a \\\n":                                 Dockerfile,
		"ARG A=b\nFROM $A":                            Dockerfile,
		"#!/bin/sh\n":                                 Script,
		"#!/usr/bin/env bash\n":                       Script,
		"#!/usr/bin/python3\n":                        HashText,
		"ARG":                                         Text,
		"FROM":                                        Text,
		"FROM --platform=x":                           Text,
		"from os import path":                         Text,
		"From: a@example.org":                         Text,
		"RUN a\nFROM b":                               Text,
		"# FROM a":                                    Text,
		"":                                            Text,
		"{}":                                          Text,
	} {
		if got := KindOfText([]byte(text)); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

func TestPin(t *testing.T) {
	for _, test := range []struct {
		kind                                 Kind
		before, after, withoutTag, reference string
	}{
		{Dockerfile, "FROM cgr.dev/a/b", "FROM cgr.dev/a/b:latest@D", "FROM cgr.dev/a/b@D", "cgr.dev/a/b:latest@D"},
		{Dockerfile, "FROM CGR.dev:443/a/b:1@" + oldDigest, "FROM CGR.dev:443/a/b:1@D", "FROM CGR.dev:443/a/b@D", "CGR.dev:443/a/b:1@D"},
		{YAML, "x: {repository: cgr.dev/a/b, tag: '1'}", "x: {repository: cgr.dev/a/b, tag: '1@D'}", "x: {repository: cgr.dev/a/b, tag: '1@D'}", "cgr.dev/a/b:1@D"},
		{YAML, "x: {repository: cgr.dev/a/b, tag: 1.5@" + oldDigest + "}", "x: {repository: cgr.dev/a/b, tag: 1.5@D}", "x: {repository: cgr.dev/a/b, tag: 1.5@D}", "cgr.dev/a/b:1.5@D"},
		{YAML, "x:\n  registry: cgr.dev\n  repository: a/b\n  tag: 1\n  digest:  # none\n", "x:\n  registry: cgr.dev\n  repository: a/b\n  tag: 1\n  digest: D  # none\n", "x:\n  registry: cgr.dev\n  repository: a/b\n  tag: 1\n  digest: D  # none\n", "cgr.dev/a/b:1@D"},
		{YAML, "images:\n- name: x\n  newName: cgr.dev/a/b\n  newTag: \"1\" # x\n", "images:\n- name: x\n  newName: cgr.dev/a/b\n  digest: D # x\n", "images:\n- name: x\n  newName: cgr.dev/a/b\n  digest: D # x\n", "cgr.dev/a/b@D"},
	} {
		for _, dropTag := range []bool{false, true} {
			found, left, err := findAll(test.kind, []byte(test.before), testHost)
			if err != nil || len(found) != 1 || len(left) != 0 {
				t.Fatalf("%q: got %+v, %+v, %v, want one found", test.before, found, left, err)
			}
			reference, edit := found[0].Pin("D", dropTag)
			got := test.before[:found[0].Start] + edit + test.before[found[0].End:]
			want := test.after
			if dropTag {
				want = test.withoutTag
			} else if reference != test.reference {
				t.Errorf("%q: got %q, want %q", test.before, reference, test.reference)
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
}

// If a file cannot be read as its kind, every reference but those in comments is left.
func TestFindWhatCannotBeRead(t *testing.T) {
	for _, test := range []struct {
		name, text string
		kind       Kind
		line       int    // of what is left; 0 for none, and an error
		why        string // in the error, or why it is left
	}{
		{"a NUL", "FROM cgr.dev/a/b\nRUN \x00", Dockerfile, 1, "line 2: has a NUL byte"},
		{"an escape character that cannot be", "# syntax=x\n# escape=/\x1b[31m\nFROM cgr.dev/a/b", Dockerfile, 3, `the escape character is "/`},
		{"an escape character that is blank", "# escape= \nFROM cgr.dev/a/b", Dockerfile, 2, "the escape character"},
		{"no YAML", "a: b\nimage: cgr.dev/a/b\n c: {", YAML, 2, "is not in valid YAML: line "},
		{"a template of Helm", "a:\n{{ if x }}\nimage: cgr.dev/a/b\n", YAML, 3, "is in a template, not in valid YAML: line 2"},
		{"a template of Jinja", "{% for x in y %}\nimage: cgr.dev/a/b\n", YAML, 2, "is in a template, not in valid YAML: found character"},
		{"a template of ERB", "<% if x %>\n- a\nimage: cgr.dev/a/b\n", YAML, 3, "is in a template, not in valid YAML"},
		{"two encodings", "a: \xe9\nimage: cgr.dev/a/b\n", YAML, 2, "line 1: is not in UTF-8"},
		{"a control character", "a: \x01\nimage: cgr.dev/a/b\n", YAML, 2, "has the character U+0001"},
		{"a template that names the registry alone", "a:\n{{ if x }}\nregistry: {{ x | default cgr.dev }}\n", YAML, 0, "is in a template"},
		{"an alias of nothing", "image: *x\nb: cgr.dev/a/b", YAML, 2, "unknown anchor"},
	} {
		t.Run(test.name, func(t *testing.T) {
			found, left, err := findAll(test.kind, []byte(test.text), testHost)
			if test.line == 0 {
				if err == nil || len(found)+len(left) > 0 || !strings.Contains(err.Error(), test.why) {
					t.Errorf("got %+v, %+v, %v, want an error", found, left, err)
				}
				return
			}
			if err != nil || len(found) != 0 || len(left) != 1 || left[0].Line != test.line || !strings.Contains(left[0].Reason, test.why) {
				t.Errorf("got %+v, %+v, %v, want one left in line %d: %s", found, left, err, test.line, test.why)
			}
			checkFile(t, test.kind, test.text)
		})
	}
	found, left, err := findAll(YAML, []byte("{{ x }}\n{{ y }} # cgr.dev/a/b\n"), testHost)
	if err != nil || len(found) > 0 || len(left) != 1 || left[0].Class != Comment {
		t.Errorf("got %+v, %+v, %v for a comment in a template, want that alone", found, left, err)
	}
}

// A long reference is shown up to a limit, also if it continues with a variable.
func TestShownOfALongName(t *testing.T) {
	for _, rest := range []string{"${TAG}", "\"+tag", " ", ""} {
		text := "image: \"cgr.dev/org/" + strings.Repeat("a", 300) + rest
		for _, kind := range []Kind{Literals, Script, SlashText, YAML, Dockerfile} {
			checkFile(t, kind, text)
		}
	}
}

func TestHosts(t *testing.T) {
	for _, test := range []struct{ host, text, want string }{
		{"127.0.0.1:5000", "FROM 127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b"},
		{"127.0.0.1:5000", "FROM 127.0.0.1/a/b\n# 127.0.0.1:5000", ""},
		{"cgr.dev:443", "FROM cgr.dev/a/b", "cgr.dev/a/b"},
		{"cgr.dev:443", "FROM CGR.DEV:443/a/b", "CGR.DEV:443/a/b"},
		{"localhost", "FROM localhost/a/b\n", "localhost/a/b"},
		{"registry.example", "# registry.example\nFROM regi\u017ftry.example/a/b", ""},
		{"cgr.dev", "FROM notcgr.dev/a/b\nFROM cgr.dev.evil/a/b\nFROM cgr.dev:8443/a/b\nFROM x/cgr.dev/a/b\nRUN cgr.devil/a/b", ""},
	} {
		for _, kind := range []Kind{Dockerfile, Text} {
			found, left, err := findAll(kind, []byte(test.text), test.host)
			got := ""
			for _, f := range found {
				got += f.Text
			}
			for _, l := range left {
				got += l.Text
			}
			if err != nil || got != test.want {
				t.Errorf("I78 %q of %s as %d: got %q, %v, want %q", test.text, test.host, kind, got, err, test.want)
			}
		}
	}
}

func TestPlatform(t *testing.T) {
	for _, test := range []struct {
		name, text, want string
		kind             Kind
	}{
		{"none", "FROM cgr.dev/a/b", "", Dockerfile},
		{"written out", "FROM --platform=linux/arm64/v8 cgr.dev/a/b", "linux/arm64/v8", Dockerfile},
		{"in quotes", "FROM --platform=\"linux/arm64\" cgr.dev/a/b", "linux/arm64", Dockerfile},
		{"over lines", "FROM --platform=linux/\\\narm64 cgr.dev/a/b", "linux/arm64", Dockerfile},
		{"a variable", "FROM --platform=$BUILDPLATFORM cgr.dev/a/b", "$BUILDPLATFORM", Dockerfile},
		{"a variable in part", "FROM --platform=linux/${ARCH} cgr.dev/a/b", "linux/${ARCH}", Dockerfile},
		{"that of the build", "FROM --platform=$TARGETPLATFORM cgr.dev/a/b", "", Dockerfile},
		{"that of the build, in braces and quotes", `FROM --platform="${TARGETPLATFORM}" cgr.dev/a/b`, "", Dockerfile},
		{"that of the build for one FROM of an ARG", "ARG A=cgr.dev/a/b\nFROM $A\nFROM --platform=$TARGETPLATFORM $A", "", Dockerfile},
		{"of an ARG's FROM", "ARG A=cgr.dev/a/b\nFROM --platform=linux/arm64 $A", "linux/arm64", Dockerfile},
		{"the same for both FROMs of an ARG", "ARG A=cgr.dev/a/b\nFROM --platform=linux/arm64 $A\nFROM --platform=linux/arm64 $A", "linux/arm64", Dockerfile},
		{"two for one ARG", "ARG A=cgr.dev/a/b\nFROM --platform=linux/arm64 $A\nFROM --platform=linux/amd64 $A", scan.SeveralPlatforms, Dockerfile},
		{"for one FROM of an ARG", "ARG A=cgr.dev/a/b\nFROM --platform=linux/arm64 $A\nFROM $A", scan.SeveralPlatforms, Dockerfile},
		{"COPY", "FROM --platform=linux/arm64 scratch\nCOPY --from=cgr.dev/a/b x y", "", Dockerfile},
		{"beside", "image: cgr.dev/a/b\nplatform: linux/arm64\n", "linux/arm64", YAML},
		{"before, in quotes", "{\"platform\": 'linux/arm/v7', \"image\": cgr.dev/a/b}", "linux/arm/v7", YAML},
		{"of another mapping", "platform: linux/arm64\nb:\n  image: cgr.dev/a/b\n", "", YAML},
		{"a variable in YAML", "image: cgr.dev/a/b\nplatform: linux/${ARCH}\n", "linux/${ARCH}", YAML},
		{"no platform", "image: cgr.dev/a/b\nplatform: aws\n", "", YAML},
		{"a list", "image: cgr.dev/a/b\nplatform: [linux/arm64]\n", "", YAML},
		{"two by an alias", "x: {image: &a cgr.dev/a/b, platform: linux/arm64}\ny: {image: *a, platform: linux/amd64}\n", scan.SeveralPlatforms, YAML},
	} {
		t.Run("I77 "+test.name, func(t *testing.T) {
			found, left, err := findAll(test.kind, []byte(test.text), testHost)
			if err != nil || len(found) != 1 || len(left) != 0 {
				t.Fatalf("got %+v, %+v, %v, want one found", found, left, err)
			}
			if got := found[0].Platform; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// Files that programs write are not changed, and long lines are cut.
func TestGeneratedFiles(t *testing.T) {
	minified := strings.Repeat("!function(){var a=1;}();", 5<<20/24)
	for _, test := range []struct {
		name, text           string
		kind                 Kind
		found, left, comment int
	}{
		{"5 MB of minified JavaScript in a line", minified + `i="cgr.dev/a/b:1";` + minified, SlashText, 0, 1, 0},
		{"the same in a string of JSON", `{"x": "` + minified + `cgr.dev/a/b:1` + minified + `"}`, Literals, 0, 1, 0},
		{"ten thousand digests in JSON", "[" + strings.Repeat(`"cgr.dev/a/b@`+oldDigest+`",`, 10_000) + "]", Literals, 10_000, 0, 0},
		{"ten thousand digests in YAML", strings.Repeat("- cgr.dev/a/b@"+oldDigest+"\n", 10_000), YAML, 10_000, 0, 0},
		{"ten thousand digests in a lock file", strings.Repeat("cgr.dev/a/b:1@"+oldDigest+" = 1\n", 10_000), KindOf("x.lock"), 10_000, 0, 0},
		{"ten thousand comments", strings.Repeat("// cgr.dev/a/b\n", 10_000), SlashText, 0, 0, 10_000},
		{"another host in a line", strings.Repeat("notcgr.dev/a/b cgr.dev.evil/a/b ", 10_000), Text, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			found, left, err := findAll(test.kind, []byte(test.text), testHost)
			comments := 0
			for _, l := range left {
				if l.Class == Comment {
					comments++
				}
				if len(l.Text) > 20 {
					t.Errorf("got the text %q, want the reference alone", l.Text)
				}
			}
			for _, f := range found {
				if f.Image.Digest == "" {
					t.Errorf("got %+v found, want nothing to change", f)
				}
			}
			if err != nil || len(found) != test.found || len(left)-comments != test.left || comments != test.comment {
				t.Errorf("got %d found, %d left, %d in comments, %v, want %d, %d, %d", len(found), len(left)-comments, comments, err, test.found, test.left, test.comment)
			}
		})
	}
}
