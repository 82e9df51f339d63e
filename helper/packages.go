package helper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"docker-credential-cgr/config"
	"docker-credential-cgr/platform"
)

// LibrariesHost returns the host below the registry that serves packages. It is the audience of
// tokens for them.
func LibrariesHost(cfg config.Config) string { return "libraries." + cfg.Registry.Host }

// WriteGoAuth writes the headers for a request to address to out, in the format of a GOAUTH
// command (go help goauth). Without an address, as the go command asks first, they are those
// for the host that serves packages. For other hosts it writes nothing.
func (h *Helper) WriteGoAuth(address string, out io.Writer) error {
	if address == "" && h.Config.Registry != nil {
		address = "https://" + LibrariesHost(h.Config)
	}
	audience, c, err := h.credentialFor(address)
	var foreign *ForeignError
	switch {
	case errors.As(err, &foreign):
		return nil
	case err != nil:
		return err
	}
	if isHost(audience) {
		audience = h.Config.Registry.Scheme + "://" + audience
	}
	_, err = fmt.Fprintf(out, "%s\n\nAuthorization: %s\n\n", audience, authorization(c))
	return writeError(err)
}

// ErrForeignService means that a service is not of the platform.
var ErrForeignService = errors.New("not a service of the platform")

// KeyringRequest is a request for a password as pip and uv send it to Python's keyring
// command.
type KeyringRequest struct {
	Service  string // URL or host
	Username string // optional if WithUsername is set
	// WithUsername prints the user name before the password (--mode creds).
	WithUsername bool
	JSON         bool
}

// WritePassword writes the answer to a request to out. The error is ErrForeignService for
// other hosts.
func (h *Helper) WritePassword(r KeyringRequest, out io.Writer) error {
	address := r.Service
	if !strings.Contains(address, "://") && h.Config.Registry != nil {
		address = h.Config.Registry.Scheme + "://" + address
	}
	audience, c, err := h.credentialFor(address)
	var foreign *ForeignError
	switch {
	case errors.As(err, &foreign):
		return ErrForeignService
	case err != nil:
		return err
	case r.Username != "" && r.Username != c.Username:
		return fmt.Errorf("the credential for %s is for the user %q, not for %q",
			audience, platform.Printable(c.Username), platform.Printable(r.Username))
	}
	if r.JSON {
		answer := map[string]string{"password": c.Secret}
		if r.WithUsername {
			answer["username"] = c.Username
		}
		return writeError(json.NewEncoder(out).Encode(answer))
	}
	text := c.Secret + "\n"
	if r.WithUsername {
		text = c.Username + "\n" + text
	}
	_, err = io.WriteString(out, text)
	return writeError(err)
}
