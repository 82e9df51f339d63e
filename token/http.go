package token

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxAnswer      = 1 << 20 // of a good answer, decoded
	maxErrorAnswer = 4 << 10
	maxHeader      = 64 << 10
)

// NewTransport gives what sends requests to the issuer. It speaks HTTP/1.1 alone,
// which proxies that break HTTP/2 let through, takes proxies from the environment,
// and like every transport follows no redirect, so that a bearer token goes
// nowhere that an answer names.
func NewTransport() http.RoundTripper {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  proxy,
		Protocols:              protocols,
		MaxResponseHeaderBytes: maxHeader,
		TLSHandshakeTimeout:    10 * time.Second,
		// Decoded here, where the decoded size is bounded.
		DisableCompression: true,
	}
}

// answerError is an answer of the service that is no success.
type answerError struct {
	Host    string
	Status  int    // HTTP status
	Code    int    // gRPC code, 0 where the body was not the gateway's
	Message string // the server's words, printable; may be empty
}

func (e *answerError) Error() string {
	text := fmt.Sprintf("%s answered %d %s", e.Host, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// gRPC codes that the gateway puts into its errors (google.golang.org/grpc/codes).
const (
	codeInvalidArgument    = 3
	codeDeadlineExceeded   = 4
	codeFailedPrecondition = 9
	codeInternal           = 13
	codeUnavailable        = 14
	codeUnauthenticated    = 16
)

// postForm sends one form with a bearer token and reads the JSON answer into
// answer. It gives the server's clock, or the zero time where it did not say.
// What secrets lists never shows in an error.
func postForm(ctx context.Context, transport http.RoundTripper, target, bearer string, form url.Values, answer any) (date time.Time, err error) {
	secrets := []string{bearer}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot make the request: %s", Printable(err.Error(), secrets...))
	}
	// The body is not replayed, whatever the transport thinks of the connection:
	// a refresh token may be spent by the first try.
	req.GetBody = nil
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("User-Agent", "docker-credential-cgr")

	resp, err := transport.RoundTrip(req)
	if err != nil {
		return time.Time{}, networkError(req.URL.Host, err, secrets)
	}
	defer resp.Body.Close()
	date, _ = http.ParseTime(resp.Header.Get("Date"))

	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return date, &answerError{Host: req.URL.Host, Status: resp.StatusCode, Message: "it redirects to " + redirectHost(resp, secrets) + ", which is not followed"}
	}
	limit := int64(maxAnswer)
	if resp.StatusCode != http.StatusOK {
		limit = maxErrorAnswer
	}
	body, cut, err := readBody(resp, limit)
	if err != nil {
		return date, networkError(req.URL.Host, err, secrets)
	}
	if resp.StatusCode != http.StatusOK {
		return date, parseAnswerError(req.URL.Host, resp.StatusCode, body, secrets)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if cut || kind != "application/json" || !json.Valid(body) || json.Unmarshal(body, answer) != nil {
		return date, notTheIssuer(req.URL.Host, resp.StatusCode, Printable(kind, secrets...))
	}
	return date, nil
}

// notTheIssuer is the error for an answer that no issuer gives.
func notTheIssuer(host string, status int, kind string) error {
	if kind == "" {
		kind = "no content type"
	}
	return fmt.Errorf("not the issuer: a proxy or a captive portal answered for %s (status %d, %s); sign in to the network, or set HTTPS_PROXY", host, status, kind)
}

// readBody reads at most limit bytes after decoding; cut says that there was more.
func readBody(resp *http.Response, limit int64) (body []byte, cut bool, err error) {
	var r io.Reader = resp.Body
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		zipped, err := gzip.NewReader(r)
		if err != nil {
			return nil, false, fmt.Errorf("cannot unpack the answer: %w", err)
		}
		r = zipped
	}
	body, err = io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(body)) > limit {
		return body[:limit], true, nil
	}
	return body, false, err
}

func parseAnswerError(host string, status int, body []byte, secrets []string) error {
	e := &answerError{Host: host, Status: status}
	var gateway struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Error   string `json:"error"` // RFC 6749, section 5.2
	}
	if json.Unmarshal(bytes.TrimSpace(body), &gateway) == nil {
		e.Code, e.Message = gateway.Code, Printable(gateway.Message, secrets...)
		if gateway.Error == "invalid_grant" {
			e.Code = codeUnauthenticated
		}
	}
	return e
}

func redirectHost(resp *http.Response, secrets []string) string {
	to, err := resp.Location()
	if err != nil || to.Host == "" {
		return "nowhere"
	}
	return Printable(to.Host, secrets...)
}

// networkError says which host could not be reached, and through which proxy.
func networkError(host string, err error, secrets []string) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	text := Printable(err.Error(), secrets...)
	if errors.Is(err, context.DeadlineExceeded) {
		text = "no answer in time"
	} else if explained := explainTLS(err); explained != "" {
		text = explained
	}
	via := ""
	if u, _ := proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: host}}); u != nil {
		via = " through the proxy " + Printable(u.Host)
	}
	return &networkFailure{fmt.Sprintf("cannot reach %s%s: %s", host, via, text), err}
}

// networkFailure is a request that got no whole answer.
type networkFailure struct {
	text string
	err  error
}

func (e *networkFailure) Error() string { return e.text }
func (e *networkFailure) Unwrap() error { return e.err }
