// Package platform is the Chainguard platform on the wire: bounded requests and
// answers, the errors in its terms, the token service, and what a token says of
// itself.
package platform

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/base64"
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
	maxBody      = 1 << 20 // of a good answer, decoded
	maxErrorBody = 4 << 10
	maxHeader    = 64 << 10
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

// ResponseError is an answer of the service that is no success. Nothing in it is
// secret, and all of it is printable.
type ResponseError struct {
	Host    string
	Status  int    // HTTP status
	Code    int    // gRPC code, 0 where the body was not the gateway's
	Message string // the server's words, printable; may be empty
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

// sendLimit bounds one request, whatever its context allows.
const sendLimit = 30 * time.Second

// Request is one request to the platform. Of Form and JSON at most one is set, and
// of Bearer and Username.
type Request struct {
	Method   string
	URL      string
	Bearer   string     // token for the Authorization header; empty sends none
	Username string     // for basic authentication (RFC 7617); empty sends none
	Password string     // that goes with Username
	Accept   string     // media types that may come back; empty for JSON
	Form     url.Values // body, as the token service wants it
	JSON     any        // body, as the platform API wants it
	Limit    int64      // of a good answer's body, decoded, in bytes; 0 for 1 MiB
	// Plain also takes JSON that says it is plain text, as handlers do that write
	// one bare word.
	Plain bool
}

// body gives what goes out, and its content type; nil where there is none.
func (r Request) body() (text []byte, kind string, err error) {
	switch {
	case r.Form != nil:
		return []byte(r.Form.Encode()), "application/x-www-form-urlencoded", nil
	case r.JSON != nil:
		text, err = json.Marshal(r.JSON)
		return text, "application/json", err
	}
	return nil, "", nil
}

// Secrets are what must not be shown of a request, for Printable.
func (r Request) Secrets() []string {
	pair := base64.StdEncoding.EncodeToString([]byte(r.Username + ":" + r.Password))
	return []string{r.Bearer, r.Password, pair}
}

// http makes a request that net/http sends once.
func (r Request) http(ctx context.Context) (*http.Request, error) {
	if HasControl(r.Bearer) || HasControl(r.Username) || HasControl(r.Password) {
		return nil, errors.New("the token for it holds control characters")
	}
	text, kind, err := r.body()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	// The body is not replayed, whatever the transport thinks of the connection:
	// a refresh token may be spent by the first try.
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

// Response is what came back for a Request.
type Response struct {
	Host   string // that answered, with its port where the URL has one
	Status int
	Header http.Header
	Length int64     // of the body as the header has it, which a HEAD has without one; -1 where it does not say
	Body   []byte    // decoded
	Cut    bool      // Body is the start alone, for it goes beyond the limit
	Date   time.Time // the server's clock, or the zero time where it did not say
}

// Do sends one request, once, and reads the answer, of whatever status. It follows
// no redirect, reads bodies up to a limit, and ends within 30 s.
//
// Its errors are one printable line each, without the secrets of the request: an
// *ResponseError for a redirect, one of which IsUnreachable says so where no whole answer
// came.
func Do(ctx context.Context, transport http.RoundTripper, r Request) (Response, error) {
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	secrets := r.Secrets()
	req, err := r.http(ctx)
	if err != nil {
		return Response{}, fmt.Errorf("cannot make the request: %s", Printable(err.Error(), secrets...))
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return Response{}, networkError(req.URL.Host, err, secrets)
	}
	defer resp.Body.Close()
	answer := Response{Host: req.URL.Host, Status: resp.StatusCode, Header: resp.Header, Length: resp.ContentLength}
	answer.Date, _ = http.ParseTime(resp.Header.Get("Date"))

	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return answer, &ResponseError{Host: req.URL.Host, Status: resp.StatusCode, Message: "it redirects to " + redirectHost(resp, secrets) + ", which is not followed"}
	}
	if r.Method == http.MethodHead {
		return answer, nil
	}
	limit := cmp.Or(r.Limit, maxBody)
	if resp.StatusCode != http.StatusOK {
		limit = maxErrorBody
	}
	answer.Body, answer.Cut, err = readBody(resp, limit)
	if err != nil {
		return answer, networkError(req.URL.Host, err, secrets)
	}
	return answer, nil
}

// Send does a request and reads the JSON that answers it into answer. date is the
// server's clock, or the zero time where it did not say. Its errors are those of Do,
// and an *ResponseError for every status but 200.
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

// IsUnreachable says whether err is a request that got no whole answer: its server
// could not be reached, or did not answer in time.
func IsUnreachable(err error) bool {
	var failure *networkFailure
	return errors.As(err, &failure)
}

// networkFailure is a request that got no whole answer.
type networkFailure struct {
	text string
	err  error
}

func (e *networkFailure) Error() string { return e.text }
func (e *networkFailure) Unwrap() error { return e.err }
