//go:build !linux

package keychain

import (
	"fmt"

	"docker-credential-cgr/hint"
)

// newKernelStore returns a store that stores nothing.
func newKernelStore(string) store {
	return noStore{hint.With(fmt.Errorf("%w: only Linux has a kernel keyring", ErrNoStore), hint.Text("use CHAINGUARD_KEYCHAIN=os or file"))}
}

func isKernelAbsent(error) bool { return true }
