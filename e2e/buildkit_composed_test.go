package e2e

import (
	"math/rand/v2"
	"testing"
)

// TestBuildKitComposed compares files put together by chance, the same ones each time.
func TestBuildKitComposed(t *testing.T) {
	c := composer{rand.New(rand.NewPCG(6, 77))}
	compared := 0
	for range 5_000 {
		data := []byte(c.file())
		if b, err := readWithBuildKit(data); err == nil && len(b.ours()) > 0 {
			compared++
		}
		if againstBuildKit(t, data); t.Failed() {
			t.Fatalf("in %q", data)
		}
	}
	if compared < 500 {
		t.Errorf("got %d files that BuildKit reads, with an image of ours: want more, to compare them", compared)
	}
}

// composer puts Dockerfiles together, most of which BuildKit takes.
type composer struct{ *rand.Rand }

func (c composer) pick(from ...string) string { return from[c.IntN(len(from))] }

func (c composer) file() string {
	text := c.pick("", "", "", "# escape=`\n", "# syntax="+c.image()+"\n", "# x\n", "\ufeff", "#!x\n# syntax="+c.image()+"\n")
	for range c.IntN(3) {
		text += "ARG " + c.pick("A", "B", "A=1 B", "TARGETARCH") + c.pick("", "=", "="+c.word(), "="+c.word()) + c.pick("", " C="+c.word()) + c.lineEnd()
	}
	text += "FROM " + c.word() + c.pick("", " AS x") + c.lineEnd()
	for range c.IntN(4) {
		text += c.pick("", "", "", "ONBUILD ") + c.instruction() + c.lineEnd()
	}
	// Something out of place, now and then.
	for range c.IntN(3) {
		at := c.IntN(len(text) + 1)
		text = text[:at] + c.pick("\"", "'", "\\", "`", "$", "{", "}", "<", "<<EOF ", "\n", "\r", " ", "\t", "\v", "\u00a0", "\u0085", "\xa0", "\xff", "é",
			"\\\n", "\\ \n# x\n\n", "`\n", "\ufeff", ",", "=", ":", "#", "--", "-- ", "\nEOF\n", "$A", "${B:-", "\x1b") + text[at:]
	}
	return text
}

func (c composer) instruction() string {
	switch c.IntN(5) {
	case 0:
		return "FROM " + c.pick("", "--platform=linux/arm64 ", "--platform=$BUILDPLATFORM ") + c.word() + c.pick("", " as y")
	case 1:
		return "COPY " + c.pick("", "--link ") + "--from=" + c.pick(c.image(), "x", "'"+c.image()+"'", c.word()) + " a b"
	case 2:
		return "RUN " + c.pick("", "--network=none ") + "--mount=" + c.pick("", "type=cache,") + c.pick("from=", "From=", "source=") + c.image() + c.pick("", ",target=/x") + " make"
	case 3:
		word := c.pick("EOF", "'EOF'", "E\"O\"F", "E\\OF", "$X", "${X:-Y}", "${X:+a <<EOF}", "\"E F\"", " EOF", "<EOF")
		name := c.pick("EOF", "EOF", "E F", "$X", "EOF}", "${X:-Y}", "E\\OF")
		return c.pick("RUN cat ", "RUN ", "COPY --from="+c.image()+" ", "ADD ", "RUN echo \"$X\" ") + c.pick("", "3", "x") + "<<" + c.pick("", "-") + word + c.pick("", " /y", "> x", " <<B") +
			"\nFROM " + c.image() + c.pick("\n", "\nEOF \n", "\n\tEOF\n") + name + c.pick("", "\nB")
	}
	return c.pick("ARG A="+c.word(), "ENV I="+c.image(), "LABEL i=<<EOF", "CMD [\"<<EOF\"]", "# "+c.image(), "RUN [ \"a\", \"<<EOF\" ]", "WORKDIR /"+c.image(), "RUN echo \\\n"+c.image()+" \\\n # x\n\n && y")
}

// word is what may stand for an image.
func (c composer) word() string {
	switch c.IntN(8) {
	case 0:
		return c.variable() + c.pick("", "", "/a/b", ":1", c.variable())
	case 1:
		return c.pick("cgr.dev/", "cgr.dev/a/", "cgr.dev/a/b:", "x/") + c.variable()
	case 2:
		return c.pick("\"", "'") + c.pick(c.image(), c.variable()) + c.pick("\"", "'")
	case 3, 4:
		return c.variable()
	}
	return c.image()
}

func (c composer) image() string {
	return c.pick("cgr.dev/a/b", "cgr.dev/a/b:1", "cgr.dev/a/b"+pinDigest, "CGR.dev:443/c/d", "cgr.dev/e", "cgr.dev", "x.cgr.dev/a/b", "cgr.dev/a/\"b\"", "cgr.dev/\\\na/b", "x", "scratch", "e/cgr.dev/f")
}

func (c composer) variable() string {
	name := c.pick("A", "B", "C", "TARGETARCH", "")
	switch c.IntN(4) {
	case 0:
		return "$" + name
	case 1:
		return "${" + name + "}"
	case 2:
		return "${" + name + c.pick("#", "%", "##", "/", "//") + c.pick("*", "cgr", "a/b", "x") + c.pick("", "/y") + "}"
	}
	return "${" + name + c.pick(":-", "-", ":+", "+", ":?", "?") + c.pick(c.word(), c.image(), "") + "}"
}

func (c composer) lineEnd() string { return c.pick("\n", "\n", "\n", "\r\n", " \n", "\n\n") }
