package references

import (
	"runtime"
	"strings"
	"testing"
)

// The memory for a file grows with its size, whatever is in it.
func TestMemoryGrowsWithTheSize(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	const size = 1 << 15
	long := longFiles(4 * size)
	for name, short := range longFiles(size) {
		t.Run("I77 "+name, func(t *testing.T) {
			for kind := Text; kind <= Script; kind++ {
				memory, longMemory := memoryFor(kind, short), memoryFor(kind, long[name])
				if limit := uint64(400 * 4 * size); longMemory > 6*memory && longMemory > limit {
					t.Errorf("as %d: allocated %d bytes, and %d for a file of four times the size", kind, memory, longMemory)
				}
			}
		})
	}
}

func memoryFor(kind Kind, text string) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _ = Find(kind, []byte(text), testHost)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// longFiles returns files of about n bytes.
func longFiles(n int) map[string]string {
	many := func(text string, size int) string { return strings.Repeat(text, size/len(text)) }
	return map[string]string{
		"a line":                       "FROM " + many("a", n),
		"a name":                       "FROM cgr.dev/" + many("a/", n) + "a",
		"names in a row":               "FROM " + many("cgr.dev/a/b:", n),
		"words":                        "FROM cgr.dev/a/b " + many("cgr.dev/a ", n),
		"references":                   many("cgr.dev/a/b:1 ", n),
		"references in lines":          many("cgr.dev/a/b:1\n", n),
		"strings":                      "x = [" + many(`"cgr.dev/a/b:1", `, n),
		"assignments":                  many("A=cgr.dev/a/b:1\n", n),
		"options":                      "docker run" + many(" --a=cgr.dev/a/b:1", n),
		"uses":                         many("A=cgr.dev/a/b:1 $A:x\n", n),
		"digests":                      many("cgr.dev/a/b@"+testDigest+"\n", n),
		"blanks":                       "FROM" + many(" ", n) + "cgr.dev/a/b" + many("\t", n),
		"carriage returns":             many("\r", n) + "FROM cgr.dev/a/b" + many("\r", n) + "x",
		"continuations":                "RUN " + many("\\\n", n) + "FROM cgr.dev/a/b",
		"comments":                     many("# cgr.dev/a/b\n", n),
		"comments that open in a line": many("a /* cgr.dev/a/b ", n) + "\n*/",
		"comments that end":            many("/* cgr.dev/a/b */ ", n),
		"hosts":                        many("x = \"cgr.dev/a\"\n", n),
		"hosts in a line":              many("x=cgr.dev ", n),
		"escaped slashes":              many(`"cgr.dev\/a",`, n),
		"comments that open":           many("/* cgr.dev/a/b\n", n),
		"comments in a continuation":   "FROM " + many("\\\n#\n\n", n) + "cgr.dev/a/b",
		"escapes":                      "FROM cgr.dev/" + many("\\a", n),
		"a flag":                       "COPY --from=" + many("\"a\\", n) + "\ncgr.dev/",
		"a flag over lines":            "COPY --from=" + many("a\\\n", n) + "\n# cgr.dev/",
		"flags":                        "COPY " + many("--from=cgr.dev/a/b ", n),
		"mounts":                       "RUN --mount='" + many(`from=cgr.dev/a/b,`, n) + "'",
		"quotes":                       "RUN --mount='\"" + many(`""`, n) + "cgr.dev/'",
		"dollars":                      "FROM " + many("$", n) + "cgr.dev/",
		"open braces":                  "FROM cgr.dev/" + many("${a:-", n),
		"open braces in RUN":           "RUN cgr.dev/ <<EOF " + many("${a:-", n),
		"ARGs":                         many("ARG A=cgr.dev/a/b\n", n) + "FROM $A\nFROM $A:x",
		"ARGs and FROMs":               many("ARG A=cgr.dev/a/b\n", n/2) + many("FROM $A\n", n/2),
		"ARGs and more FROMs":          "ARG A=cgr.dev/a/b\n" + many("FROM $A\nFROM $A:x\n", n),
		"ARGs that double":             "ARG A=cgr.dev/a/b\n" + many("ARG A=$A$A\n", n) + "FROM $A",
		"a long ARG":                   "ARG A=" + many("cgr.dev/", n/2) + "\n" + many("FROM $A$A$A\n", n/2),
		"variables":                    "ARG A=cgr.dev/a/b\nFROM " + many("$A", n),
		"a heredoc":                    "RUN <<EOF\n" + many("cgr.dev\n", n) + "EOF\nFROM cgr.dev/a/b",
		"heredocs":                     "RUN " + many("<<cgr.dev ", n) + "\n" + many("cgr.dev\n", n),
		"heredocs that do not end":     many("RUN <<EOF\nEOF\n", n) + "RUN <<X\ncgr.dev",
		"a heredoc's blanks":           "RUN cgr.dev " + many("<< ", n),
		"the exec form":                "RUN " + many("[", n/16) + "<<cgr.dev",
		"almost the host":              many("cgr.dev.", n),
		"directives":                   "# syntax=" + many("cgr.dev/", n) + "\n" + many("# escape", n),
		"images":                       many("- image: cgr.dev/a/b\n", n),
		"aliases":                      "- &a cgr.dev/a/b\n" + many("- image: *a\n", n),
		"mappings merged":              "a: &a\n" + many("  k: v\n", n/2) + "b:\n" + many("- image: {<<: *a, name: cgr.dev/a/b}\n", n/2),
		"variables of YAML":            "variables:\n" + many("  A: cgr.dev/a/b\n", n/2) + "b:\n" + many("- image: $A\n", n/2),
		"a variable that is an alias":  "- &a '$" + strings.Repeat("A$", n/4) + "'\n- cgr.dev/a/b\n" + many("- image: *a\n", n/2),
		"charts":                       many("- {repository: cgr.dev/a/b, tag: x, digest: }\n", n),
		"blocks":                       many("- values: |\n    image: cgr.dev/a/b\n", n),
		"commands":                     "script:\n" + many("- docker run cgr.dev/a/b\n", n),
		"a command":                    "script: |\n" + many("  docker run cgr.dev/a/b\n", n),
	}
}
