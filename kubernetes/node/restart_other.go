//go:build !linux

package node

import (
	"context"
	"errors"
)

// Restart fails: the kubelet of a node runs on Linux.
func (n Node) Restart(context.Context) error {
	return errors.New("cannot restart the kubelet of another machine")
}
