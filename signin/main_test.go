package signin

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"docker-credential-cgr/signin/openurl"
)

// TestMain lets the test program be the child that opens a browser, as the
// program itself is.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == openurl.Verb {
		if openurl.Open(os.Args[2]) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// script writes an executable shell script.
func script(t *testing.T, dir, name, body string) (path string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the browsers of these tests are shell scripts")
	}
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// privateHome makes a home with a desktop whose default browser is no snap.
func privateHome(t *testing.T, desktop string) (home, cache string) {
	t.Helper()
	home = t.TempDir()
	cache = filepath.Join(home, "a cache")
	script(t, home, "xdg-settings", `[ "$*" = "get default-web-browser" ] && echo '`+desktop+`'`)
	for name, value := range map[string]string{"HOME": home, "XDG_CACHE_HOME": cache, "BROWSER": "", "PATH": home + ":" + os.Getenv("PATH")} {
		t.Setenv(name, value)
	}
	return home, cache
}
