package openurl

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"github.com/kballard/go-shellquote"
)

// browserCommand returns the command that an entry of $BROWSER names. An entry that is the
// path of a program, perhaps with blanks, is that program. Any other is split into words as
// a shell does, but nothing in it is expanded or run. %s stands for the address, which
// comes last otherwise.
func browserCommand(entry, target string) ([]string, error) {
	entry = strings.TrimSpace(entry)
	if entry == "" {
		return nil, nil
	}
	if _, err := exec.LookPath(entry); err == nil {
		return []string{entry, target}, nil
	}
	if runtime.GOOS == "windows" {
		entry = strings.ReplaceAll(entry, `\`, `\\`) // they separate directories
	}
	words, err := shellquote.Split(entry)
	if err != nil {
		return nil, fmt.Errorf("cannot split the entry of $BROWSER into words: %w", err)
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("an entry of $BROWSER has no command")
	}
	placed := false
	for i, word := range words {
		if strings.Contains(word, "%s") {
			words[i], placed = strings.ReplaceAll(word, "%s", target), true
		}
	}
	if !placed {
		words = append(words, target)
	}
	return words, nil
}
