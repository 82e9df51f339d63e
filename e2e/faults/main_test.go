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
	base string // the folder that all tests' places lie in
	bin  string // the folder of the programs that are made for the tests
)

// otherNames are what this test does where it is run under another name.
var otherNames = map[string]func(){
	"visit":   fakebrowser.Main, // $BROWSER: a person who fills in the page
	"linger":  linger,           // $BROWSER: stays in front until it is ended
	"kill-at": killAt,           // runs a program up to one of its system calls
	"client":  client,           // runs a program as Docker does
	"ask":     ask,              // asks for addresses, all at once
}

// inside says that this process is in a mount namespace of the tests' own, where
// the user database has the tests' users, and all that is mounted goes with it.
const inside = "FAULTS_INSIDE"

func TestMain(m *testing.M) {
	if do, ok := otherNames[filepath.Base(os.Args[0])]; ok {
		do()
		return
	}
	if os.Getenv(inside) == "" {
		os.Exit(goInside())
	}
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// goInside runs this program again in a mount namespace of its own.
func goInside() int {
	if err := ready(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		return 1
	}
	// Pdeathsig is sent when the thread ends that started the child.
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

// ready says what is missing. Nothing is skipped for it: who runs these tests
// wants to know.
func ready() error {
	if os.Getuid() != 0 {
		return errors.New("these tests become several users and mount file systems: run them as root")
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
	// The tests' users have to get into it.
	if err := os.Chmod(base, 0o711); err != nil {
		return 1, err
	}
	bin = filepath.Join(base, "bin")
	if err := errors.Join(makePrograms(), makeUsers()); err != nil {
		return 1, err
	}
	// Tests that are parallel wait for time limits: they need no processor.
	if err := flag.Set("test.parallel", "16"); err != nil {
		return 1, err
	}
	code = m.Run()
	for n := range int(places.Load()) {
		err = errors.Join(err, awaitGone(firstUID+n))
	}
	if mounts, _ := os.ReadFile("/proc/self/mountinfo"); strings.Contains(string(mounts), " "+base+"/6") {
		err = errors.Join(err, errors.New("something is still mounted in a test's folder"))
	}
	return code, err
}

func makePrograms() error {
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	// A copy, since the folder that the go command builds in is root's alone.
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

// The tests' users: one for each place, so that locks, kernel keys and processes
// of one test are none of another's.
const (
	firstUID = 61000
	maxUsers = 200
)

// makeUsers puts the tests' users into the user database of this namespace.
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

// forgetKeys removes the kernel keys of a user, where there are any. They would
// outlive the user's processes.
func forgetKeys(uid int) {
	// proc_keys(5): a line for each user that has a key or a keyring.
	users, err := os.ReadFile("/proc/key-users")
	if err != nil || !strings.Contains(string(users), fmt.Sprintf("%5d: ", uid)) {
		return // to ask for the user's keyring would make one
	}
	cmd := exec.Command("keyctl", "clear", "@u")
	cmd.SysProcAttr = as(uid)
	_ = cmd.Run() // nothing more can be done
}

// as gives the attributes of a process of a user.
func as(uid int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)},
		Pdeathsig:  syscall.SIGKILL,
	}
}

// awaitGone waits until a user has no process. What is still there at the end is
// ended and is an error.
func awaitGone(uid int) error {
	var left []int
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if left = processesOf(uid); len(left) == 0 {
			return nil
		}
	}
	var errs []error
	for _, pid := range left {
		said, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		errs = append(errs, fmt.Errorf("process %d of user %d was left behind: %s", pid, uid, strings.ReplaceAll(string(said), "\x00", " ")))
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return errors.Join(errs...)
}

// processesOf gives the processes of a user, but for those that have ended and
// wait for somebody else to notice.
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
