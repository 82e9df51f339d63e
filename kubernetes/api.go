package kubernetes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/workload/idtoken"
)

// ServiceAccountDir is where a pod has the token of its service account, the certificate of
// the API server's authority, and the name of its namespace
// (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod).
const ServiceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// API is a client of the API server, with the rights of this pod's service account.
type API struct {
	URL       string // without a trailing slash
	Namespace string // of this pod
	TokenFile string // read for every request: the kubelet replaces it
	Transport http.RoundTripper
	Debug     func(format string, args ...any)
}

// OpenAPI returns the client for this pod, from the variables that the kubelet sets and the
// files in dir, such as ServiceAccountDir.
func OpenAPI(getenv func(string) string, dir string) (*API, error) {
	host, port := getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("this is not a pod of a cluster: KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not set")
	}
	authority, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return nil, notMounted(err)
	}
	namespace, err := os.ReadFile(filepath.Join(dir, "namespace"))
	if err != nil {
		return nil, notMounted(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("no certificate in %s", platform.Printable(filepath.Join(dir, "ca.crt")))
	}
	transport := platform.NewTransport()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	transport.MaxIdleConnsPerHost = workers
	return &API{
		URL:       "https://" + net.JoinHostPort(host, port),
		Namespace: strings.TrimSpace(string(namespace)),
		TokenFile: filepath.Join(dir, "token"),
		Transport: transport,
		Debug:     func(string, ...any) {},
	}, nil
}

func notMounted(err error) error {
	return hint.With(fmt.Errorf("cannot sign in to the API server: %s", platform.Printable(err.Error())),
		hint.Text("set automountServiceAccountToken: true in the pod"))
}

// close closes the idle connections of a.
func (a *API) close() {
	if t, ok := a.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// The types of the bodies of a PATCH
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply). JSON is
// YAML.
const (
	applyPatch = "application/apply-patch+yaml"
	mergePatch = "application/merge-patch+json"
)

// fieldManager is this program's name for what it changes
// (https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers).
const fieldManager = "docker-credential-cgr"

const (
	// maxObject is the length limit for a response, in bytes. A secret holds at most 1 MiB,
	// which is a third more in base64.
	maxObject = 3 << 20
	// apiTimeout is how long one request is sent again, and apiTries how often if there is
	// no response: with pauses from 1 s, doubling, until a restarted API server is back.
	apiTimeout = time.Minute
	apiTries   = 6
)

// request is one request to the API server.
type request struct {
	method, path string
	query        url.Values
	kind         string // type of body
	body         any    // for JSON, or nil
}

// send sends a request, and again after temporary errors, and decodes the response into
// answer if that is not nil. Its errors are those of platform.Do, and a *StatusError.
func (a *API) send(ctx context.Context, r request, answer any) error {
	retry := platform.Retry{Endpoint: platform.KubernetesEndpoint, Pause: time.Second, Timeout: apiTimeout, Unreachable: apiTries, Debug: a.Debug}
	return retry.Do(ctx, func() error { return a.sendOnce(ctx, r, answer) })
}

func (a *API) sendOnce(ctx context.Context, r request, answer any) error {
	token, err := idtoken.File(a.TokenFile).Token(ctx)
	if err != nil {
		return notMounted(err)
	}
	address := a.URL + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	a.Debug("%s %s", r.method, address)
	got, err := platform.Do(ctx, a.Transport, platform.Request{Method: r.method, URL: address, Bearer: token, JSON: r.body, JSONType: r.kind, Limit: maxObject})
	switch {
	case err != nil:
		return err
	case got.Status != http.StatusOK && got.Status != http.StatusCreated:
		return parseStatus(got, token)
	case answer == nil:
		return nil
	case got.Cut:
		return fmt.Errorf("%s answered with more than %d MiB", got.Host, maxObject>>20)
	}
	if json.Unmarshal(got.Body, answer) != nil {
		return fmt.Errorf("%s answered with what is not an object of the Kubernetes API", got.Host)
	}
	return nil
}

// StatusError is a response of the API server other than success. All of it is printable.
type StatusError struct {
	Host    string
	Status  int    // HTTP status
	Message string // the server's text; may be empty
	// User, Verb and Resource are what RBAC does not allow, or empty.
	User, Verb, Resource string
	// Managers and Fields are who manages the fields that an apply would change, if that is
	// why it failed.
	Managers, Fields []string
	// RetryAfter is how long the server asks clients to wait; zero if it does not say.
	RetryAfter time.Duration
}

// HTTPStatus returns the status of the response.
func (e *StatusError) HTTPStatus() int { return e.Status }

// RetryDelay returns how long to wait before the next try, or 0 if the server does not say.
func (e *StatusError) RetryDelay() time.Duration { return e.RetryAfter }

func (e *StatusError) Error() string {
	switch {
	case e.Verb != "":
		return fmt.Sprintf("missing RBAC permission: %s %s, for %s", e.Verb, e.Resource, e.User)
	case len(e.Managers) > 0:
		return fmt.Sprintf("%s is managed by %s", strings.Join(e.Fields, ", "), strings.Join(e.Managers, ", "))
	}
	text := fmt.Sprintf("%s answered %d %s", e.Host, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// isStatus reports whether err is a response with this HTTP status.
func isStatus(err error, status int) bool {
	var e *StatusError
	return errors.As(err, &e) && e.Status == status
}

// parseStatus returns the error for a response, which may repeat the token of the request.
func parseStatus(got platform.Response, token string) error {
	e := &StatusError{Host: got.Host, Status: got.Status, RetryAfter: got.RetryAfter()}
	var status struct { // meta/v1 Status
		Message string
		Details struct {
			Causes []struct{ Reason, Message, Field string }
		}
	}
	if json.Unmarshal(got.Body, &status) != nil {
		return e
	}
	e.Message = platform.Printable(status.Message, token)
	if e.Status == http.StatusForbidden {
		// The text of the API server for each authorizer (forbiddenMessage in
		// k8s.io/apiserver, responsewriters/errors.go).
		parts := regexp.MustCompile(`User "([^"]*)" cannot ([a-z]+) resource "([^"]*)"`).FindStringSubmatch(e.Message)
		if parts != nil {
			e.User, e.Verb, e.Resource = parts[1], parts[2], parts[3]
		}
	}
	for _, cause := range status.Details.Causes {
		if e.Status != http.StatusConflict || cause.Reason != "FieldManagerConflict" {
			continue
		}
		manager := strings.TrimPrefix(cause.Message, "conflict with ")
		if quoted, err := strconv.QuotedPrefix(manager); err == nil {
			manager, _ = strconv.Unquote(quoted)
		}
		e.Managers = appendNew(e.Managers, platform.Printable(manager, token))
		e.Fields = appendNew(e.Fields, platform.Printable(cause.Field, token))
	}
	return e
}

func appendNew(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// pageSize is how many namespaces are requested at once, and maxPages how often.
const (
	pageSize = 100
	maxPages = 1000
)

// namespaces returns the names of the namespaces that a label selector matches, without
// those that are being deleted: nothing can be created there.
func (a *API) namespaces(ctx context.Context, selector string) ([]string, error) {
	var names []string
	next, restarted := "", false
	for range maxPages {
		query := url.Values{"labelSelector": {selector}, "limit": {strconv.Itoa(pageSize)}}
		if next != "" {
			query.Set("continue", next)
		}
		var list struct {
			Metadata struct{ Continue string }
			Items    []struct {
				Metadata struct{ Name, DeletionTimestamp string }
			}
		}
		err := a.send(ctx, request{method: http.MethodGet, path: "/api/v1/namespaces", query: query}, &list)
		if isStatus(err, http.StatusGone) && next != "" && !restarted { // the pages before have expired
			names, next, restarted = nil, "", true
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot list the namespaces: %w", err)
		}
		for _, item := range list.Items {
			if item.Metadata.DeletionTimestamp == "" {
				names = append(names, item.Metadata.Name)
			}
		}
		if next = list.Metadata.Continue; next == "" {
			return names, nil
		}
	}
	return nil, fmt.Errorf("cannot list the namespaces: there are more than %d", pageSize*maxPages)
}
