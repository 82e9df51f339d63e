package helper

import (
	"io"
	"time"
)

// patient gives a reader of in that fails once deadline is past.
func patient(in io.Reader, deadline time.Time) io.Reader { return &raced{in, deadline} }
