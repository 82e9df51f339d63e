package helper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/docker/docker-credential-helpers/credentials"
)

// maxInput is the size limit for standard input in bytes. The largest valid input is a
// credential with a token of a few KB.
const maxInput = 64 << 10

// inputTimeout is how long a client may take to write its input and close it.
const inputTimeout = 10 * time.Second

// errTimeout is the error if the client does not close its end in time.
var errTimeout = fmt.Errorf("it did not end within %s", inputTimeout)

// readInput reads all of in, which must end within timeout, unless that is 0.
func readInput(in io.Reader, timeout time.Duration) ([]byte, error) {
	if timeout > 0 {
		in = withDeadline(in, time.Now().Add(timeout))
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read standard input: %w", err)
	}
	if len(text) > maxInput {
		return nil, fmt.Errorf("standard input is over %d bytes", maxInput)
	}
	return text, nil
}

// abandonReader reads in a goroutine, which it abandons at the deadline.
type abandonReader struct {
	in       io.Reader
	deadline time.Time
}

func (r *abandonReader) Read(b []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	own := make([]byte, len(b)) // the caller may use b again after Read returns
	done := make(chan result, 1)
	go func() {
		n, err := r.in.Read(own)
		done <- result{n, err}
	}()
	timer := time.NewTimer(time.Until(r.deadline))
	defer timer.Stop()
	select {
	case got := <-done:
		return copy(b, own[:got.n]), got.err
	case <-timer.C:
		return 0, errTimeout
	}
}

// parseServer checks the one line that get and erase read. The library's own reader joins
// lines (it reads "cgr.d", "ev" as "cgr.dev") and accepts everything else.
func parseServer(input []byte) (string, error) {
	text := string(input)
	if cut, ok := strings.CutSuffix(text, "\n"); ok {
		text = strings.TrimSuffix(cut, "\r")
	}
	if !utf8.ValidString(text) {
		return "", errors.New("the server's name is not UTF-8 text")
	}
	for _, r := range text {
		if isForbidden(r) {
			return "", fmt.Errorf("the server's name has the character %U", r)
		}
	}
	text = strings.Trim(text, " ")
	if text == "" {
		return "", credentials.NewErrCredentialsMissingServerURL()
	}
	return text, nil
}

// isForbidden reports whether r is a character that cannot be in a server's name and that
// people cannot see: a control character, a line separator or the byte order mark.
func isForbidden(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) || r == 0xFEFF
}

// parseCredential parses the JSON object that store reads: it must have only strings, no
// name twice in any letter case, and nothing after it. encoding/json would use the last of
// two values, and ignore what follows.
func parseCredential(input []byte) (credentials.Credentials, error) {
	var c credentials.Credentials
	if len(bytes.TrimSpace(input)) == 0 {
		return c, credentials.NewErrCredentialsMissingServerURL()
	}
	if !utf8.Valid(input) {
		return c, errors.New("the credential is not UTF-8 text")
	}
	dec := json.NewDecoder(bytes.NewReader(input))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return c, errFormat
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := stringToken(dec)
		if err != nil {
			return c, err
		}
		value, err := stringToken(dec)
		if err != nil {
			return c, err
		}
		name := strings.ToLower(key)
		if seen[name] {
			return c, fmt.Errorf("the credential has %q twice", name)
		}
		seen[name] = true
		switch name {
		case "serverurl":
			c.ServerURL = value
		case "username":
			c.Username = value
		case "secret":
			c.Secret = value
		}
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return c, errFormat
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return c, errors.New("something follows the credential's JSON")
	}
	return c, checkCredential(c)
}

// errFormat does not quote the input, which has a secret.
var errFormat = errors.New(`the credential is not JSON of the form {"ServerURL":"…","Username":"…","Secret":"…"}`)

func stringToken(dec *json.Decoder) (string, error) {
	t, err := dec.Token()
	text, ok := t.(string)
	if err != nil || !ok {
		return "", errFormat
	}
	return text, nil
}

func checkCredential(c credentials.Credentials) error {
	for name, text := range map[string]string{"server's name": c.ServerURL, "user name": c.Username, "secret": c.Secret} {
		if strings.ContainsFunc(text, isForbidden) {
			return fmt.Errorf("the %s has a control character", name)
		}
	}
	switch {
	case strings.TrimSpace(c.ServerURL) == "":
		return credentials.NewErrCredentialsMissingServerURL()
	case c.Username == "":
		return credentials.NewErrCredentialsMissingUsername()
	case c.Secret == "":
		return errors.New("no credentials secret")
	case c.Username == "<token>":
		return errors.New("this registry accepts no identity tokens (user name <token>): store a user name and password")
	}
	return nil
}
