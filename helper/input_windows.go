package helper

import (
	"io"
	"time"
)

// withDeadline returns a reader of in that fails after the deadline.
func withDeadline(in io.Reader, deadline time.Time) io.Reader { return &abandonReader{in, deadline} }
