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

// readInput reads all of in, which must end within timeout, unless that is 0.
func readInput(in io.Reader, timeout time.Duration) ([]byte, error) {
	var text []byte
	var err error
	done := make(chan struct{})
	go func() { // which a client that never closes its end leaves reading
		defer close(done)
		text, err = io.ReadAll(io.LimitReader(in, maxInput+1))
	}()
	var expired <-chan time.Time
	if timeout > 0 {
		expired = time.After(timeout)
	}
	select {
	case <-expired:
		return nil, fmt.Errorf("cannot read standard input: it did not end within %s", timeout)
	case <-done:
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read standard input: %w", err)
	case len(text) > maxInput:
		return nil, fmt.Errorf("standard input is over %d bytes", maxInput)
	}
	return text, nil
}

// parseServer checks the one line that get and erase read. The reader of the protocol's own
// library joins lines (it reads "cgr.d", "ev" as "cgr.dev") and accepts everything else.
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

// errFormat does not quote the input, which has a secret.
var errFormat = errors.New(`the credential is not JSON of the form {"ServerURL":"…","Username":"…","Secret":"…"}`)

// jsonField is a string that a JSON object has once. Without it, encoding/json would use the
// last of two values, also if their names differ in letter case.
type jsonField struct {
	text  string
	isSet bool
}

func (f *jsonField) UnmarshalJSON(text []byte) error {
	if f.isSet {
		return errFormat
	}
	f.isSet = true
	return json.Unmarshal(text, &f.text)
}

// parseCredential parses the JSON object that store reads.
func parseCredential(input []byte) (credentials.Credentials, error) {
	if len(bytes.TrimSpace(input)) == 0 {
		return credentials.Credentials{}, credentials.NewErrCredentialsMissingServerURL()
	}
	var fields struct{ ServerURL, Username, Secret jsonField }
	if !utf8.Valid(input) || json.Unmarshal(input, &fields) != nil {
		return credentials.Credentials{}, errFormat
	}
	c := credentials.Credentials{ServerURL: fields.ServerURL.text, Username: fields.Username.text, Secret: fields.Secret.text}
	return c, checkCredential(c)
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
