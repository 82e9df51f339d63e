package helper

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/docker/docker-credential-helpers/credentials"
)

// Serve carries out one verb of the protocol: it checks the input, has the
// library do the rest, and writes the answer, or one line that says what failed,
// to out. It gives the exit code. waits says that in is a person's terminal,
// which may take its time.
func Serve(h *Helper, verb credentials.Action, in io.Reader, waits bool, out io.Writer) int {
	var answer bytes.Buffer
	err := handle(h, verb, in, waits, &answer)
	if err != nil {
		answer.Reset()
		fmt.Fprintln(&answer, h.Line(err))
	}
	// In one write, after all work is done. An answer that nobody got has failed.
	if _, writeErr := out.Write(answer.Bytes()); writeErr != nil {
		h.Warn(fmt.Errorf("cannot write the answer: %w", writeErr))
		return 1
	}
	if err != nil {
		return 1
	}
	return 0
}

func handle(h *Helper, verb credentials.Action, in io.Reader, waits bool, out io.Writer) error {
	var input []byte
	if verb != credentials.ActionList { // some clients send it "unused", some nothing
		patience := inputPatience
		if waits {
			patience = 0
		}
		var err error
		if input, err = readInput(in, patience); err != nil {
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
			// A space of some other script, which the library would trim off: no
			// host has one, so it is not ours.
			if verb == credentials.ActionErase {
				return nil
			}
			return credentials.NewErrCredentialsNotFound()
		}
		input = []byte(server)
	case credentials.ActionStore:
		pair, err := parsePair(input)
		if err != nil {
			return err
		}
		// In one line, as the library's reader wants it, and with no letter
		// escaped that could take it over the reader's limit.
		var line bytes.Buffer
		enc := json.NewEncoder(&line)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(pair); err != nil {
			return err
		}
		input = line.Bytes()
	}
	return credentials.HandleCommand(h, verb, bytes.NewReader(input), out)
}
