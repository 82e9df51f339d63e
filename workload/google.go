package workload

import (
	"cmp"
	"context"
	"fmt"
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

// metadata is a transport to the metadata server.
type metadata struct{ http.RoundTripper }

func (m metadata) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set(flavor, "Google")
	return m.RoundTripper.RoundTrip(r)
}

// requestGoogleToken requests a token from the metadata server. The response is the bare
// token with any content type; the flavor proves that it comes from that server. Nothing
// secret is sent.
func requestGoogleToken(ctx context.Context, target *url.URL) (string, error) {
	request := platform.Request{Method: http.MethodGet, URL: target.String(), Limit: platform.MaxToken + 3}
	answer, err := platform.Do(ctx, metadata{direct()}, request)
	switch {
	case err != nil:
		return "", err
	case answer.Header.Get(flavor) != "Google":
		return "", fmt.Errorf("%s is not Google's metadata server: its response (status %d) has no header %s: Google",
			target.Host, answer.Status, flavor)
	case answer.Status == http.StatusNotFound:
		return "", fmt.Errorf("%s answered 404 Not Found: the machine may have no service account", target.Host)
	case answer.Status != http.StatusOK:
		return "", &platform.ResponseError{Host: target.Host, Status: answer.Status}
	}
	return string(answer.Body), nil
}
