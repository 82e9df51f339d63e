package platform

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// rawServer speaks whatever answer writes, after it has read a request.
func rawServer(t *testing.T, answer func(net.Conn)) (url string) {
	t.Helper()
	socket, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	go func() {
		for {
			conn, err := socket.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					_, _ = io.Copy(io.Discard, r.Body)
					answer(conn)
				}
			}()
		}
	}()
	return "http://" + socket.Addr().String()
}

// An answer that breaks off is no answer, even where its part is whole JSON.
func TestBrokenAnswers(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	for name, answer := range map[string]string{
		"F17 shorter than its length":    fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(goodAnswer)+10, goodAnswer),
		"F17 last chunk missing":         fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", head, len(goodAnswer), goodAnswer),
		"F17 broken chunk":               fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\nxyz\r\n", head, len(goodAnswer), goodAnswer),
		"F17 no answer":                  "",
		"F17 half a head":                head,
		"I48 what is no HTTP, with ours": "SSH-2.0 " + bearer + "\r\n",
		"I47 what is no HTTP, escaped":   "\x1b]52;c;aGk=\a\r\n\r\n",
	} {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reset %v", name, reset), func(t *testing.T) {
				url := rawServer(t, func(conn net.Conn) {
					_, _ = io.WriteString(conn, answer)
					if reset {
						_ = conn.(*net.TCPConn).SetLinger(0)
					}
				})
				got, err := asks(t, url)
				if err == nil || got != "" {
					t.Fatalf("got %q, %v, want an error and nothing", got, err)
				}
				if !strings.Contains(err.Error(), "cannot reach "+strings.TrimPrefix(url, "http://")) || !RefreshEndpoint.IsTemporary(err) || gatewaySaid(err) {
					t.Errorf("got %q, want the host named, and worth a retry", err)
				}
			})
		}
	}
}

// TestProxies runs itself as a child, since net/http reads the environment once.
func TestProxies(t *testing.T) {
	if os.Getenv("PROXY_CHILD") == "1" {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := Send(ctx, NewTransport(), refresh("https://issuer.invalid/sts/exchange"), &struct{}{})
		fmt.Println("result:", err)
		return
	}
	closed := httptest.NewServer(nil)
	address := strings.TrimPrefix(closed.URL, "http://")
	closed.Close()
	tests := []struct{ name, value, want string }{
		{"I26 user and password", "http://me:hunter2@" + address, "through the proxy " + address},
		{"I26 socks5", "socks5://me:hunter2@" + address, "through the proxy " + address},
		{"I26 bad port", "http://me:hunter2@proxy.invalid:port", "HTTPS_PROXY"},
		{"I26 bad address", "http://me:hunter2@%zz", "HTTPS_PROXY"},
		{"I26 unknown scheme", "gopher://me:hunter2@proxy.invalid", "HTTPS_PROXY"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self, "-test.run=^TestProxies$")
			cmd.Env = append(os.Environ(), "PROXY_CHILD=1", "HTTPS_PROXY="+test.value, "https_proxy=", "NO_PROXY=", "no_proxy=", "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("result: ")) || bytes.Contains(out, []byte("<nil>")) {
				t.Fatalf("got %s, %v, want an error of the request", out, err)
			}
			if bytes.Contains(out, []byte("hunter2")) {
				t.Errorf("got %s, want no password", out)
			}
			if !bytes.Contains(out, []byte(test.want)) {
				t.Errorf("got %s, want %q in it", out, test.want)
			}
		})
	}
}

func TestNetworkErrorIsTheCallers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Send(ctx, NewTransport(), refresh("http://127.0.0.1:1/"), &struct{}{})
	if !errors.Is(err, context.Canceled) || RefreshEndpoint.IsTemporary(err) {
		t.Errorf("F25 got %v, want the context's error and no retry", err)
	}
}
