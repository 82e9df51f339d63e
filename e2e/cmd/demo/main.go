// Command demo configures Docker, signs in and pulls a private image from the fake
// platform. It prints each command as a user would type it, and its output. At the
// end it removes everything it created.
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

// demo has a temporary home directory and a fake platform.
type demo struct {
	dir      string
	image    string // private
	platform *fakeplatform.Platform
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "docker-credential-cgr-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	tell("This demo signs in and pulls a private image. It uses a fake Chainguard platform on this machine",
		"and a temporary home directory: your own files do not change.")
	fmt.Println("\nBuilding the program (once, about a minute) …")
	if err := buildProgram(dir); err != nil {
		return err
	}
	fmt.Println("Starting the fake platform …")
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

	signIn := "The demo approves the sign-in for you. To sign in with your own browser, set DEMO_BROWSER=1."
	if realBrowser() {
		signIn = "Sign in as " + fakeplatform.Ada + " with the password lovelace."
	}
	tell("Register the credential helper with Docker and sign in.",
		"The registry of this demo is "+platform.RegistryHost()+"; the real one is cgr.dev.", signIn)
	if err := d.show(ctx, "docker-credential-cgr configure-docker"); err != nil {
		return err
	}
	tell("Docker's configuration now names the helper for this registry.")
	if err := d.show(ctx, "cat ~/.docker/config.json"); err != nil {
		return err
	}

	tell("Pull the private image. The helper provides the credential.")
	if err := d.pull(ctx); err != nil {
		return err
	}

	before := platform.Count("issuer")
	tell("Docker runs this command for each pull. It returns the stored token.")
	start := time.Now()
	if err := d.show(ctx, "echo "+platform.RegistryHost()+" | docker-credential-cgr get"); err != nil {
		return err
	}
	took := time.Since(start)
	if after := platform.Count("issuer"); after != before {
		return fmt.Errorf("get sent %d requests to the issuer, want none", after-before)
	}
	tell(fmt.Sprintf("It took %d ms and sent no request to the issuer.", took.Milliseconds()))

	for _, step := range []struct{ purpose, command string }{
		{"Show who is signed in and which credentials are stored.", "docker-credential-cgr status"},
		{"Sign out.", "docker-credential-cgr logout"},
		{"Remove the helper from Docker's configuration.", "docker-credential-cgr configure-docker --remove"},
	} {
		tell(step.purpose)
		if err := d.show(ctx, step.command); err != nil {
			return err
		}
	}
	tell("Done. The demo pulled the private image "+d.image+" after one sign-in.",
		"It leaves no files behind.")
	return nil
}

func realBrowser() bool { return os.Getenv("DEMO_BROWSER") != "" }

func tell(lines ...string) {
	fmt.Println()
	for _, line := range lines {
		fmt.Println("# " + line)
	}
}

// buildProgram builds docker-credential-cgr into a subdirectory of dir.
func buildProgram(dir string) error {
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		return err
	}
	_, err := program.Build(bin)
	return err
}

// prepare creates the home directory and the browser, and sets the environment.
func (d *demo) prepare() error {
	bin := filepath.Join(d.dir, "bin")
	docker := filepath.Join(d.dir, "home", ".docker")
	if err := os.MkdirAll(docker, 0o700); err != nil {
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
		"CHAINGUARD_KEYCHAIN":        "file",   // leaves the user's keychain alone
		"CHAINGUARD_AUTH_AUTO_LOGIN": "always", // even if the output is piped
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

// show prints a shell command, runs it and prints its output.
func (d *demo) show(ctx context.Context, line string) error {
	fmt.Println("$ " + line)
	shell, flag := "sh", "-c"
	if runtime.GOOS == "windows" {
		shell, flag = "cmd", "/c"
		line = strings.NewReplacer("cat ~/", "type %USERPROFILE%\\", " | docker", "| docker").Replace(line)
	}
	out, err := exec.CommandContext(ctx, shell, flag, line).CombinedOutput()
	fmt.Println(strings.TrimSuffix(shorten(string(out)), "\n"))
	if err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	return nil
}

var long = regexp.MustCompile(`[A-Za-z0-9_.+/=-]{200,}`)

// shorten cuts tokens, so that the output is readable and shows no usable secret.
func shorten(text string) string {
	return long.ReplaceAllStringFunc(text, func(token string) string {
		return fmt.Sprintf("%s…(%d characters)", token[:12], len(token))
	})
}

// pull pulls the private image with the local Docker daemon or, without one, with
// go-containerregistry, which reads the same Docker configuration.
func (d *demo) pull(ctx context.Context) error {
	if localDocker(ctx) {
		err := d.show(ctx, "docker pull "+d.image)
		if err == nil {
			return exec.CommandContext(ctx, "docker", "rmi", d.image).Run()
		}
		tell("The Docker daemon cannot reach the fake platform, so the demo pulls with go-containerregistry.",
			"It reads the same Docker configuration.")
	} else {
		tell("No Docker daemon is running, so the demo pulls with go-containerregistry.",
			"It reads the same Docker configuration.")
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
	for i, layer := range layers {
		content, err := layer.Compressed()
		if err != nil {
			return err
		}
		size, err := io.Copy(io.Discard, content)
		if err = errors.Join(err, content.Close()); err != nil {
			return err
		}
		fmt.Printf("Layer %d of %d: %d bytes\n", i+1, len(layers), size)
	}
	fmt.Printf("Digest: %s\nPulled %s\n", digest, d.image)
	return nil
}

// localDocker reports whether a Docker daemon runs on this machine.
func localDocker(ctx context.Context) bool {
	if host := os.Getenv("DOCKER_HOST"); host != "" && !strings.HasPrefix(host, "unix://") {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}").Output()
	return err == nil && strings.TrimSpace(string(out)) != ""
}
