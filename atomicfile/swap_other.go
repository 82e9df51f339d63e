//go:build !linux && !darwin

package atomicfile

import "errors"

// swap returns an error: this system cannot exchange two files in one step.
func swap(string, string) error { return errors.ErrUnsupported }
