//go:build !linux && !darwin

package atomicfile

import "errors"

// swap would exchange two files in one step, which this system cannot.
func swap(string, string) error { return errors.ErrUnsupported }
