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

// Fault is an answer that takes the place of the real one. The zero values of its fields make an empty answer 200.
type Fault struct {
	// On is the name of the requests it answers (see Count); empty means all.
	On string
	// Times is how many of them it answers before it is gone; zero means all.
	Times int
	// CommitFirst lets the platform do the real work first: only its answer is lost.
	CommitFirst bool

	// Delay passes before the first byte. An hour is a server that never answers.
	Delay time.Duration
	// Status is the HTTP status; zero means 200, or 307 with Redirect.
	Status int
	// Header is sent as it is. A Content-Length longer than the body makes an answer that breaks off.
	Header http.Header
	// ContentType is sent where it is not empty, and nothing is guessed where it is.
	ContentType string
	// Redirect is sent as Location.
	Redirect string
	// Body is sent as it is, but that {bearer} stands for the bearer token of the request, for servers that echo.
	Body string
	// Size repeats Body (zeros where it is empty) to that many bytes; less than zero means without end.
	Size int64
	// Gzip compresses the body, and says so; with Size, it is a bomb.
	Gzip bool
	// Drip pauses before each byte of the body.
	Drip time.Duration
	// Cut resets the connection after CutAfter bytes of the body. With CutAfter zero not even the header is sent.
	Cut      bool
	CutAfter int64
}

// StatusFault answers as the platform's gateway answers an error: the HTTP status of a gRPC code, and its JSON.
func StatusFault(on string, code codes.Code, message string) Fault {
	body, err := json.Marshal(map[string]any{"code": int(code), "message": message, "details": []any{}})
	if err != nil {
		panic(err) // a map of plain values
	}
	return Fault{On: on, Status: runtime.HTTPStatusFromCode(code), ContentType: "application/json", Body: string(body)}
}

// OAuthFault answers as the token endpoint of the identity provider answers an error (RFC 6749 section 5.2): slow_down,
// invalid_grant and the like, with the status 400 as a rule.
func OAuthFault(on string, status int, code string) Fault {
	return Fault{On: on, Status: status, ContentType: "application/json", Body: `{"error":` + strconv.Quote(code) + `}`}
}

// RegistryFault answers as the registry answers an error: TOOMANYREQUESTS with the status 429 and the like.
func RegistryFault(on string, status int, code, message string) Fault {
	body, err := json.Marshal(registryErrors(code, message))
	if err != nil {
		panic(err) // a map of plain values
	}
	return Fault{On: on, Status: status, ContentType: "application/json", Body: string(body)}
}

// PageFault answers as a captive portal or a proxy does: with a page, whatever was asked.
func PageFault(on string, status int) Fault {
	return Fault{
		On: on, Status: status, ContentType: "text/html; charset=utf-8",
		Body: "<!doctype html><title>Welcome</title><h1>Please accept the terms</h1>",
	}
}

// wait pauses, and reports whether the other side is still there.
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
		panic(http.ErrAbortHandler) // to return would be an answer: 200 and nothing
	}
	if f.Cut && f.CutAfter == 0 {
		reset(w)
		return
	}
	body, length := f.body(r)

	header := w.Header()
	header["Content-Type"] = nil // nothing is sniffed
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

	// Errors of writing are the client's leave: it may hang up on a fault whenever it likes.
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

// body is the body before compression and its length, or -1 where it has no end.
func (f Fault) body(r *http.Request) (io.Reader, int64) {
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	text := strings.ReplaceAll(f.Body, "{bearer}", bearer)
	if f.Size == 0 {
		return strings.NewReader(text), int64(len(text))
	}
	if text == "" {
		text = strings.Repeat("\x00", 1<<10)
	}
	// Large pieces, or a bomb of a gigabyte takes minutes to build.
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

// repeat reads a text over and over.
type repeat struct {
	text string
	at   int
}

func (r *repeat) Read(b []byte) (int, error) {
	n := copy(b, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

// reset ends the connection the way a dead server or a firewall does, with RST and without a goodbye.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 cannot give the connection away; this ends the stream alone
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
