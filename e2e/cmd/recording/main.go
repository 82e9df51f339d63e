// Recording draws docs/recording.svg: what a user sees at a terminal. It runs the demo and
// shows the commands that the README names, with their output, under the registry's true
// name.
package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"docker-credential-cgr/e2e/program"
)

// shown are the beginnings of the commands that are shown.
var shown = []string{"$ docker-credential-cgr configure-docker", "$ docker pull ", "$ docker-credential-cgr status"}

// left are lines that only the demo has, or that are not for reading.
var left = regexp.MustCompile(`^(Setting: |#|Storage: |if no window opens|    http|waiting until|[0-9a-f]{12}: |Digest: )`)

// names are what the demo calls by other names than a user's machine does.
var names = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`/\S*/home/`), "~/"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "cgr.dev"},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	demo := exec.Command("go", "run", "./cmd/demo")
	demo.Dir = filepath.Join(program.Root(), "e2e")
	output, err := demo.CombinedOutput()
	if err != nil {
		return fmt.Errorf("the demo: %w\n%s", err, output)
	}
	lines := selectLines(string(output))
	for _, command := range shown {
		if !strings.Contains(strings.Join(lines, "\n"), command) {
			return fmt.Errorf("the demo has not run %q: is a Docker daemon running?\n%s", command, output)
		}
	}
	return os.WriteFile(filepath.Join(program.Root(), "docs", "recording.svg"), draw(lines), 0o644)
}

// selectLines returns the shown commands and their output.
func selectLines(output string) []string {
	var lines []string
	isShown := false
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\n\r ")
		if strings.HasPrefix(line, "$ ") {
			isShown = false
			for _, command := range shown {
				isShown = isShown || strings.HasPrefix(line, command) && !strings.Contains(line, "--remove")
			}
			if isShown && len(lines) > 0 {
				lines = append(lines, "")
			}
		}
		if !isShown || line == "" || left.MatchString(line) {
			continue
		}
		for _, n := range names {
			line = n.pattern.ReplaceAllString(line, n.name)
		}
		lines = append(lines, line)
	}
	return lines
}

const (
	fontSize   = 14 // pixels
	lineHeight = 20
	charWidth  = 8.43 // of the font, at fontSize
	margin     = 20
)

// draw returns an SVG image (https://www.w3.org/TR/SVG2/) of a terminal with lines.
func draw(lines []string) []byte {
	longest := 0
	for _, line := range lines {
		longest = max(longest, len([]rune(line)))
	}
	width, height := int(float64(longest)*charWidth)+2*margin, len(lines)*lineHeight+2*margin
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">`+"\n", width, height)
	b.WriteString("<title>A sign-in, a pull and the status, in a terminal</title>\n")
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="8" fill="#1b1f24"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="%d" fill="#d0d7de" xml:space="preserve">`+"\n", fontSize)
	for i, line := range lines {
		color := ""
		if strings.HasPrefix(line, "$ ") {
			color = ` fill="#7ee787"`
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d"%s>`, margin, margin+i*lineHeight+fontSize, color)
		_ = xml.EscapeText(&b, []byte(line)) // a buffer does not fail
		b.WriteString("</text>\n")
	}
	b.WriteString("</g>\n</svg>\n")
	return b.Bytes()
}
