//go:build e2e && linux

package faults

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakebrowser"
	"docker-credential-cgr/e2e/program"
)

var (
	base string // the folder with the folders of all tests
	bin  string // the folder with the programs of the tests
)

// otherNames are the programs that this test binary replaces when it runs under their names.
var otherNames = map[string]func(){
	"visit":   fakebrowser.Main, // $BROWSER: fills in the sign-in page
	"linger":  linger,           // $BROWSER: runs in the foreground until it is killed
	"kill-at": killAt,           // runs a program and kills it at a system call
	"client":  client,           // runs a program like Docker
	"ask":     ask,              // requests URLs concurrently
}

// inNamespace is the variable that is set in the tests' own mount namespace. Its user database
// has the tests' users, and its mounts end with it.
const inNamespace = "FAULTS_INSIDE"

func TestMain(m *testing.M) {
	if do, ok := otherNames[filepath.Base(os.Args[0])]; ok {
		do()
		return
	}
	if os.Getenv(inNamespace) == "" {
		os.Exit(runInNamespace())
	}
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// runInNamespace runs this program again in its own mount namespace.
func runInNamespace() int {
	if err := checkRequirements(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		return 1
	}
	// Pdeathsig is sent when the thread that started the child ends.
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

// checkRequirements returns an error if a required program is missing. The tests fail then,
// instead of being skipped.
func checkRequirements() error {
	if os.Getuid() != 0 {
		return errors.New("these tests run as several users and mount file systems: run them as root")
	}
	var missing []string
	for _, name := range []string{"dbus-daemon", "gnome-keyring-daemon", "keyctl", "strace", "ip", "prlimit", "unshare", "setpriv"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return fmt.Errorf("not installed: %s; run: sh e2e/install.sh", strings.Join(missing, ", "))
	}
	return nil
}

func runTests(m *testing.M) (code int, err error) {
	if base, err = os.MkdirTemp("", "cgr-faults-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(base)) }()
	// The tests' users need access.
	if err := os.Chmod(base, 0o711); err != nil {
		return 1, err
	}
	bin = filepath.Join(base, "bin")
	if err := errors.Join(makePrograms(), makeUsers()); err != nil {
		return 1, err
	}
	// Parallel tests mostly wait for timeouts.
	if err := flag.Set("test.parallel", "16"); err != nil {
		return 1, err
	}
	code = m.Run()
	for n := range int(places.Load()) {
		err = errors.Join(err, awaitGone(firstUID+n))
	}
	if mounts, _ := os.ReadFile("/proc/self/mountinfo"); strings.Contains(string(mounts), " "+base+"/6") {
		err = errors.Join(err, errors.New("a mount is left in a test's folder"))
	}
	return code, err
}

func makePrograms() error {
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	// A copy, because only root can read the folder in which the go command builds.
	self := filepath.Join(bin, "faults.test")
	if err := copyFile("/proc/self/exe", self, 0o755); err != nil {
		return err
	}
	for name := range otherNames {
		if err := os.Symlink(self, filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	_, err := program.Build(bin)
	return err
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// The tests' users: one for each fixture, so that tests share no locks, kernel keys or processes.
const (
	firstUID = 61000
	maxUsers = 200
)

// makeUsers adds the tests' users to the user database of this namespace.
func makeUsers() error {
	text, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	for uid := firstUID; uid < firstUID+maxUsers; uid++ {
		text = fmt.Appendf(text, "fault%d:x:%d:%d::%s:/bin/sh\n", uid, uid, uid, filepath.Join(placeDir(uid), "home"))
	}
	passwd := filepath.Join(base, "passwd")
	if err := os.WriteFile(passwd, text, 0o644); err != nil {
		return err
	}
	return syscall.Mount(passwd, "/etc/passwd", "", syscall.MS_BIND, "")
}

func placeDir(uid int) string { return filepath.Join(base, strconv.Itoa(uid)) }

// removeKeys removes the kernel keys of a user, which outlive the user's processes.
func removeKeys(uid int) {
	// proc_keys(5): a line for each user that has a key or a keyring.
	users, err := os.ReadFile("/proc/key-users")
	if err != nil || !strings.Contains(string(users), fmt.Sprintf("%5d: ", uid)) {
		return // a request for the user's keyring would create it
	}
	cmd := exec.Command("keyctl", "clear", "@u")
	cmd.SysProcAttr = as(uid)
	_ = cmd.Run() // best effort
}

// as returns the attributes that make a process run as a user.
func as(uid int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)},
		Pdeathsig:  syscall.SIGKILL,
	}
}

// awaitGone waits until a user has no process. If one is left, it kills it and returns an error.
func awaitGone(uid int) error {
	var left []int
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if left = processesOf(uid); len(left) == 0 {
			return nil
		}
	}
	var errs []error
	for _, pid := range left {
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		errs = append(errs, fmt.Errorf("process %d of user %d was left behind: %s", pid, uid, strings.ReplaceAll(string(command), "\x00", " ")))
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return errors.Join(errs...)
}

// processesOf returns the processes of a user, except for zombies.
func processesOf(uid int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		status, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "status"))
		if err != nil || strings.Contains(string(status), "\nState:\tZ") {
			continue
		}
		if strings.Contains(string(status), fmt.Sprintf("\nUid:\t%d\t", uid)) {
			found = append(found, pid)
		}
	}
	return found
}
