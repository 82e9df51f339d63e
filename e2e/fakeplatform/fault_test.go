package fakeplatform_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"docker-credential-cgr/e2e/fakeplatform"
)

// fetch reads at most limit bytes of orgcheck's answer.
func fetch(t *testing.T, p *fakeplatform.Platform, limit int64) (*http.Response, int64, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Issuer+"/orgcheck?name=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer s3cret")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, limit))
	return resp, n, err
}

func TestFaults(t *testing.T) {
	const mib = 1 << 20
	tests := map[string]struct {
		fault  fakeplatform.Fault
		status int // zero: no answer at all
		length int64
		breaks bool // while the body is read
	}{
		"portal":            {fakeplatform.PageFault("orgcheck", 200), 200, -1, false},
		"gateway error":     {fakeplatform.StatusFault("orgcheck", codes.Unavailable, "later"), 503, -1, false},
		"bare 502":          {fakeplatform.Fault{Status: 502}, 502, 0, false},
		"redirect":          {fakeplatform.Fault{Redirect: "http://other.example/"}, 307, 0, false},
		"endless":           {fakeplatform.Fault{Size: -1}, 200, 8 * mib, false},
		"large":             {fakeplatform.Fault{Body: "abc", Size: mib + 1}, 200, mib + 1, false},
		"gzip bomb":         {fakeplatform.Fault{Size: 1 << 33, Gzip: true}, 200, 8 * mib, false},
		"drip":              {fakeplatform.Fault{Body: "true", Drip: time.Millisecond}, 200, 4, false},
		"reset at once":     {fakeplatform.Fault{Cut: true}, 0, 0, false},
		"reset in the body": {fakeplatform.Fault{Body: "true and more", Cut: true, CutAfter: 4}, 200, 4, true},
		"short body":        {fakeplatform.Fault{Body: "tr", Header: http.Header{"Content-Length": {"4"}}}, 200, 2, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			p.Change(func(b *fakeplatform.Behavior) { b.Faults = []fakeplatform.Fault{test.fault} })
			resp, n, err := fetch(t, p, 8*mib)
			if test.status == 0 {
				if err == nil {
					t.Fatalf("an answer: %s", resp.Status)
				}
				return
			}
			if resp == nil || resp.StatusCode != test.status || (err != nil) != test.breaks || test.length >= 0 && n != test.length {
				t.Errorf("answer %v, %d bytes, %v", resp, n, err)
			}
		})
	}
}

func TestFaultEchoesTheBearer(t *testing.T) {
	p := start(t)
	p.Change(func(b *fakeplatform.Behavior) {
		b.Faults = []fakeplatform.Fault{{On: "orgcheck", Status: 500, Body: "bad token {bearer}", ContentType: "text/plain"}}
	})
	a := do(t, http.MethodGet, p.Issuer+"/orgcheck", "Bearer s3cret", nil)
	if a.body != "bad token s3cret" || a.header.Get("Content-Type") != "text/plain" {
		t.Errorf("answer %v", a)
	}
}

func TestRegistryFault(t *testing.T) {
	p := start(t)
	busy := fakeplatform.RegistryFault("registry.history", http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down")
	busy.Times, busy.Header = 1, http.Header{"Retry-After": {"7"}}
	p.Change(func(b *fakeplatform.Behavior) { b.Faults = []fakeplatform.Fault{busy} })
	historyURL := p.Registry + "/v2/example.com/python/_chainguard/history/latest"
	ada := "Bearer " + p.AccessToken(fakeplatform.Ada, p.RegistryHost())
	a := do(t, http.MethodGet, historyURL, ada, nil)
	if a.status != 429 || a.header.Get("Retry-After") != "7" || registryError(t, a) != "TOOMANYREQUESTS slow down" {
		t.Errorf("answer %v", a)
	}
	if a := do(t, http.MethodGet, historyURL, ada, nil); a.status != 200 {
		t.Errorf("answer %v once it is gone", a)
	}
}

func TestFaultTimes(t *testing.T) {
	p := start(t)
	p.Change(func(b *fakeplatform.Behavior) {
		b.Faults = []fakeplatform.Fault{{On: "orgcheck", Times: 2, Status: 503}, {On: "sts", Status: 504}}
	})
	var got []int
	for range 3 {
		got = append(got, do(t, http.MethodGet, p.Issuer+"/orgcheck", "", nil).status)
	}
	if got[0] != 503 || got[1] != 503 || got[2] != 200 {
		t.Errorf("statuses %v", got)
	}
	if a := do(t, http.MethodGet, p.Issuer+"/sts/exchange", "", nil); a.status != 504 {
		t.Errorf("a fault of all of sts: %d", a.status)
	}
	if n := p.Count("orgcheck"); n != 3 {
		t.Errorf("%d requests counted", n)
	}
}

// TestLostAnswer is a refresh that the platform did and the client never heard of: the token is spent.
func TestLostAnswer(t *testing.T) {
	p := start(t)
	token := p.RefreshToken(fakeplatform.Ada)
	p.Change(func(b *fakeplatform.Behavior) {
		b.Faults = []fakeplatform.Fault{{On: "sts.refresh", Times: 1, CommitFirst: true, Cut: true}}
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.Issuer+"/sts/exchange_refresh_token",
		strings.NewReader(url.Values{"aud": {p.RegistryHost()}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+token)
	if resp, err := http.DefaultClient.Do(r); err == nil {
		_ = resp.Body.Close()
		t.Fatalf("an answer: %s", resp.Status)
	}
	wantGatewayError(t, refresh(t, p, token, p.RegistryHost()), 401, 16)
}

func TestLatency(t *testing.T) {
	p := start(t)
	p.Change(func(b *fakeplatform.Behavior) { b.Latency["orgcheck"] = time.Hour })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Issuer+"/orgcheck", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(r); !errors.Is(err, context.DeadlineExceeded) {
		if err == nil {
			_ = resp.Body.Close()
		}
		t.Errorf("ended with %v", err)
	}
	if a := do(t, http.MethodGet, p.Issuer+"/jwks", "", nil); a.status != 200 {
		t.Errorf("another request: %d", a.status)
	}
}
