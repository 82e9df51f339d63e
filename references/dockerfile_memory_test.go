package references

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

// Files that would fill the memory where all is kept that was read.
func TestDockerfileMemory(t *testing.T) {
	const size = 1 << 20
	many := func(text string) string { return strings.Repeat(text, size/len(text)) }
	for _, test := range []struct {
		name, before, text, after string // with the text as often as it goes
	}{
		{"FROMs of pieces", "ARG A=a\nARG B=" + strings.Repeat("$A", 4000) + "\nFROM cgr.dev/a/b\n", "FROM $B\n", ""},
		{"FROMs of pieces of ours", "ARG A=cgr.dev/\nARG B=" + strings.Repeat("$A", 4000) + "\n", "FROM $B\n", ""},
		{"FROM of variables", "FROM cgr.dev/", "$ab", ""},
		{"FROM of words", "FROM cgr.dev/a/b", " a", ""},
		{"FROM of what is never used", "ARG A=1\nFROM ", "${A+}", "cgr.dev/a/b"},
		{"FROM of names within each other", "ARG A=1\nFROM " + strings.Repeat("${A:-", 90), "cgr.dev/", strings.Repeat("}", 90)},
		{"platforms", "", "FROM --platform=" + strings.Repeat("$A", 500) + " cgr.dev/a/b\n", ""},
		{"defaults", "ARG", " A=cgr.dev/", ""},
		{"words of ARG", "FROM cgr.dev/a/b\nARG", " a", ""},
		{"COPY lines", "", "COPY --from=cgr.dev/a/b x y\n", ""},
		{"COPY flags", "COPY", " --from=cgr.dev/", ""},
		{"COPY with a long flag", "COPY --from='cgr.dev/", "a\\", "'"},
		{"COPY with a long name", "COPY --from=cgr.dev/", "\x01", ""},
		{"ONBUILD", "", "ONBUILD COPY --from=cgr.dev/a/b x y\n", ""},
		{"mounts", "RUN", " --mount=from=cgr.dev/a", ""},
		{"a mount's commas", "RUN --mount=from=cgr.dev/a/b", ",", ""},
		{"a mount's quotes", "RUN --mount='from=cgr.dev/a/b,\"", `""`, "\"'"},
		{"heredocs", "RUN cgr.dev", " <<a", ""},
		{"a heredoc's words", "RUN cgr.dev <<a", " b", "\na"},
		{"the exec form", `RUN ["<< cgr.dev"`, ",{}", "]"},
		{"continuations", "RUN << cgr.dev", "a\\\n", ""},
		{"empty continuations", "FROM cgr.dev/a/b\nRUN ", "\\\n", ""},
	} {
		t.Run("I77 "+test.name, func(t *testing.T) { checkPeak(t, test.before+many(test.text)+test.after) })
	}
	for _, form := range []string{"ARG B%06d=$A\n", "ARG B%06d=x$A\n", "ARG B%06d=\n"} {
		t.Run("I77 copies with "+form, func(t *testing.T) {
			text := []byte("ARG A=cgr.dev/chainguard/" + strings.Repeat("a", 700) + "\n")
			for i := 0; len(text) < size; i++ {
				text = fmt.Appendf(text, form, i)
			}
			if err := checkPeak(t, string(text)); err == nil {
				t.Error("got no error, want one where more is to be kept than is")
			}
		})
	}
}

// checkPeak reads a file, and checks what that takes at a time: some 200 MB for one of
// 10 MB, besides some 50 MB for what is kept of any.
func checkPeak(t *testing.T, text string) error {
	t.Helper()
	data := []byte(text)
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	inUse := func() uint64 {
		metrics.Read(heap)
		return heap[0].Value.Uint64()
	}
	runtime.GC()
	before := inUse()
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		most := uint64(0)
		for tick := time.Tick(time.Millisecond); ; {
			most = max(most, inUse())
			select {
			case <-tick:
			case <-done:
				peak <- max(most, inUse()) - before
				return
			}
		}
	}()
	found, left, err := findDockerfile(data, testHost)
	close(done)
	limit := uint64(20 * len(data))
	if err != nil || len(found)+len(left) > 1 {
		limit = 3 * maxKept
	}
	if got := <-peak; got > limit {
		t.Errorf("took %d MiB for %d found and %d left, %v, want below %d MiB", got>>20, len(found), len(left), err, limit>>20)
	}
	return err
}
