package signin

import (
	"errors"
	"strconv"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin/loopback"
)

// callback is what the issuer redirected the browser with: a token or an error.
type callback struct {
	token, refreshToken string
	err                 string
	status              int // HTTP status of the error; 0 if not given
}

// parseCallback parses the query of a callback. The issuer never sends a token with an
// error.
func parseCallback(rawQuery string) (callback, error) {
	q, err := loopback.ParseQuery(rawQuery)
	if err != nil {
		return callback{}, err
	}
	c := callback{token: q.Get("token"), refreshToken: q.Get("refresh_token"), err: q.Get("error")}
	// The redirect URL that the issuer got has "true" for both.
	if c.token == "true" {
		c.token = ""
	}
	if c.err == "true" {
		c.err = ""
	}
	c.status, _ = strconv.Atoi(q.Get("status_code"))
	switch {
	case c.token != "" && (c.err != "" || c.status != 0):
		return callback{}, errors.New("it has a token and an error")
	case c.token == "" && c.err == "" && c.status == 0:
		return callback{}, errors.New("it has neither a token nor an error")
	case platform.HasControl(c.token) || platform.HasControl(c.refreshToken):
		return callback{}, errors.New("its token has control characters")
	case len(c.token) > platform.MaxToken || len(c.refreshToken) > platform.MaxToken:
		return callback{}, errors.New("its token is too long")
	}
	return c, nil
}
