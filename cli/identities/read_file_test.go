package identities

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that is too long is refused: its first part may be valid and say something else.
func TestReadFileTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity.yaml")
	if err := os.WriteFile(path, []byte("name: ci\n"+strings.Repeat("#", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readFile(path, nil); err == nil || !strings.Contains(err.Error(), "longer than 1 MiB") {
		t.Errorf("got the error %v", err)
	}
}
