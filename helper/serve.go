package helper

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/docker/docker-credential-helpers/credentials"
)

// Serve runs one verb of the protocol: it checks the input, calls the library, and writes
// the answer, or one line with the error, to out. It returns the exit code. isTerminal
// reports whether in is a terminal, which has no time limit.
func Serve(h *Helper, verb credentials.Action, in io.Reader, isTerminal bool, out io.Writer) int {
	var answer bytes.Buffer
	err := handle(h, verb, in, isTerminal, &answer)
	if err != nil {
		answer.Reset()
		fmt.Fprintln(&answer, h.Line(err))
	}
	// One write, after all work is done. An answer that cannot be written is a failure.
	if _, writeErr := out.Write(answer.Bytes()); writeErr != nil {
		h.Warn(fmt.Errorf("cannot write the answer: %w", writeErr))
		return 1
	}
	if err != nil {
		return 1
	}
	return 0
}

func handle(h *Helper, verb credentials.Action, in io.Reader, isTerminal bool, out io.Writer) error {
	var input []byte
	if verb != credentials.ActionList { // clients write "unused" or nothing
		timeout := inputTimeout
		if isTerminal {
			timeout = 0
		}
		var err error
		if input, err = readInput(in, timeout); err != nil {
			return err
		}
	}
	switch verb {
	case credentials.ActionGet, credentials.ActionErase:
		server, err := parseServer(input)
		if err != nil {
			return err
		}
		if strings.TrimSpace(server) != server {
			// The library would trim Unicode spaces. No host has one, so it is not ours.
			if verb == credentials.ActionErase {
				return nil
			}
			return credentials.NewErrCredentialsNotFound()
		}
		input = []byte(server)
	case credentials.ActionStore:
		c, err := parseCredential(input)
		if err != nil {
			return err
		}
		// One line, as the library requires, without HTML escapes, which could exceed its
		// limit.
		var line bytes.Buffer
		enc := json.NewEncoder(&line)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(c); err != nil {
			return err
		}
		input = line.Bytes()
	}
	return credentials.HandleCommand(h, verb, bytes.NewReader(input), out)
}
