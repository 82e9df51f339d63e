//go:build !linux

package keychain

import (
	"errors"
	"time"
)

// kernelStore fails: only Linux has a kernel keyring.
type kernelStore struct{}

func newKernelStore(string) store { return kernelStore{} }

var errNoKernelKeyring = errors.New("only Linux has one")

func (kernelStore) name() string                        { return kernelName }
func (kernelStore) get(string) (string, error)          { return "", errNoKernelKeyring }
func (kernelStore) set(string, string, time.Time) error { return errNoKernelKeyring }
func (kernelStore) delete(string) error                 { return errNoKernelKeyring }
func (kernelStore) hint(error) string                   { return "use CHAINGUARD_KEYCHAIN=os or file" }

func isKernelAbsent(error) bool { return true }
