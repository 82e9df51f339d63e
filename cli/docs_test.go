package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	shellquote "github.com/kballard/go-shellquote"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"docker-credential-cgr/cli/command"
)

// TestDocumentedCommands checks each command of this program in the documentation, the examples
// of --help and the files for CI systems: the command, its flags and the output format exist.
func TestDocumentedCommands(t *testing.T) {
	texts := map[string]string{}
	for _, place := range []string{"README.md", "CONTRIBUTING.md", "action.yml", "docs", "integrations", "templates"} {
		err := filepath.WalkDir(filepath.Join("..", place), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			texts[path] = string(data)
			if filepath.Ext(path) == ".md" {
				texts[path] = code(string(data))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var examples func(c *cobra.Command)
	examples = func(c *cobra.Command) {
		texts[c.CommandPath()+" --help"] = c.Example
		for _, sub := range c.Commands() {
			examples(sub)
		}
	}
	examples(Commands(""))
	n := 0
	for place, text := range texts {
		for _, words := range commandsIn(text) {
			n++
			if problem := checkCommand(words); problem != "" {
				t.Errorf("%s: %s: docker-credential-cgr %q", place, problem, words)
			}
		}
	}
	if n < 150 {
		t.Errorf("found only %d commands", n)
	}
}

// code returns the code of a page in Markdown: blocks, and what is in backticks.
func code(page string) string {
	var b strings.Builder
	fenced := false
	for line := range strings.Lines(page) {
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced, strings.HasPrefix(line, "    "):
			b.WriteString(line)
		default:
			for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1) {
				b.WriteString(strings.ReplaceAll(quoted[1], `\|`, "|") + "\n")
			}
		}
	}
	return b.String()
}

// commandsIn returns the arguments of each command of this program in a text of shell commands.
func commandsIn(text string) (commands [][]string) {
	text = strings.ReplaceAll(text, "\\\n", " ")
	start := regexp.MustCompile(`(?:^|[\s"'(@` + "`" + `])(?:docker-credential-cgr|docker cgr) `)
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, " # ")
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, at := range start.FindAllStringIndex(line, -1) {
			if words, err := shellquote.Split(untilEnd(line[at[1]:])); err == nil {
				commands = append(commands, words)
			}
		}
	}
	return commands
}

// untilEnd returns the start of a line that is one command: up to an operator of the shell, or a
// quote that was opened before.
func untilEnd(line string) string {
	var quote rune
	for i, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
		case strings.ContainsRune("|;&)<>`\n", r):
			return line[:i]
		case r == '"' || r == '\'':
			if !strings.ContainsRune(line[i+1:], r) {
				return line[:i]
			}
			quote = r
		}
	}
	return line
}

// checkCommand returns what is wrong with the arguments of a command, or "".
func checkCommand(args []string) string {
	verbs := []string{"get", "store", "erase", "list", "version", "VERB", "COMMAND"}
	if len(args) == 0 || slices.Contains(verbs, args[0]) {
		return ""
	}
	root := newRoot(new(command.App), "")
	c, rest, err := root.Find(args)
	if err != nil {
		return err.Error()
	}
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	if err := c.ParseFlags(rest); err != nil {
		return err.Error()
	}
	if rest := c.Flags().Args(); len(rest) > 0 && !strings.Contains(c.Use, " ") {
		return "unexpected argument " + rest[0]
	}
	problem := ""
	c.Flags().Visit(func(f *pflag.Flag) {
		formats := strings.Fields(c.Annotations["formats"])
		if f.Name == "output" && !slices.Contains(formats, f.Value.String()) {
			problem = "unknown output format"
		}
	})
	return problem
}
