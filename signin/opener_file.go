package signin

import (
	"context"
	"errors"
	"html"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"time"
)

// The file that sends a browser on lies in a folder of its own.
const (
	redirectName   = "open.html"
	redirectFolder = "docker-credential-cgr-*"
)

// OpenPrivately shows target, an address that holds a secret, in the user's browser. No
// list of processes shows it: the browser is opened on a file that this user alone can
// read, which sends it on. remove removes the file; it can be called more than once,
// and has to be called at the end at the latest.
//
// The browser inherits nothing of ours, nor the variable named secret, which may be "".
// failed is called, from another goroutine, if the browser could not be started.
//
// To the browser it is another site that sends it to target: no cookie with
// SameSite=Strict comes with that request (RFC 6265bis, section 5.2).
func OpenPrivately(target, secret string, failed func()) (remove func(), err error) {
	base, err := redirectBase()
	if err != nil {
		return nil, err
	}
	path, err := writeRedirect(base, target)
	if err != nil {
		return nil, err
	}
	remove = func() { _ = os.RemoveAll(filepath.Dir(path)) } // it may be gone
	if err := startBrowser(fileURL(path), secret, failed); err != nil {
		remove()
		return nil, err
	}
	return remove, nil
}

// redirectBase is a folder that the browser can read. The user's cache is private, and
// in nobody's way. A browser that is a snap, as Ubuntu's is, sees neither hidden
// folders of the home nor the system's /tmp
// (https://snapcraft.io/docs/home-interface): it gets its own folder. Flatpak hands
// the files that it opens a browser on into the sandbox by itself.
//
// A snap that $BROWSER names is not recognized: nothing tells it from other programs.
func redirectBase() (string, error) {
	if os.Getenv("BROWSER") == "" {
		if folder := snapFolder(); folder != "" {
			return folder, nil
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return cache, os.MkdirAll(cache, 0o700)
}

// snapDesktop is the name of the desktop file of a snap's program: that of the snap,
// then that of the program.
var snapDesktop = regexp.MustCompile(`^([a-z0-9-]+)_[A-Za-z0-9-]+\.desktop\s*$`)

// snapFolder gives the folder of the default browser, where that is a snap, else "".
func snapFolder() string {
	home, err := os.UserHomeDir()
	if runtime.GOOS != "linux" || err != nil {
		return ""
	}
	const enough = 2 * time.Second
	ctx, stop := context.WithTimeout(context.Background(), enough)
	defer stop()
	// Where this fails there is no desktop, and no snap of it.
	cmd := exec.CommandContext(ctx, "xdg-settings", "get", "default-web-browser")
	cmd.WaitDelay = time.Second // what it has started may keep the pipe
	name, _ := cmd.Output()
	found := snapDesktop.FindSubmatch(name)
	if found == nil {
		return ""
	}
	folder := filepath.Join(home, "snap", string(found[1]), "common") // SNAP_USER_COMMON
	if info, err := os.Lstat(folder); err != nil || !info.IsDir() {
		return ""
	}
	return folder
}

// writeRedirect writes a page that sends a browser to target, in a new folder below
// base, with modes that let this user alone read it.
func writeRedirect(base, target string) (path string, err error) {
	folder, err := os.MkdirTemp(base, redirectFolder)
	if err != nil {
		return "", err
	}
	address := html.EscapeString(target)
	text := `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url=` + address + `">
<title>docker-credential-cgr</title>
<p><a href="` + address + `">Go on to the page</a></p>
</html>
`
	path = filepath.Join(folder, redirectName)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", errors.Join(err, os.RemoveAll(folder))
	}
	return path, nil
}

// fileURL is the address of a file (RFC 8089, section 2).
func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if runtime.GOOS == "windows" {
		path = "/" + path // in front of the drive (RFC 8089, appendix E.2)
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// isRedirect says whether an address is that of a file that writeRedirect wrote: no
// other file is opened, whoever asks for it.
func isRedirect(target string) bool {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "file" || u.Path == "" {
		return false
	}
	path := u.Path
	if runtime.GOOS == "windows" {
		path = path[1:]
	}
	path = filepath.FromSlash(path)
	folder := filepath.Dir(path)
	if !filepath.IsAbs(path) || fileURL(filepath.Clean(path)) != target || filepath.Base(path) != redirectName {
		return false
	}
	if named, err := filepath.Match(redirectFolder, filepath.Base(folder)); err != nil || !named {
		return false
	}
	return isOwn(folder, fs.ModeDir|0o700) && isOwn(path, 0o600)
}
