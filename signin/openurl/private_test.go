package openurl

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// privateHome is a home on Linux, with a desktop whose default browser is that of a
// desktop file. It gives where the user's cache is.
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

// targetWithKey is an address whose key nobody else is to see.
const targetWithKey = `http://localhost:4711/base/?key=hunter2&b="><script>`

func TestStartPrivately(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what a process holds is read from /proc")
	}
	home, cache := privateHome(t, "firefox.desktop")
	note := filepath.Join(home, "note")
	t.Setenv("BROWSER", script(t, home, "browser", `
for pid in $PPID $$; do tr '\0' ' ' </proc/$pid/cmdline; done >"`+note+`.part" 2>/dev/null
printf '\n%s\n' "$*" >>"`+note+`.part"
mv "`+note+`.part" "`+note+`"`))
	remove, err := StartPrivately(targetWithKey, "", func() { t.Error("got a failure, want none") })
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the browser", func() bool { _, err := os.Stat(note); return err == nil })
	said, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(said), "hunter2") {
		t.Errorf("P13 got the arguments %s, want no key in them", said)
	}
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	u, err := url.Parse(lines[len(lines)-1])
	if err != nil || u.Scheme != "file" || u.Host != "" {
		t.Fatalf("got the argument %s, %v, want a file's address", said, err)
	}
	folder := filepath.Dir(u.Path)
	if filepath.Dir(folder) != cache {
		t.Errorf("got the file in %s, want it in a folder in %s", folder, cache)
	}
	for path, want := range map[string]fs.FileMode{u.Path: 0o600, folder: fs.ModeDir | 0o700, cache: fs.ModeDir | 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("P13 got %s with %v, %v, want mode %s", path, info.Mode(), err, want)
		}
	}
	text, err := os.ReadFile(u.Path)
	if err != nil {
		t.Fatal(err)
	}
	const address = `http://localhost:4711/base/?key=hunter2&amp;b=&#34;&gt;&lt;script&gt;`
	if !strings.Contains(string(text), `content="0;url=`+address+`"`) || !strings.Contains(string(text), `href="`+address+`"`) || strings.Contains(string(text), "<script") {
		t.Errorf("got %s, want a page that goes on to the address, and no markup of it", text)
	}
	remove()
	remove()
	if left, err := os.ReadDir(cache); err != nil || len(left) > 0 {
		t.Errorf("got %v left, %v, want nothing", left, err)
	}
}

func TestStartPrivatelyFails(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("where the cache is cannot be chosen")
	}
	home, cache := privateHome(t, "firefox.desktop")
	if err := os.WriteFile(cache, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := StartPrivately(targetWithKey, "", func() {}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want an error without the key where no file can be made", err)
	}
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "other"))
	t.Setenv("BROWSER", filepath.Join(home, "missing"))
	failed := make(chan struct{})
	remove, err := StartPrivately(targetWithKey, "", func() { close(failed) })
	if err != nil {
		t.Fatal(err)
	}
	<-failed
	remove()
}

func TestRedirectBase(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("snaps are Linux's")
	}
	for _, test := range []struct {
		name, desktop, folder, browser string
		snap                           bool
	}{
		{"a snap", "firefox_firefox.desktop", "snap/firefox/common", "", true},
		{"a snap of several words", "brave-browser_x.desktop", "snap/brave-browser/common", "", true},
		{"no snap", "firefox.desktop", "snap/firefox/common", "", false},
		{"I25 a snap, and BROWSER", "firefox_firefox.desktop", "snap/firefox/common", "w3m", false},
		{"another snap's folder", "firefox_firefox.desktop", "snap/chromium/common", "", false},
		{"a path", "../../firefox_firefox.desktop", "snap/firefox/common", "", false},
		{"two lines", "firefox_firefox.desktop\nchromium.desktop", "snap/firefox/common", "", false},
		{"nothing", "", "snap/firefox/common", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			home, want := privateHome(t, test.desktop)
			t.Setenv("BROWSER", test.browser)
			folder := filepath.Join(home, test.folder)
			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			if test.snap {
				want = folder
			}
			if got, err := redirectBase(); err != nil || got != want {
				t.Errorf("got %s, %v, want %s", got, err, want)
			}
		})
	}
}

// Of all files, only one that was written to send a browser on is opened.
func TestIsRedirect(t *testing.T) {
	base := t.TempDir()
	path, err := writeRedirectFile(base, targetWithKey)
	if err != nil {
		t.Fatal(err)
	}
	if !isRedirectFile(fileURL(path)) {
		t.Fatalf("got %s refused, want what was just written", fileURL(path))
	}
	folder := filepath.Dir(path)
	write := func(path string) string {
		t.Helper()
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := filepath.Join(base, "plain")
	if err := os.Mkdir(plain, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"another file":        fileURL(write(filepath.Join(folder, "other.html"))),
		"another folder":      fileURL(write(filepath.Join(plain, redirectName))),
		"the folder":          fileURL(folder),
		"no file":             fileURL(filepath.Join(base, "docker-credential-cgr-1", redirectName)),
		"a system's file":     "file:///etc/passwd",
		"a path":              path,
		"a host":              strings.Replace(fileURL(path), "file://", "file://host", 1),
		"a query":             fileURL(path) + "?x",
		"a fragment":          fileURL(path) + "#x",
		"a way there":         strings.Replace(fileURL(path), "/"+redirectName, "/../"+filepath.Base(folder)+"/"+redirectName, 1),
		"a folder at the end": fileURL(path) + "/",
		"another spelling":    strings.Replace(fileURL(path), redirectName, "%6fpen.html", 1),
		"a relative path":     "file:" + redirectName,
		"another scheme":      strings.Replace(fileURL(path), "file:", "ftp:", 1),
		"nothing":             "file:",
		"no path":             "file://",
	} {
		t.Run("I18 "+name, func(t *testing.T) {
			if isRedirectFile(target) {
				t.Errorf("got %s taken, want it refused", target)
			}
		})
	}
}

// What others could have written or read is not opened either.
func TestIsRedirectOwn(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes do not say there who can read")
	}
	for name, change := range map[string]func(t *testing.T, path string) error{
		"a file that others read":   func(_ *testing.T, path string) error { return os.Chmod(path, 0o644) },
		"a folder that others read": func(t *testing.T, path string) error { return os.Chmod(filepath.Dir(path), 0o755) },
		"a link": func(_ *testing.T, path string) error {
			if err := os.Rename(path, path+".old"); err != nil {
				return err
			}
			return os.Symlink(path+".old", path)
		},
		"a folder": func(_ *testing.T, path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o600)
		},
		"another user's": func(t *testing.T, path string) error {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			return os.Chown(path, 12345, -1)
		},
	} {
		t.Run("I18 "+name, func(t *testing.T) {
			path, err := writeRedirectFile(t.TempDir(), targetWithKey)
			if err != nil {
				t.Fatal(err)
			}
			if err := change(t, path); err != nil {
				t.Fatal(err)
			}
			if isRedirectFile(fileURL(path)) {
				t.Error("got it taken, want it refused")
			}
		})
	}
}

// FuzzIsRedirect has anything opened: none of it is a file of ours.
func FuzzIsRedirect(f *testing.F) {
	for _, seed := range []string{"file:///etc/passwd", "file:", "file:///a/docker-credential-cgr-1/open.html", "file://host/x", "file:///%00", "file:///C:/x", "http://localhost/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if isRedirectFile(target) {
			t.Errorf("got %q taken, want it refused", target)
		}
	})
}
