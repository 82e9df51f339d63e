//go:build e2e && linux

package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"docker-credential-cgr/e2e/testenv"
)

// daemon is a Docker daemon of the tests' own. One serves them all: every test's
// registry has its own port, so that their images have names of their own.
type daemon struct {
	dir, socket, log string
	cmd              *exec.Cmd
	ended            chan struct{} // closed when the process has ended
}

// theDaemon starts the daemon when it is first needed.
var theDaemon = sync.OnceValues(func() (*daemon, error) {
	var d *daemon
	var err error
	started := make(chan struct{})
	go func() {
		// The daemon gets a signal when the thread that has started it ends, as those of tests in a network of their own do
		// (Pdeathsig in isolated). This one stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		d, err = startDaemon()
		close(started)
		if d != nil {
			<-d.ended
		}
	}()
	<-started
	daemonStarted = d != nil
	return d, err
})

// daemonStarted says that there is one to stop.
var daemonStarted bool

// useDocker has the place's docker talk to the tests' daemon.
func (p *fixture) useDocker() {
	p.t.Helper()
	d, err := theDaemon()
	if err != nil {
		p.t.Fatal(err)
	}
	p.useDaemon(d)
}

func (p *fixture) useDaemon(d *daemon) {
	p.set("DOCKER_HOST=unix://" + d.socket)
	from := d.logSize()
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.t.Logf("dockerd said:\n%s", d.logTail(from))
		}
	})
}

// lendDocker is useDocker for a user who is not root.
func (p *fixture) lendDocker(uid int) {
	p.t.Helper()
	p.useDocker()
	d, err := theDaemon()
	if err == nil {
		err = errors.Join(os.Chmod(d.dir, 0o711), os.Chown(d.socket, uid, -1))
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// startDaemon starts a daemon with environment variables more than it needs. If it returns one,
// the caller must stop it, also after an error.
func startDaemon(settings ...string) (*daemon, error) {
	dir, err := os.MkdirTemp("", "cgr-e2e-")
	if err != nil {
		return nil, err
	}
	d := &daemon{dir: dir, socket: filepath.Join(dir, "docker.sock"), log: filepath.Join(dir, "log"), ended: make(chan struct{})}
	for _, name := range []string{"scratch", "home", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	log, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	home := filepath.Join(dir, "home")
	d.cmd = isolated(context.Background(), filepath.Join(dir, "scratch"), home, "dockerd",
		"--host", "unix://"+d.socket,
		"--data-root", filepath.Join(dir, "data"),
		"--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"),
		// Nothing is run, so no network is needed; and a driver that works on
		// every file system, for images of a few bytes.
		"--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs")
	// It is loopback that is pulled from: no proxy of the machine.
	d.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + filepath.Join(dir, "tmp"), "LANG=C.UTF-8"}
	d.cmd.Env = append(d.cmd.Env, settings...)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = d.cmd.Wait() // its log says more
		close(d.ended)
	}()
	if err := d.awaitReady(); err != nil {
		return d, fmt.Errorf("%w; it said:\n%s", err, d.logTail(0))
	}
	return d, nil
}

func (d *daemon) awaitReady() error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", d.socket)
		},
	}}
	for end := time.Now().Add(testenv.Timeout); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		select {
		case <-d.ended:
			return errors.New("dockerd ended")
		default:
		}
		if resp, err := client.Get("http://docker/_ping"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
	return errors.New("dockerd did not answer")
}

func (d *daemon) logSize() int64 {
	info, err := os.Stat(d.log)
	if err != nil {
		return 0
	}
	return info.Size()
}

// logTail gives the daemon's log from an offset on.
func (d *daemon) logTail(from int64) string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(bytes.ToValidUTF8(text[min(from, int64(len(text))):], nil)))
}

// stopDaemon ends the daemon, where there is one, and all that it left.
func stopDaemon() error {
	if !daemonStarted {
		return nil
	}
	d, err := theDaemon()
	return errors.Join(err, d.stop())
}

// stop ends the daemon and removes all that it left.
func (d *daemon) stop() (err error) {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(30 * time.Second):
		_ = d.cmd.Process.Kill()
		err = errors.New("dockerd did not end when it was told to")
	}
	return errors.Join(err, awaitGone(d.dir), os.RemoveAll(d.dir))
}
