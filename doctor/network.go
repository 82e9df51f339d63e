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

	"docker-credential-cgr/platform"
	"docker-credential-cgr/registry"
)

// reached is what the network let through.
type reached struct {
	results  []Result // one for each endpoint
	issuer   bool     // it answered
	registry bool
	ahead    time.Duration // how far the issuer's clock is ahead of this machine's
	told     bool          // the issuer said what time it is
}

// endpoint is one of the servers that the program needs.
type endpoint struct {
	check string // as property of the settings: "platform." and this
	url   *url.URL
	// ask sends a request that this server, and no proxy or other server, answers
	// without an error.
	ask func(context.Context) (platform.Response, error)
}

// network checks that issuer, API and registry can be reached, side by side.
func (p *Patient) network(ctx context.Context) reached {
	ctx, cancel := context.WithTimeout(ctx, networkLimit)
	defer cancel()
	endpoints := []endpoint{
		{"issuer", p.Config.Issuer, p.askIssuer},
		{"api", p.Config.API, p.askAPI},
		{"registry", p.Config.Registry, p.askRegistry},
	}
	found := reached{results: make([]Result, len(endpoints))}
	answers := make([]platform.Response, len(endpoints))
	times := make([]time.Time, len(endpoints))
	var all sync.WaitGroup
	for i, e := range endpoints {
		all.Go(func() {
			traced, route := traced(ctx, e.url)
			var err error
			answers[i], err = e.ask(traced)
			times[i] = p.Now()
			found.results[i] = p.reach(e, route.seen(), err)
		})
	}
	all.Wait()
	found.issuer = found.results[0].Status == OK
	found.registry = found.results[2].Status == OK
	if date := answers[0].Date; found.issuer && !date.IsZero() {
		// A Date header tells whole seconds: in the middle it is right to half a one.
		found.ahead, found.told = date.Add(time.Second/2).Sub(times[0]), true
	}
	return found
}

// askIssuer asks for a token in a way that the token service refuses in its own
// words: with the wrong method.
func (p *Patient) askIssuer(ctx context.Context) (platform.Response, error) {
	return p.askGateway(ctx, p.Config.Issuer.String()+"/sts/exchange")
}

// askAPI asks the API who asks, without a token.
func (p *Patient) askAPI(ctx context.Context) (platform.Response, error) {
	return p.askGateway(ctx, p.Config.API.String()+"/auth/v1/ok")
}

// askGateway asks one of the platform's gateways for what it refuses with a gRPC code
// in JSON. A code for a path that is not known is another server's.
func (p *Patient) askGateway(ctx context.Context, address string) (platform.Response, error) {
	answer, err := platform.Do(ctx, p.Transport, platform.Request{Method: http.MethodGet, URL: address})
	if err != nil {
		return answer, err
	}
	var refusal struct {
		Code int `json:"code"`
	}
	if json.Unmarshal(answer.Body, &refusal) != nil || refusal.Code == 0 || refusal.Code == platform.CodeNotFound {
		kind := cmp.Or(platform.Printable(answer.Header.Get("Content-Type")), "no content type")
		return answer, fmt.Errorf("a captive portal or a proxy answered, not the platform (status %d, %s)", answer.Status, kind)
	}
	if answer.Status > http.StatusNotImplemented {
		return answer, &platform.ResponseError{Host: answer.Host, Status: answer.Status, Code: refusal.Code}
	}
	return answer, nil
}

// askRegistry asks the registry where its tokens are had, which must be itself.
func (p *Patient) askRegistry(ctx context.Context) (platform.Response, error) {
	client := registry.Client{URL: p.Config.Registry, Transport: p.Transport}
	err := client.Ping(ctx)
	return platform.Response{}, err
}

// reach makes a result of what came of a request to an endpoint.
func (p *Patient) reach(e endpoint, way *route, err error) Result {
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
	says, mend := p.explain(e, way, err)
	return failure(e.check, mend, "%s cannot be reached%s: %s", e.url, through, says)
}

// explain says at which step a request failed, and what to do.
func (p *Patient) explain(e endpoint, way *route, err error) (says, mend string) {
	host := e.url.Hostname()
	if says, mend, found := p.certificate(host, err); found {
		return says, mend
	}
	proxied := way.proxy() != ""
	variable := p.proxyVariable(e.url.Scheme)
	reachable := p.otherwise(e, "see that this machine is online, and have whoever runs the network let it reach "+way.target+"; where a proxy is needed, set "+variable)
	if proxied {
		reachable = "correct " + variable + ", or unset it"
	}
	var lookup *net.DNSError
	var dial *net.OpError
	switch {
	case !platform.IsUnreachable(err):
		return stranger(err)
	case way.via == "": // the transport did not even look for a way
		return variable + " is no address of a proxy, such as http://proxy.example:3128", "correct " + variable + ", or unset it"
	case errors.As(err, &lookup) && lookup.IsTimeout:
		return "the name server did not answer for " + platform.Printable(lookup.Name), "see that this machine is online, and which name server it asks"
	case errors.As(err, &lookup):
		return "there is no address for the name " + platform.Printable(lookup.Name), reachable
	case errors.Is(err, context.DeadlineExceeded):
		return silent(way), reachable
	case errors.As(err, &dial) && !way.connected:
		if loopback(way.tried) && !loopback(way.target) && host != "localhost" && !proxied {
			return fmt.Sprintf("the name leads to %s, which is not its server", way.tried), "take " + host + " out of this machine's hosts file, or out of what the name server blocks"
		}
		return fmt.Sprintf("nothing takes connections at %s (%s)", way.tried, root(err)), reachable
	case way.connected && !proxied: // to something that answers in another way
		reachable = p.otherwise(e, portal)
	}
	return root(err), reachable
}

// otherwise is what to do about an endpoint: where it is not the default, that may be
// what is wrong.
func (p *Patient) otherwise(e endpoint, standard string) string {
	property := "platform." + e.check
	for _, s := range p.Config.Settings {
		if s.Property == property && s.Source != "default" {
			return "see that " + property + " is right (" + s.Source + "), or: " + p.unset(property)
		}
	}
	return standard
}

// silent says what no answer came to.
func silent(way *route) string {
	switch {
	case !way.connected && way.tried != "":
		return "no answer from " + way.tried + " in time: a firewall?"
	case !way.connected:
		return "the name server did not answer in time"
	case !way.sent:
		return way.tried + " takes connections, and then says nothing"
	}
	return "it took the request, and gave no answer in time"
}

// portal is what to do where something else than the server answers.
const portal = "open a page in a browser: if one of the network's own comes up, sign in there; else see that HTTPS_PROXY and the platform's settings are right (" + name + " config view)"

// stranger explains an answer that is not the server's own.
func stranger(err error) (says, mend string) {
	var answer *platform.ResponseError
	var refused *registry.Error
	if errors.As(err, &refused) {
		answer = &platform.ResponseError{Host: refused.Host, Status: refused.Status, Message: refused.Message}
	}
	switch {
	case answer == nil && !errors.As(err, &answer):
		return err.Error(), portal
	case answer.Status >= 500:
		return fmt.Sprintf("it answered %d %s", answer.Status, http.StatusText(answer.Status)), "try again later"
	}
	return answer.Error() + ": a captive portal or a proxy?", portal
}

// root is the text of the error at the bottom, without the addresses that those
// above it name.
func root(err error) string {
	for inner := err; inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return platform.Printable(err.Error())
}
