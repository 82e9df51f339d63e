package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/registry"
)

// networkState is the result of the checks of the network.
type networkState struct {
	results   []Result      // one for each endpoint
	issuer    bool          // the issuer can be reached
	registry  bool          // the registry can be reached
	ahead     time.Duration // of the issuer's clock, compared to this machine's
	knowsTime bool          // ahead is set
}

// endpoint is a server that the program needs.
type endpoint struct {
	check string // also the name of its property, after "platform."
	url   *url.URL
	// send sends a request that succeeds only at this server, not at a proxy.
	send func(context.Context) (platform.Response, error)
}

// checkNetwork checks that the issuer, the API and the registry can be reached.
func (c *Checker) checkNetwork(ctx context.Context) networkState {
	ctx, cancel := context.WithTimeout(ctx, networkTimeout)
	defer cancel()
	endpoints := []endpoint{
		// The token service does not accept this method, and the API requires a token.
		{"issuer", c.Config.Issuer, func(ctx context.Context) (platform.Response, error) {
			return c.sendToGateway(ctx, c.Config.Issuer.String()+"/sts/exchange")
		}},
		{"api", c.Config.API, func(ctx context.Context) (platform.Response, error) {
			return c.sendToGateway(ctx, c.Config.API.String()+"/auth/v1/ok")
		}},
		{"registry", c.Config.Registry, func(ctx context.Context) (platform.Response, error) {
			client := registry.Client{URL: c.Config.Registry, Transport: c.Transport}
			return platform.Response{}, client.Ping(ctx)
		}},
	}
	state := networkState{results: make([]Result, len(endpoints))}
	responses := make([]platform.Response, len(endpoints))
	times := make([]time.Time, len(endpoints))
	var all sync.WaitGroup
	for i, e := range endpoints {
		all.Go(func() {
			traced, route := trace(ctx, e.url)
			var err error
			responses[i], err = e.send(traced)
			times[i] = c.Now()
			state.results[i] = c.describe(e, route.snapshot(), err)
		})
	}
	all.Wait()
	state.issuer = state.results[0].Status == OK
	state.registry = state.results[2].Status == OK
	if date := responses[0].Date; state.issuer && !date.IsZero() {
		// A Date header has whole seconds: the middle is exact to half a second.
		state.ahead, state.knowsTime = date.Add(time.Second/2).Sub(times[0]), true
	}
	return state
}

// sendToGateway sends a request that one of the platform's gateways rejects with a gRPC
// code in JSON. The code for an unknown path is another server's.
func (c *Checker) sendToGateway(ctx context.Context, address string) (platform.Response, error) {
	response, err := platform.Do(ctx, c.Transport, platform.Request{Method: http.MethodGet, URL: address})
	if err != nil {
		return response, err
	}
	var rejection struct {
		Code int `json:"code"`
	}
	if json.Unmarshal(response.Body, &rejection) != nil || rejection.Code == 0 || rejection.Code == platform.CodeNotFound {
		kind := cmp.Or(platform.Printable(response.Header.Get("Content-Type")), "no content type")
		return response, fmt.Errorf("a captive portal or a proxy answered, not the platform (status %d, %s)", response.Status, kind)
	}
	if response.Status > http.StatusNotImplemented {
		return response, &platform.ResponseError{Host: response.Host, Status: response.Status, Code: rejection.Code}
	}
	return response, nil
}

// describe returns the result of a request to an endpoint.
func (c *Checker) describe(e endpoint, way *route, err error) Result {
	through := ""
	if proxy := way.proxy(); proxy != "" {
		through = " through the proxy " + platform.Printable(proxy)
	}
	if err == nil {
		signed := ""
		if way.signer != "" {
			signed = fmt.Sprintf(", with a certificate signed by %q", way.signer)
		}
		return ok(e.check, "%s answers%s%s", e.url, through, signed)
	}
	cause := c.explainNetwork(e, way, err)
	return failure(e.check, fmt.Sprintf("%s cannot be reached%s: %s", e.url, through, cause), hint.Of(cause)...)
}

// explainNetwork returns why a request failed, and what to do.
func (c *Checker) explainNetwork(e endpoint, way *route, err error) error {
	if cause := platform.ExplainTLS(err); cause != nil {
		return cause
	}
	isProxied := way.proxy() != ""
	variable := c.proxyVariable(e.url.Scheme)
	correctProxy := []hint.Hint{hint.Text("correct %s, or unset it", variable)}
	fix := c.checkSetting(e, hint.Text("check that this machine is online, and ask the network's administrator to allow %s; if a proxy is needed, set %s",
		way.target, variable))
	if isProxied {
		fix = correctProxy
	}
	var lookup *net.DNSError
	var dial *net.OpError
	switch {
	case !platform.IsUnreachable(err):
		return explainResponse(err)
	case way.via == "": // the transport has not chosen a connection
		return hint.With(fmt.Errorf("%s is not the address of a proxy, such as http://proxy.example:3128", variable), correctProxy...)
	case errors.As(err, &lookup):
		return hint.With(fmt.Errorf("there is no address for the name %s (%s)", platform.Printable(lookup.Name), lookup.Err), fix...)
	case errors.Is(err, context.DeadlineExceeded):
		return hint.With(errors.New(way.explainTimeout()), fix...)
	case errors.As(err, &dial) && !way.connected:
		return hint.With(fmt.Errorf("no server accepts connections at %s (%s)", way.tried, rootCause(err)), fix...)
	case way.connected && !isProxied: // to something else than the server
		fix = c.checkSetting(e, portal...)
	}
	return hint.With(errors.New(rootCause(err)), fix...)
}

// checkSetting returns the fix for an endpoint that cannot be reached: if its URL is not
// the default, that may be wrong.
func (c *Checker) checkSetting(e endpoint, otherwise ...hint.Hint) []hint.Hint {
	property := "platform." + e.check
	for _, s := range c.Config.Settings {
		if s.Property == property && s.Source != "default" {
			return []hint.Hint{hint.Text("check that %s is right (%s)", property, s.Source), c.unset(property)}
		}
	}
	return otherwise
}

// explainTimeout returns what was missing when a request timed out.
func (r *route) explainTimeout() string {
	switch {
	case r.connected:
		return r.tried + " accepts connections, but does not answer"
	case r.tried != "":
		return "no answer from " + r.tried + " in time: does a firewall block it?"
	}
	return "the name server did not answer in time"
}

// portal is the fix if another server answered.
var portal = []hint.Hint{
	hint.Text("open a page in a browser: if the network asks for a sign-in, sign in; else check HTTPS_PROXY and the platform's settings"),
	hint.Do(hint.ListSettings),
}

// explainResponse explains a response that is not the server's own.
func explainResponse(err error) error {
	var response *platform.ResponseError
	var refused *registry.Error
	if errors.As(err, &refused) {
		response = &platform.ResponseError{Host: refused.Host, Status: refused.Status, Message: refused.Message}
	}
	switch {
	case response == nil && !errors.As(err, &response):
		return hint.With(errors.New(err.Error()), portal...)
	case response.Status >= 500:
		return hint.With(fmt.Errorf("it answered %d %s", response.Status, http.StatusText(response.Status)), hint.Text("try again later"))
	}
	return hint.With(fmt.Errorf("%w: a captive portal or a proxy?", response), portal...)
}

// rootCause returns the text of the innermost error, without the addresses that the outer
// ones name.
func rootCause(err error) string {
	for inner := err; inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return platform.Printable(err.Error())
}
