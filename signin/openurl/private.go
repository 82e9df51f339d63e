package openurl

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

// The name of a redirect file, and the pattern of its directory's.
const (
	redirectName   = "open.html"
	redirectFolder = "docker-credential-cgr-*"
)

// StartPrivately opens an address that contains a secret. No list of processes shows it:
// the browser opens a file that only this user can read and that redirects it. remove
// removes the file. It must be called, and may be called more than once.
//
// The other parameters are those of Start. To the browser, another site redirects it: it
// sends no cookie with SameSite=Strict (RFC 6265bis, section 5.2).
func StartPrivately(address, secret string, failed func()) (remove func(), err error) {
	base, err := redirectBase()
	if err != nil {
		return nil, err
	}
	path, err := writeRedirectFile(base, address)
	if err != nil {
		return nil, err
	}
	remove = func() { _ = os.RemoveAll(filepath.Dir(path)) }
	if err := Start(fileURL(path), secret, failed); err != nil {
		remove()
		return nil, err
	}
	return remove, nil
}

// redirectBase returns a directory that the browser can read: the user's cache directory.
// A browser that is a snap, as on Ubuntu, can read neither hidden directories in the home
// directory nor /tmp (https://snapcraft.io/docs/home-interface), so it gets its own data
// directory. Flatpak passes files into the sandbox by itself.
//
// A snap that $BROWSER names is not recognized.
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

// snapFolder returns the data directory of the default browser if it is a snap, or "".
func snapFolder() string {
	home, err := os.UserHomeDir()
	if runtime.GOOS != "linux" || err != nil {
		return ""
	}
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
	defer stop()
	// Without a desktop this fails, and there is no snap.
	cmd := exec.CommandContext(ctx, "xdg-settings", "get", "default-web-browser")
	cmd.WaitDelay = time.Second // its children may keep the pipe open
	name, _ := cmd.Output()
	// The desktop file of a snap is SNAP_PROGRAM.desktop.
	found := regexp.MustCompile(`^([a-z0-9-]+)_[A-Za-z0-9-]+\.desktop\s*$`).FindSubmatch(name)
	if found == nil {
		return ""
	}
	folder := filepath.Join(home, "snap", string(found[1]), "common") // SNAP_USER_COMMON
	if info, err := os.Lstat(folder); err != nil || !info.IsDir() {
		return ""
	}
	return folder
}

// writeRedirectFile writes a page that redirects to target, in a new directory in base. Only
// this user can read it.
func writeRedirectFile(base, target string) (path string, err error) {
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
<p><a href="` + address + `">Continue to the page</a></p>
</html>
`
	path = filepath.Join(folder, redirectName)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", errors.Join(err, os.RemoveAll(folder))
	}
	return path, nil
}

// fileURL returns the URL of a file (RFC 8089, section 2).
func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if runtime.GOOS == "windows" {
		path = "/" + path // in front of the drive (RFC 8089, appendix E.2)
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// isRedirectFile reports whether an address is that of a file written by
// writeRedirectFile. No other file is opened.
func isRedirectFile(target string) bool {
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
