package fakeplatform

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
)

// Fault replaces the real response. The zero value is an empty response with status 200.
type Fault struct {
	// On is the name of the requests that it applies to (see Count); empty means all.
	On string
	// Times is how many requests it applies to; zero means no limit.
	Times int
	// CommitFirst processes the request first, so that only the response is lost.
	CommitFirst bool

	// Delay is the time before the first byte. Use an hour for a server that never responds.
	Delay time.Duration
	// Status is the HTTP status; zero means 200, or 307 with Redirect.
	Status int
	// Header is sent unchanged. A Content-Length greater than the body's makes a truncated response.
	Header http.Header
	// ContentType is sent unless it is empty. It is never guessed.
	ContentType string
	// Redirect is the Location header.
	Redirect string
	// Body is sent unchanged, except that {bearer} is replaced by the request's bearer token.
	Body string
	// Size repeats Body (zeros if it is empty) up to this many bytes; a negative value means forever.
	Size int64
	// Gzip compresses the body. With Size, it makes a decompression bomb.
	Gzip bool
	// Drip is the pause before each byte of the body.
	Drip time.Duration
	// Cut resets the connection after CutAfter bytes of the body. If CutAfter is zero, not even the header is sent.
	Cut      bool
	CutAfter int64
}

// StatusFault returns an error as the platform's gateway sends it: with the HTTP status and the JSON of a gRPC code.
func StatusFault(on string, code codes.Code, message string) Fault {
	body, err := json.Marshal(map[string]any{"code": int(code), "message": message, "details": []any{}})
	if err != nil {
		panic(err) // a map of plain values
	}
	return Fault{On: on, Status: runtime.HTTPStatusFromCode(code), ContentType: "application/json", Body: string(body)}
}

// OAuthFault returns an error of the identity provider's token endpoint (RFC 6749 section 5.2), such as slow_down or
// invalid_grant, usually with status 400.
func OAuthFault(on string, status int, code string) Fault {
	return Fault{On: on, Status: status, ContentType: "application/json", Body: `{"error":` + strconv.Quote(code) + `}`}
}

// RegistryFault returns an error of the registry, such as TOOMANYREQUESTS with status 429.
func RegistryFault(on string, status int, code, message string) Fault {
	body, err := json.Marshal(registryErrors(code, message))
	if err != nil {
		panic(err) // a map of plain values
	}
	return Fault{On: on, Status: status, ContentType: "application/json", Body: string(body)}
}

// PageFault returns an HTML page, as a captive portal or a proxy sends it.
func PageFault(on string, status int) Fault {
	return Fault{
		On: on, Status: status, ContentType: "text/html; charset=utf-8",
		Body: "<!doctype html><title>Welcome</title><h1>Please accept the terms</h1>",
	}
}

// wait pauses. It reports false if the client disconnects.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f Fault) serve(w http.ResponseWriter, r *http.Request) {
	if !wait(r.Context(), f.Delay) {
		panic(http.ErrAbortHandler) // a return would send an empty response with status 200
	}
	if f.Cut && f.CutAfter == 0 {
		reset(w)
		return
	}
	body, length := f.body(r)

	header := w.Header()
	header["Content-Type"] = nil // disables content sniffing
	if f.ContentType != "" {
		header.Set("Content-Type", f.ContentType)
	}
	if f.Redirect != "" {
		header.Set("Location", f.Redirect)
	}
	switch {
	case f.Gzip:
		header.Set("Content-Encoding", "gzip")
	case length >= 0:
		header.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	maps.Copy(header, f.Header)
	status := orDefault(f.Status, http.StatusOK)
	if f.Status == 0 && f.Redirect != "" {
		status = http.StatusTemporaryRedirect
	}
	w.WriteHeader(status)

	// Write errors are ignored: the client may disconnect at any time.
	if f.Cut {
		_, _ = f.send(r.Context(), w, io.LimitReader(body, f.CutAfter))
		_ = http.NewResponseController(w).Flush()
		reset(w)
		return
	}
	if f.Gzip {
		compressed := gzip.NewWriter(w)
		_, _ = f.send(r.Context(), compressed, body)
		_ = compressed.Close()
		return
	}
	_, _ = f.send(r.Context(), w, body)
}

// body returns the uncompressed body and its length, or -1 if it is endless.
func (f Fault) body(r *http.Request) (io.Reader, int64) {
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	text := strings.ReplaceAll(f.Body, "{bearer}", bearer)
	if f.Size == 0 {
		return strings.NewReader(text), int64(len(text))
	}
	if text == "" {
		text = strings.Repeat("\x00", 1<<10)
	}
	// Large pieces, because a bomb of a gigabyte would take minutes otherwise.
	forever := &repeat{text: strings.Repeat(text, 1+(1<<16)/len(text))}
	if f.Size < 0 {
		return forever, -1
	}
	return io.LimitReader(forever, f.Size), f.Size
}

func (f Fault) send(ctx context.Context, w io.Writer, body io.Reader) (int64, error) {
	if f.Drip <= 0 {
		return io.Copy(w, body)
	}
	var sent int64
	for piece := make([]byte, 1); ; sent++ {
		if _, err := body.Read(piece); err != nil {
			return sent, err
		}
		if !wait(ctx, f.Drip) {
			return sent, ctx.Err()
		}
		if _, err := w.Write(piece); err != nil {
			return sent, err
		}
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
	}
}

// repeat is an endless reader of a repeated text.
type repeat struct {
	text string
	at   int
}

func (r *repeat) Read(b []byte) (int, error) {
	n := copy(b, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

// reset closes the connection with RST, as a crashed server or a firewall does.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 connections cannot be hijacked; this ends only the stream
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
