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

// maxInput is how much standard input is read. The largest thing that a client
// may send is a pair with a token of a few KB.
const maxInput = 64 << 10

// inputPatience is how long a client may take to send its input and close it.
const inputPatience = 10 * time.Second

// errNoEnd says that the client has not closed its end.
var errNoEnd = fmt.Errorf("it did not end within %s", inputPatience)

// readInput reads all of in, which must end within patience (0: for ever).
func readInput(in io.Reader, patience time.Duration) ([]byte, error) {
	if patience > 0 {
		in = patient(in, time.Now().Add(patience))
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

// raced reads in a goroutine, which is left behind when the deadline is past.
type raced struct {
	in       io.Reader
	deadline time.Time
}

func (r *raced) Read(b []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	own := make([]byte, len(b)) // b is the caller's again once we return
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
		return 0, errNoEnd
	}
}

// parseServer checks the one line that get and erase take. The library's own
// reader would join lines (so that "cgr.d", "ev" is read as "cgr.dev") and pass
// the rest on as it is.
func parseServer(input []byte) (string, error) {
	text := string(input)
	if cut, ok := strings.CutSuffix(text, "\n"); ok {
		text = strings.TrimSuffix(cut, "\r")
	}
	if !utf8.ValidString(text) {
		return "", errors.New("the server's name is not UTF-8 text: refused")
	}
	for _, r := range text {
		if forbidden(r) {
			return "", fmt.Errorf("the server's name holds the character %U: refused", r)
		}
	}
	text = strings.Trim(text, " ")
	if text == "" {
		return "", credentials.NewErrCredentialsMissingServerURL()
	}
	return text, nil
}

// forbidden finds what a name of a server cannot hold and a reader cannot see:
// control characters, line separators and the byte order mark.
func forbidden(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) || r == 0xFEFF
}

// parsePair checks the JSON object that store takes: strings alone, no name
// twice in whatever letter case, nothing after it. encoding/json would take the
// last of two and ignore what follows.
func parsePair(input []byte) (credentials.Credentials, error) {
	var pair credentials.Credentials
	if len(bytes.TrimSpace(input)) == 0 {
		return pair, credentials.NewErrCredentialsMissingServerURL()
	}
	if !utf8.Valid(input) {
		return pair, errors.New("the credential is not UTF-8 text: refused")
	}
	dec := json.NewDecoder(bytes.NewReader(input))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return pair, errNotAPair
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := stringToken(dec)
		if err != nil {
			return pair, err
		}
		value, err := stringToken(dec)
		if err != nil {
			return pair, err
		}
		name := strings.ToLower(key)
		if seen[name] {
			return pair, fmt.Errorf("the credential names %q twice: refused", name)
		}
		seen[name] = true
		switch name {
		case "serverurl":
			pair.ServerURL = value
		case "username":
			pair.Username = value
		case "secret":
			pair.Secret = value
		}
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return pair, errNotAPair
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return pair, errors.New("the credential's JSON is followed by something else: refused")
	}
	return pair, checkPair(pair)
}

// errNotAPair quotes nothing of what it is about, which holds a secret.
var errNotAPair = errors.New(`the credential is not JSON of the form {"ServerURL":"…","Username":"…","Secret":"…"}: refused`)

func stringToken(dec *json.Decoder) (string, error) {
	t, err := dec.Token()
	text, ok := t.(string)
	if err != nil || !ok {
		return "", errNotAPair
	}
	return text, nil
}

func checkPair(pair credentials.Credentials) error {
	for name, text := range map[string]string{"server's name": pair.ServerURL, "user name": pair.Username, "secret": pair.Secret} {
		if strings.ContainsFunc(text, forbidden) {
			return fmt.Errorf("the %s holds a control character: refused", name)
		}
	}
	switch {
	case strings.TrimSpace(pair.ServerURL) == "":
		return credentials.NewErrCredentialsMissingServerURL()
	case pair.Username == "":
		return credentials.NewErrCredentialsMissingUsername()
	case pair.Secret == "":
		return errors.New("no credentials secret")
	case pair.Username == "<token>":
		return errors.New("this registry takes no identity tokens (user name <token>): store a user name and password")
	}
	return nil
}
