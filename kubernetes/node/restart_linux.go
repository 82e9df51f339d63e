package node

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Restart restarts the unit that runs the kubelet. systemctl runs on the node's file system,
// where it finds the socket of the node's systemd, so this works in a container too. Without
// the variable, systemctl does nothing, and succeeds, if it finds that it is in a chroot
// environment (systemd, docs/ENVIRONMENT.md).
func (n Node) Restart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	unit := n.Unit(n.Root)
	c := exec.CommandContext(ctx, "/usr/bin/systemctl", "restart", unit)
	c.Dir = "/"
	c.Env = append(os.Environ(), "SYSTEMD_IGNORE_CHROOT=1")
	if n.Root != "/" {
		c.SysProcAttr = &syscall.SysProcAttr{Chroot: n.Root}
	}
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot restart %s: %w: %s", unit, err, bytes.TrimSpace(out))
	}
	return nil
}
