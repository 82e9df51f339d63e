// Package platform sends HTTP requests to the Chainguard platform: limits, retries and
// errors, the token service, and the claims of its tokens.
package platform

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"docker-credential-cgr/hint"
)

const (
	maxBody      = 1 << 20 // of a successful response, decoded
	maxErrorBody = 4 << 10
	maxHeader    = 64 << 10
)

// NewTransport returns the transport for requests to the platform. It uses only HTTP/1.1,
// since some proxies break HTTP/2, and takes proxies from the environment. Like every
// transport it follows no redirect, so a bearer token is not sent to a host that a
// response names.
func NewTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  proxy,
		Protocols:              protocols,
		MaxResponseHeaderBytes: maxHeader,
		TLSHandshakeTimeout:    10 * time.Second,
	}
}

// ResponseError is a response other than success. Nothing in it is secret, and all of it
// is printable.
type ResponseError struct {
	Host    string
	Status  int    // HTTP status
	Code    int    // gRPC code; 0 if the body was not the gateway's
	Message string // the server's text; may be empty
}

func (e *ResponseError) Error() string {
	text := fmt.Sprintf("%s answered %d %s", e.Host, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// The gRPC codes in the gateway's errors (google.golang.org/grpc/codes).
const (
	CodeInvalidArgument    = 3
	CodeDeadlineExceeded   = 4
	CodeNotFound           = 5
	CodePermissionDenied   = 7
	CodeFailedPrecondition = 9
	CodeInternal           = 13
	CodeUnavailable        = 14
	CodeUnauthenticated    = 16
)

// HTTPStatus returns the status of the response.
func (e *ResponseError) HTTPStatus() int { return e.Status }

// sendTimeout is how long one request may take, even if its context allows more.
const sendTimeout = 30 * time.Second

// Request is one request to the platform. At most one of Form and JSON is set, and at
// most one of Bearer and Username.
type Request struct {
	Method   string
	URL      string
	Bearer   string     // token for the Authorization header, or ""
	Username string     // for basic authentication (RFC 7617), or ""
	Password string     // for Username
	Accept   string     // media types of the response; "" for JSON
	Form     url.Values // body for the token service
	JSON     any        // body for the platform API
	JSONType string     // content type of JSON; "" for application/json
	Limit    int64      // for the decoded body of a successful response, in bytes; 0 for 1 MiB
	// Plain also accepts JSON with the type text/plain, which some handlers send.
	Plain bool
}

// body returns the request's body and its content type, or nil if it has none.
func (r Request) body() (text []byte, kind string, err error) {
	switch {
	case r.Form != nil:
		return []byte(r.Form.Encode()), "application/x-www-form-urlencoded", nil
	case r.JSON != nil:
		text, err = json.Marshal(r.JSON)
		return text, cmp.Or(r.JSONType, "application/json"), err
	}
	return nil, "", nil
}

// Secrets returns the secrets in a request, for Printable.
func (r Request) Secrets() []string {
	basic := base64.StdEncoding.EncodeToString([]byte(r.Username + ":" + r.Password))
	return []string{r.Bearer, r.Password, basic}
}

// http returns the request for net/http, which sends it once.
func (r Request) http(ctx context.Context) (*http.Request, error) {
	if HasControl(r.Bearer) || HasControl(r.Username) || HasControl(r.Password) {
		return nil, errors.New("its token has control characters")
	}
	text, kind, err := r.body()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	// Without GetBody the transport does not send the body again on another connection:
	// the server may have redeemed a refresh token already.
	req.GetBody = nil
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if r.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.Bearer)
	}
	if r.Username != "" {
		req.SetBasicAuth(r.Username, r.Password)
	}
	req.Header.Set("Accept", cmp.Or(r.Accept, "application/json"))
	req.Header.Set("User-Agent", "docker-credential-cgr")
	return req, nil
}

// Response is the response to a Request, with any status.
type Response struct {
	Host   string // of the request, with its port if the URL has one
	Status int
	Header http.Header
	Length int64     // Content-Length, also for HEAD; -1 if there is none
	Body   []byte    // decoded
	Cut    bool      // Body is cut off at the limit
	Date   time.Time // the server's clock, or the zero time
}

// RetryAfter returns how long the server asks clients to wait (RFC 9110, section 10.2.3). It
// returns 0 if the response does not say, or not in seconds.
func (r Response) RetryAfter() time.Duration {
	seconds, err := strconv.ParseUint(r.Header.Get("Retry-After"), 10, 32)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // then seconds is the maximum
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// Do sends a request once and reads the response, whatever its status. It does not follow
// redirects, reads bodies up to a limit, and ends within 30 s.
//
// Its errors are one printable line, without the secrets of the request: a *ResponseError
// for a redirect, an *UnreachableError if there was no complete response.
func Do(ctx context.Context, transport http.RoundTripper, r Request) (Response, error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	secrets := r.Secrets()
	req, err := r.http(ctx)
	if err != nil {
		return Response{}, fmt.Errorf("invalid request: %s", Printable(err.Error(), secrets...))
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return Response{}, networkError(req.URL.Host, err, secrets)
	}
	defer resp.Body.Close()
	response := Response{Host: req.URL.Host, Status: resp.StatusCode, Header: resp.Header, Length: resp.ContentLength}
	response.Date, _ = http.ParseTime(resp.Header.Get("Date"))

	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return response, &ResponseError{Host: req.URL.Host, Status: resp.StatusCode, Message: "it redirects to " + redirectHost(resp, secrets) + ", which is not followed"}
	}
	if r.Method == http.MethodHead {
		return response, nil
	}
	limit := cmp.Or(r.Limit, maxBody)
	if resp.StatusCode != http.StatusOK {
		limit = maxErrorBody
	}
	response.Body, response.Cut, err = readBody(resp, limit)
	if err != nil {
		return response, networkError(req.URL.Host, err, secrets)
	}
	return response, nil
}

// Send sends a request and decodes the JSON of the response into answer. date is the
// server's clock, or the zero time. Its errors are those of Do, and a *ResponseError for
// every status other than 200.
func Send(ctx context.Context, transport http.RoundTripper, r Request, answer any) (date time.Time, err error) {
	got, err := Do(ctx, transport, r)
	if err != nil {
		return got.Date, err
	}
	if got.Status != http.StatusOK {
		return got.Date, parseResponseError(got.Host, got.Status, got.Body, r.Secrets())
	}
	kind, _, _ := mime.ParseMediaType(got.Header.Get("Content-Type"))
	isJSON := kind == "application/json" || r.Plain && kind == "text/plain"
	if got.Cut || !isJSON || json.Unmarshal(got.Body, answer) != nil {
		return got.Date, notTheIssuer(got.Host, got.Status, Printable(kind, r.Secrets()...))
	}
	return got.Date, nil
}

// notTheIssuer returns the error for a response that is not the issuer's.
func notTheIssuer(host string, status int, kind string) error {
	if kind == "" {
		kind = "no content type"
	}
	return fmt.Errorf("not the issuer: a proxy or a captive portal answered for %s (status %d, %s); sign in to the network, or set HTTPS_PROXY", host, status, kind)
}

// readBody reads at most limit bytes, decoded. cut reports whether there were more.
func readBody(resp *http.Response, limit int64) (body []byte, cut bool, err error) {
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if int64(len(body)) > limit {
		return body[:limit], true, nil
	}
	return body, false, err
}

func parseResponseError(host string, status int, body []byte, secrets []string) error {
	e := &ResponseError{Host: host, Status: status}
	var gateway struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Error   string `json:"error"` // RFC 6749, section 5.2
	}
	if json.Unmarshal(bytes.TrimSpace(body), &gateway) == nil {
		e.Code, e.Message = gateway.Code, Printable(gateway.Message, secrets...)
		if gateway.Error == "invalid_grant" {
			e.Code = CodeUnauthenticated
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

// HostPort returns the host and the port of a URL, which may be its scheme's.
func HostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// networkError returns the error for a request without a complete response.
func networkError(host string, err error, secrets []string) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	text := Printable(err.Error(), secrets...)
	cause := ExplainTLS(err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		text = "no answer in time"
	case cause != nil:
		text = cause.Error()
	}
	via := ""
	if u, _ := proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: host}}); u != nil {
		via = " through the proxy " + Printable(u.Host)
	}
	return hint.With(&UnreachableError{fmt.Sprintf("cannot reach %s%s: %s", host, via, text), err}, hint.Of(cause)...)
}

// UnreachableError is a request without a complete response: the server could not be
// reached, or did not answer in time.
type UnreachableError struct {
	Text string // printable, with the host
	Err  error
}

func (e *UnreachableError) Error() string { return e.Text }
func (e *UnreachableError) Unwrap() error { return e.Err }

// IsUnreachable reports whether err is an *UnreachableError.
func IsUnreachable(err error) bool {
	var unreachable *UnreachableError
	return errors.As(err, &unreachable)
}
