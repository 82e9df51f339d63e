package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/workload/idtoken"
)

const gceHost = "GCE_METADATA_HOST"

// google: the metadata server gives tokens of any audience for the service account of the
// machine (Google Cloud, "Verify the identity of a VM").
var google = System{
	Name:   "Google Cloud",
	Find:   findGoogle,
	Issuer: "https://accounts.google.com",
}

func findGoogle(h Host, audience string) (idtoken.Source, bool) {
	const name = "Google Cloud"
	if !h.isGoogle() {
		return idtoken.Source{}, false
	}
	host := cmp.Or(h.Getenv(gceHost), "metadata.google.internal")
	return idtoken.Source{Name: name, Token: func(ctx context.Context) (string, error) {
		target, err := googleURL(host, audience)
		if err != nil {
			return "", err
		}
		var text string
		err = retry(ctx, name, host, func(ctx context.Context) error {
			text, err = requestGoogleToken(ctx, target)
			return err
		})
		if err != nil {
			return "", err
		}
		return idtoken.Check(name, text)
	}}, true
}

// isGoogle reports whether the machine is Google's: a service or job of Cloud Run, a
// virtual machine by its firmware, or by the user's setting. The firmware's name is
// compared whole, since Chromebooks are Google's too.
func (h Host) isGoogle() bool {
	for _, name := range []string{gceHost, "K_SERVICE", "CLOUD_RUN_JOB"} {
		if h.Getenv(name) != "" {
			return true
		}
	}
	text, _ := os.ReadFile(filepath.Join(h.Root, "sys/class/dmi/id/product_name"))
	product := strings.TrimSpace(string(text))
	return product == "Google" || product == "Google Compute Engine"
}

func googleURL(host, audience string) (*url.URL, error) {
	u, err := url.Parse("http://" + host)
	if err != nil || u.Host != host || u.Hostname() == "" {
		return nil, fmt.Errorf("no ID token from Google Cloud: %s is not a host, such as metadata.google.internal", gceHost)
	}
	u.Path = "/computeMetadata/v1/instance/service-accounts/default/identity"
	u.RawQuery = url.Values{"audience": {audience}, "format": {"full"}}.Encode()
	return u, nil
}

// flavor is the header that marks requests to the metadata server, and its responses.
const flavor = "Metadata-Flavor"

// direct returns a transport without a proxy: the metadata server is on the machine's own
// link, and a proxy would reach that of another machine.
func direct() *http.Transport {
	return &http.Transport{MaxResponseHeaderBytes: 64 << 10, DisableCompression: true, DisableKeepAlives: true}
}

// requestGoogleToken requests a token from the metadata server. The response is the bare
// token with any content type; the flavor proves that it comes from that server. Nothing
// secret is sent.
func requestGoogleToken(ctx context.Context, target *url.URL) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return "", errors.New("its URL is invalid")
	}
	req.Header.Set(flavor, "Google")
	req.Header.Set("User-Agent", "docker-credential-cgr")
	// The transport, and not http.Client, which would follow redirects.
	resp, err := direct().RoundTrip(req)
	if err != nil {
		return "", unreachable(target.Host, err)
	}
	defer resp.Body.Close()
	if resp.Header.Get(flavor) != "Google" {
		return "", fmt.Errorf("%s is not Google's metadata server: its response (status %d) has no header %s: Google",
			target.Host, resp.StatusCode, flavor)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, platform.MaxToken+3))
	if err != nil {
		return "", unreachable(target.Host, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", &platform.ResponseError{Host: target.Host, Status: resp.StatusCode, Message: googleMessage(resp, body)}
	}
	return string(body), nil
}

// googleMessage returns the message of a response that is an error, or "".
func googleMessage(resp *http.Response, body []byte) string {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	to, err := resp.Location()
	switch {
	case err == nil:
		return "it redirects to " + platform.Printable(to.Host) + ", which is not followed"
	case resp.StatusCode == http.StatusNotFound:
		return "the machine may have no service account"
	case kind == "text/plain":
		return platform.Printable(string(body))
	}
	return "" // a web page
}

// unreachable returns the error for a request without a complete response.
func unreachable(host string, err error) error {
	return &platform.UnreachableError{Text: fmt.Sprintf("cannot reach %s: %s", host, platform.Printable(err.Error())), Err: err}
}
