// Command demo runs the program's main job, from nothing to a pulled private
// image, against the fake platform, and tells it as a story: each command as a user
// would type it, then what it printed. It leaves nothing behind.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"docker-credential-cgr/e2e/fakebrowser"
	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
)

func main() {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "visit") {
		fakebrowser.Main() // as $BROWSER
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is one run: a throw-away home, and a platform that lives as long.
type demo struct {
	dir      string
	image    string // the private one
	platform *fakeplatform.Platform
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "docker-credential-cgr-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	tell("First the program is built, and a fake platform for the Chainguard platform started on this machine:",
		"an issuer to sign in at, and a registry with a private image. Your own files are not touched.")
	platform, err := fakeplatform.Start(fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) {
		b.AutoApprove = !realBrowser()
	}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, platform.Close()) }()
	d := &demo{dir: dir, platform: platform, image: platform.RegistryHost() + "/example.com/python:latest"}
	if err := d.prepare(); err != nil {
		return err
	}

	who := "The sign-in page approves by itself here; DEMO_BROWSER=1 opens your own browser instead."
	if realBrowser() {
		who = "Sign in as " + fakeplatform.Ada + " with the password lovelace."
	}
	tell("One command has Docker ask us for this registry, and signs in; on your machine the registry is cgr.dev.", who)
	if err := d.show(ctx, "docker-credential-cgr configure-docker"); err != nil {
		return err
	}
	if err := d.show(ctx, "cat ~/.docker/config.json"); err != nil {
		return err
	}

	tell("The private image, pulled through the helper:")
	if err := d.pull(ctx); err != nil {
		return err
	}

	before := platform.Count("issuer")
	tell("What Docker runs, and scripts can too, answers from what is kept:")
	start := time.Now()
	if err := d.show(ctx, "echo "+platform.RegistryHost()+" | docker-credential-cgr get"); err != nil {
		return err
	}
	if after := platform.Count("issuer"); after != before {
		return fmt.Errorf("the last question made %d requests, want none", after-before)
	}
	tell(fmt.Sprintf("That took %d ms and no request to the issuer.", time.Since(start).Milliseconds()))

	for _, step := range []struct{ what, line string }{
		{"Who is signed in, and what is kept:", "docker-credential-cgr status"},
		{"Signing out, and Docker's configuration as it was:", "docker-credential-cgr logout"},
		{"", "docker-credential-cgr configure-docker --remove"},
	} {
		if step.what != "" {
			tell(step.what)
		}
		if err := d.show(ctx, step.line); err != nil {
			return err
		}
	}
	tell("Done: the private image "+d.image+" was pulled, with one sign-in and no password typed.",
		"Everything that this demo made is gone again.")
	return nil
}

func realBrowser() bool { return os.Getenv("DEMO_BROWSER") != "" }

func tell(lines ...string) {
	fmt.Println()
	for _, line := range lines {
		fmt.Println("# " + line)
	}
}

// prepare builds the program and makes the home.
func (d *demo) prepare() error {
	bin := filepath.Join(d.dir, "bin")
	docker := filepath.Join(d.dir, "home", ".docker")
	for _, dir := range []string{bin, docker} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if _, err := program.Build(bin); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := copyFile(self, d.browser()); err != nil {
		return err
	}

	settings := map[string]string{
		"HOME":                       filepath.Join(d.dir, "home"),
		"USERPROFILE":                filepath.Join(d.dir, "home"),
		"DOCKER_CONFIG":              docker,
		"XDG_STATE_HOME":             "",
		"XDG_CONFIG_HOME":            "",
		"AppData":                    filepath.Join(d.dir, "home"),
		"REGISTRY_AUTH_FILE":         "",
		"LocalAppData":               filepath.Join(d.dir, "home"),
		"PATH":                       bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		"CHAINGUARD_KEYCHAIN":        "file",   // not the keychain of whoever runs this
		"CHAINGUARD_AUTH_AUTO_LOGIN": "always", // also where the output is piped
		"CHAINGUARD_IDENTITY_ID":     "",
		"CHAINGUARD_TOKEN":           "",
	}
	if !realBrowser() {
		settings["BROWSER"] = d.browser()
	}
	for _, setting := range d.platform.Environ() {
		key, value, _ := strings.Cut(setting, "=")
		settings[key] = value
	}
	for key, value := range settings {
		if err := os.Setenv(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) browser() string {
	path := filepath.Join(d.dir, "bin", "visit")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	return path
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// show runs one line of shell and prints it with its output.
func (d *demo) show(ctx context.Context, line string) error {
	fmt.Println("$ " + line)
	shell, flag := "sh", "-c"
	if runtime.GOOS == "windows" {
		shell, flag = "cmd", "/c"
		line = strings.NewReplacer("cat ~/", "type %USERPROFILE%\\", " | docker", "| docker").Replace(line)
	}
	out, err := exec.CommandContext(ctx, shell, flag, line).CombinedOutput()
	fmt.Print(shorten(string(out)))
	if err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	return nil
}

var long = regexp.MustCompile(`[A-Za-z0-9_.+/=-]{200,}`)

// shorten cuts tokens down to something that can be read, and cannot be used.
func shorten(text string) string {
	return long.ReplaceAllStringFunc(text, func(token string) string {
		return fmt.Sprintf("%s…(%d characters)", token[:12], len(token))
	})
}

// pull pulls the private image: with the Docker daemon of this machine where one
// answers, else with a library that reads the same Docker configuration.
func (d *demo) pull(ctx context.Context) error {
	if localDocker(ctx) {
		err := d.show(ctx, "docker pull "+d.image)
		if err == nil {
			return exec.CommandContext(ctx, "docker", "rmi", d.image).Run()
		}
		tell("That daemon cannot reach this machine's loopback interface; go-containerregistry can:")
	}
	ref, err := name.ParseReference(d.image)
	if err != nil {
		return err
	}
	image, err := remote.Image(ref, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return fmt.Errorf("cannot pull %s: %w", d.image, err)
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	fmt.Println("(no Docker daemon answers here: go-containerregistry pulls, through the same configuration)")
	for i, layer := range layers {
		content, err := layer.Compressed()
		if err != nil {
			return err
		}
		size, err := io.Copy(io.Discard, content)
		if err = errors.Join(err, content.Close()); err != nil {
			return err
		}
		fmt.Printf("layer %d of %d: %d bytes\n", i+1, len(layers), size)
	}
	fmt.Printf("Digest: %s\nPulled %s\n", digest, d.image)
	return nil
}

// localDocker says whether a Docker daemon of this machine answers.
func localDocker(ctx context.Context) bool {
	if host := os.Getenv("DOCKER_HOST"); host != "" && !strings.HasPrefix(host, "unix://") {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}").Output()
	return err == nil && strings.TrimSpace(string(out)) != ""
}
