package workload

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"docker-credential-cgr/platform"
)

// google: the metadata server gives tokens of any audience for the machine's
// service account (Google Cloud, "Verify the identity of a VM").
func (h Host) google(audience string) (Source, bool) {
	const name = "Google Cloud"
	if !h.isGoogle() {
		return Source{}, false
	}
	host := h.Getenv("GCE_METADATA_HOST")
	if host == "" {
		host = "metadata.google.internal"
	}
	return Source{Name: name, Token: func(ctx context.Context) (string, error) {
		target, err := googleURL(host, audience)
		if err != nil {
			return "", err
		}
		var text string
		err = retry(ctx, name, host, func(ctx context.Context) error {
			text, err = askGoogle(ctx, target)
			return err
		})
		if err != nil {
			return "", err
		}
		return checked(name, text)
	}}, true
}

// isGoogle says whether the machine says of itself that it is Google's: a service
// or job of Cloud Run, a virtual machine by its firmware (whose name is compared
// whole: a Chromebook is Google's too), or a user who says so.
func (h Host) isGoogle() bool {
	for _, name := range []string{"GCE_METADATA_HOST", "K_SERVICE", "CLOUD_RUN_JOB"} {
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
		return nil, errors.New("no ID token from Google Cloud: GCE_METADATA_HOST is no host, such as metadata.google.internal")
	}
	u.Path = "/computeMetadata/v1/instance/service-accounts/default/identity"
	u.RawQuery = url.Values{"audience": {audience}, "format": {"full"}}.Encode()
	return u, nil
}

// flavor is the header that keeps the metadata server's questions and answers apart
// from everybody else's.
const flavor = "Metadata-Flavor"

// direct reaches the metadata server, which is on the machine's own link: a proxy
// would answer for another machine.
func direct() *http.Transport {
	return &http.Transport{MaxResponseHeaderBytes: 64 << 10, DisableCompression: true, DisableKeepAlives: true}
}

// askGoogle asks the metadata server once. The answer is the bare token, under
// whatever content type: the flavor tells that it is no other server's. Nothing
// secret is sent.
func askGoogle(ctx context.Context, target *url.URL) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return "", errors.New("its address cannot be asked")
	}
	req.Header.Set(flavor, "Google")
	req.Header.Set("User-Agent", "docker-credential-cgr")
	// The transport, and not http.Client, which would follow redirects.
	resp, err := direct().RoundTrip(req)
	if err != nil {
		return "", &unreachable{target.Host, err}
	}
	defer resp.Body.Close()
	if resp.Header.Get(flavor) != "Google" {
		return "", fmt.Errorf("%s is not Google's metadata server: its answer (status %d) has no header %s: Google", target.Host, resp.StatusCode, flavor)
	}
	body, err := readAll(resp.Body)
	if err != nil {
		return "", &unreachable{target.Host, err}
	}
	if resp.StatusCode != http.StatusOK {
		return "", &platform.AnswerError{Host: target.Host, Status: resp.StatusCode, Message: googleMessage(resp, body)}
	}
	return string(body), nil
}

// googleMessage finds what to say of an answer that is an error.
func googleMessage(resp *http.Response, body []byte) string {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	to, err := resp.Location()
	switch {
	case err == nil:
		return "it redirects to " + platform.Printable(to.Host) + ", which is not followed"
	case resp.StatusCode == http.StatusNotFound:
		return "has this machine a service account?"
	case kind == "text/plain":
		return platform.Printable(string(body))
	}
	return "" // a page for browsers
}

// unreachable is a request to the metadata server that got no whole answer.
type unreachable struct {
	host string
	err  error
}

func (e *unreachable) Error() string {
	return fmt.Sprintf("cannot reach %s: %s", e.host, platform.Printable(e.err.Error()))
}
