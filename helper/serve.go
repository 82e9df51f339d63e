package helper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/docker/docker-credential-helpers/credentials"
)

// Serve runs one verb of the protocol, and writes the answer, or one line with the error, to
// out. It returns the exit code. isTerminal reports whether in is a terminal, which has no
// time limit.
func Serve(h *Helper, verb credentials.Action, in io.Reader, isTerminal bool, out io.Writer) int {
	var answer bytes.Buffer
	err := handle(h, verb, in, isTerminal, &answer)
	var bazel *bazelError
	switch {
	case errors.As(err, &bazel):
		h.Warn(bazel.error)
		return 1
	case err != nil:
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
	case credentials.ActionGet:
		if isBazelRequest(input) {
			return h.answerBazel(input, out)
		}
		server, err := parseServer(input)
		if err != nil {
			return err
		}
		username, secret, err := h.Get(server)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(credentials.Credentials{ServerURL: server, Username: username, Secret: secret})
	case credentials.ActionErase:
		server, err := parseServer(input)
		if err != nil {
			return err
		}
		return h.Delete(server)
	case credentials.ActionStore:
		c, err := parseCredential(input)
		if err != nil {
			return err
		}
		return h.Add(&c)
	case credentials.ActionList:
		usernames, err := h.List()
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(usernames)
	}
	return fmt.Errorf("unknown verb %q", verb)
}
