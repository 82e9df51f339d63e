package kubernetes

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"docker-credential-cgr/hint"
)

// newRefresher returns a refresher of cgr-pull in a cluster, with tokens of an hour.
func newRefresher(c *cluster, namespaces ...string) (*Refresher, *tokens) {
	source := &tokens{life: time.Hour}
	return &Refresher{
		Open: c.open, Exchange: source.exchange, Registry: "cgr.dev", Username: "_token", Now: time.Now,
		Name: "cgr-pull", Namespaces: namespaces,
	}, source
}

// mustRefresh refreshes once, and checks that the error of each failed namespace is fit to print.
func mustRefresh(t *testing.T, r *Refresher) []Result {
	t.Helper()
	results, err := r.Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		if (result.Err != nil) != (result.Action == Failed) {
			t.Errorf("got %+v, want an error if it failed", result)
		}
		if result.Err != nil {
			wantPlain(t, r, result.Err)
		}
	}
	return results
}

// wantPlain checks that an error is one short line without a part of a token.
func wantPlain(t *testing.T, r *Refresher, err error) {
	t.Helper()
	text := err.Error()
	if strings.ContainsAny(text, "\n\r\x1b") || len(text) > 700 {
		t.Errorf("P13 P14 got %q, want one short printable line", text)
	}
	secrets := []string{"api-token"}
	if r.token != nil {
		secrets = append(secrets, strings.Split(r.token.AccessToken, ".")[1:]...)
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte("_token:" + r.token.AccessToken))[20:60])
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("got %q, want no part of a token", text)
		}
	}
}

// actions returns "namespace action" of results.
func actions(results []Result) []string {
	var list []string
	for _, r := range results {
		list = append(list, r.Namespace+" "+string(r.Action))
	}
	return list
}

// login returns the token for the registry in a Docker config.
func login(t *testing.T, config string) string {
	t.Helper()
	var file struct {
		Auths map[string]struct{ Auth string }
	}
	if err := json.Unmarshal([]byte(config), &file); err != nil {
		t.Fatalf("%v in %s", err, config)
	}
	pair, err := base64.StdEncoding.DecodeString(file.Auths["cgr.dev"].Auth)
	user, token, _ := strings.Cut(string(pair), ":")
	if err != nil || user != "_token" {
		t.Errorf("got the user %q, %v, want _token", user, err)
	}
	return token
}

func entry(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

func TestRefreshCreates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		r, source := newRefresher(c)
		got := mustRefresh(t, r)
		want := []Result{{Namespace: "own", Action: Created, Expires: r.token.Expiry}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v: the pod's own namespace", got, want)
		}
		if login(t, c.config("own")) != source.last {
			t.Errorf("got %s, want the new token", c.config("own"))
		}
		object := c.objects[secretPath("own")]
		if object["kind"] != "Secret" || object["type"] != "kubernetes.io/dockerconfigjson" || len(object["data"].(map[string]any)) != 1 {
			t.Errorf("got %v, want a pull secret", object)
		}
		wantNotes := map[string]any{IdentityAnnotation: identity, ExpiresAnnotation: r.token.Expiry.UTC().Format(time.RFC3339)}
		if got := c.annotations("own"); !reflect.DeepEqual(got, wantNotes) {
			t.Errorf("got the annotations %v, want %v", got, wantNotes)
		}
		if want := []string{"GET " + secretPath("own"), "PATCH " + secretPath("own")}; !slices.Equal(c.requests, want) {
			t.Errorf("got the requests %q, want %q", c.requests, want)
		}
	})
}

// Which tokens in a secret are as good as the new one.
func TestRefreshFresh(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of each bubble
	later := func(d time.Duration) time.Time { return now.Add(d) }
	for _, test := range []struct {
		name, config string
		want         Action
		requests     int
	}{
		{"the same age", `{"auths":{"cgr.dev":{"auth":"` + entry("_token", jwt(identity, later(time.Hour))) + `"}}}`, Unchanged, 1},
		{"almost a quarter of its life over", `{"auths":{"cgr.dev":{"auth":"` + entry("_token", jwt(identity, later(46*time.Minute))) + `"}}}`, Unchanged, 1},
		{"more than that", `{"auths":{"cgr.dev":{"auth":"` + entry("_token", jwt(identity, later(44*time.Minute))) + `"}}}`, Updated, 2},
		{"in other fields", `{"auths":{"cgr.dev":{"username":"_token","password":"` + jwt(identity, later(time.Hour)) + `"}}}`, Unchanged, 1},
		{"a token that claims to last for years", `{"auths":{"cgr.dev":{"auth":"` + entry("_token", jwt(identity, later(9999*time.Hour))) + `"}}}`, Updated, 2},
		{"another identity's", `{"auths":{"cgr.dev":{"auth":"` + entry("_token", jwt("other", later(time.Hour))) + `"}}}`, Updated, 2},
		{"another user name", `{"auths":{"cgr.dev":{"auth":"` + entry("user", jwt(identity, later(time.Hour))) + `"}}}`, Updated, 2},
		{"a pull token", `{"auths":{"cgr.dev":{"auth":"` + entry(identity, "opaque") + `"}}}`, Updated, 2},
		{"of a path of the registry only", `{"auths":{"cgr.dev/org":{"auth":"` + entry("_token", jwt(identity, later(time.Hour))) + `"}}}`, Updated, 2},
		{"no entry", `{"auths":{}}`, Updated, 2},
		{"no auths", `{}`, Updated, 2},
		{"auths are null", `{"auths":null}`, Updated, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				c.putSecret("web", test.config, "")
				r, source := newRefresher(c, "web")
				got := mustRefresh(t, r)
				if got[0].Action != test.want || len(c.requests) != test.requests {
					t.Errorf("got %s with %q, want %s with %d requests", got[0].Action, c.requests, test.want, test.requests)
				}
				if test.want == Updated && login(t, c.config("web")) != source.last {
					t.Errorf("got %s, want the new token", c.config("web"))
				}
				if left := time.Until(got[0].Expires); left < 45*time.Minute-time.Second || left > time.Hour {
					t.Errorf("got the end %s, want that of the token in the secret", got[0].Expires)
				}
			})
		})
	}
}

// Only this registry's entry changes.
func TestRefreshKeepsOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.putSecret("web", `{"auths":{"a.example":{"auth":"YTpi","email":"x"},"cgr.dev":{"auth":"b2xkOm9sZA=="},"cgr.dev/org":{"auth":"YTpi"}},"HttpHeaders":{"X":["1"]},"credHelpers":{"b.example":"b"}}`, "")
		r, _ := newRefresher(c, "web")
		mustRefresh(t, r)
		want := `{"auths":{"a.example":{"auth":"YTpi","email":"x"},"cgr.dev":{"auth":"` + entry("_token", r.token.AccessToken) +
			`"},"cgr.dev/org":{"auth":"YTpi"}},"HttpHeaders":{"X":["1"]},"credHelpers":{"b.example":"b"}}`
		if got := c.config("web"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// A secret that cannot be changed for certain is not changed, and the other namespaces go on.
func TestRefreshFails(t *testing.T) {
	opaque := map[string]any{"type": "Opaque", "data": map[string]any{"a": "Yg=="}}
	for _, test := range []struct {
		name, want, hint string
		setUp            func(*cluster)
		requests         int // for the namespace
	}{
		{"another type", "the secret cgr-pull has the type Opaque instead of kubernetes.io/dockerconfigjson; it was not changed", "",
			func(c *cluster) { c.put(secretPath("web"), opaque) }, 1},
		{"broken config", "the secret cgr-pull:1:11: invalid JSON: ", "correct or remove the secret cgr-pull",
			func(c *cluster) { c.putSecret("web", `{"auths": x}`, "") }, 1},
		{"auths that are a number", "auths is not an object; it was not changed", "correct or remove the secret cgr-pull",
			func(c *cluster) { c.putSecret("web", `{"auths":1}`, "") }, 1},
		{"auths twice", `the key "auths" a second time`, "", func(c *cluster) { c.putSecret("web", `{"auths":{},"auths":{}}`, "") }, 1},
		{"auths in another case", `"Auths"`, "", func(c *cluster) { c.putSecret("web", `{"Auths":{"cgr.dev":{"auth":"YTpi"}}}`, "") }, 1},
		{"another manager", "in the secret cgr-pull, .data..dockerconfigjson is managed by kubectl-create; it was not changed",
			"add --force to take the field over; the other registries in it stay",
			func(c *cluster) { c.putSecret("web", `{"auths":{"a.example":{"auth":"YTpi"}}}`, "kubectl-create") }, 2},
		{"no right to get", "missing RBAC permission: get secrets, for system:serviceaccount:cgr-refresher:refresh-cgr-pull", "",
			before(func(w http.ResponseWriter, _ string) { forbid(w, "get", "secrets", "web") }, "GET"), 1},
		{"no right to create", "missing RBAC permission: create secrets, for system:serviceaccount:cgr-refresher:refresh-cgr-pull", "",
			before(func(w http.ResponseWriter, _ string) { forbid(w, "create", "secrets", "web") }, "PATCH"), 2},
		{"refused by admission", `10.96.0.1:443 answered 403 Forbidden: admission webhook "policy" denied the request: no`, "",
			before(func(w http.ResponseWriter, _ string) {
				status(w, 403, "Forbidden", `admission webhook "policy" denied the request: no`, nil)
			}, "PATCH"), 2},
		{"signed out", "10.96.0.1:443 answered 401 Unauthorized: Unauthorized", "",
			before(func(w http.ResponseWriter, _ string) { status(w, 401, "Unauthorized", "Unauthorized", nil) }, "GET"), 1},
		{"no such namespace", `10.96.0.1:443 answered 404 Not Found: namespaces "web" not found`, "",
			before(func(w http.ResponseWriter, _ string) { status(w, 404, "NotFound", `namespaces "web" not found`, nil) }, "PATCH"), 2},
		{"changed by others all the time", "the object has been modified", "",
			before(func(w http.ResponseWriter, _ string) {
				status(w, 409, "Conflict", `Operation cannot be fulfilled on secrets "cgr-pull": the object has been modified`, nil)
			}, "PATCH"), 2 * maxReads},
		{"a page", "10.96.0.1:443 answered with what is not an object of the Kubernetes API", "",
			before(func(w http.ResponseWriter, _ string) { fmt.Fprint(w, "<html>") }, "GET"), 1},
		{"too long", "10.96.0.1:443 answered with more than 3 MiB", "",
			before(func(w http.ResponseWriter, _ string) { fmt.Fprint(w, strings.Repeat(" ", maxObject+1)) }, "GET"), 1},
		{"a redirect", "it redirects to evil.example, which is not followed", "",
			before(func(w http.ResponseWriter, _ string) {
				w.Header().Set("Location", "https://evil.example/")
				w.WriteHeader(302)
			}, "GET"), 1},
		{"control characters and tokens", "answered 400 Bad Request: \\x1b[2J", "",
			before(func(w http.ResponseWriter, bearer string) {
				status(w, 400, "BadRequest", "\x1b[2J\n"+bearer+" "+jwt(identity, time.Now()), nil)
			}, "PATCH"), 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				test.setUp(c)
				old := c.config("web")
				r, source := newRefresher(c, "web", "shop")
				got := mustRefresh(t, r)
				if want := []string{"shop created", "web failed"}; !slices.Equal(actions(got), want) {
					t.Fatalf("got %q, want %q", actions(got), want)
				}
				if err := got[1].Err; !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %q, want %q", err, test.want)
				}
				if hints := hint.Of(got[1].Err); test.hint != "" && (len(hints) != 1 || hints[0].Text != test.hint) {
					t.Errorf("got the hints %v, want %q", hints, test.hint)
				}
				if c.config("web") != old || login(t, c.config("shop")) != source.last {
					t.Errorf("got %s in web and %s in shop, want only the latter changed", c.config("web"), c.config("shop"))
				}
				if n := len(c.requests) - 2; n != test.requests {
					t.Errorf("got %q, want %d requests for web", c.requests, test.requests)
				}
			})
		})
	}
}

// before returns a set-up after which an answer takes the place of the server's, for requests
// with a method in the namespace web.
func before(answer func(w http.ResponseWriter, bearer string), method string) func(*cluster) {
	return func(c *cluster) {
		c.before = func(w http.ResponseWriter, m, path string, _ int) bool {
			if m != method || path != secretPath("web") {
				return false
			}
			answer(w, c.bearers[len(c.bearers)-1])
			return true
		}
	}
}

func TestRefreshForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.putSecret("web", `{"auths":{"a.example":{"auth":"YTpi"}}}`, "kubectl-create")
		r, source := newRefresher(c, "web")
		r.Force = true
		if got := actions(mustRefresh(t, r)); !slices.Equal(got, []string{"web updated"}) || login(t, c.config("web")) != source.last {
			t.Errorf("got %q and %s, want it updated", got, c.config("web"))
		}
		if !strings.Contains(c.config("web"), `"a.example"`) {
			t.Errorf("got %s, want the other registry in it", c.config("web"))
		}
	})
}

// Others write the same secret between the read and the apply: nothing of theirs is lost.
func TestRefreshRaces(t *testing.T) {
	const theirs = `{"auths":{"new.example":{"auth":"YTpi"}}}`
	for _, test := range []struct {
		name, manager string
		exists, force bool
		requests      int
	}{
		{"changed", "", true, false, 4},
		{"created", "", false, true, 4}, // by another program, of which it gets the conflict first
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				if test.exists {
					c.putSecret("web", `{"auths":{"old.example":{"auth":"YTpi"}}}`, "")
				}
				c.before = func(w http.ResponseWriter, method, _ string, n int) bool {
					if method == http.MethodPatch && n == 1 {
						manager := "other"
						if test.exists {
							manager = ""
						}
						c.putSecret("web", theirs, manager)
					}
					return false
				}
				r, source := newRefresher(c, "web")
				r.Force = test.force
				if got := actions(mustRefresh(t, r)); !slices.Equal(got, []string{"web updated"}) || len(c.requests) != test.requests {
					t.Errorf("got %q with %q, want it updated with %d requests", got, c.requests, test.requests)
				}
				if config := c.config("web"); login(t, config) != source.last || !strings.Contains(config, "new.example") {
					t.Errorf("got %s, want both registries", config)
				}
			})
		})
	}
}

// Two refreshers at once, each with its own token.
func TestRefreshTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.delay = 10 * time.Millisecond
		c.putSecret("web", `{"auths":{"a.example":{"auth":"YTpi"}}}`, "")
		var group sync.WaitGroup
		for range 2 {
			r, _ := newRefresher(c, "web", "shop")
			r.ServiceAccounts = []string{"default"}
			for _, namespace := range r.Namespaces {
				c.put("/api/v1/namespaces/"+namespace+"/serviceaccounts/default", map[string]any{})
			}
			group.Go(func() {
				for _, result := range mustRefresh(t, r) {
					if result.Err != nil {
						t.Error(result.Err)
					}
				}
			})
		}
		group.Wait()
		for _, namespace := range []string{"web", "shop"} {
			login(t, c.config(namespace))
			account := c.objects["/api/v1/namespaces/"+namespace+"/serviceaccounts/default"]
			if want := []any{map[string]any{"name": "cgr-pull"}}; !reflect.DeepEqual(account["imagePullSecrets"], want) {
				t.Errorf("got %v, want %v", account["imagePullSecrets"], want)
			}
		}
		if !strings.Contains(c.config("web"), "a.example") {
			t.Errorf("got %s, want the other registry in it", c.config("web"))
		}
	})
}

func TestRefreshServiceAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		path := func(namespace, name string) string {
			return "/api/v1/namespaces/" + namespace + "/serviceaccounts/" + name
		}
		c.put(path("web", "default"), map[string]any{"metadata": map[string]any{"annotations": map[string]any{"a": "b"}}, "imagePullSecrets": []any{map[string]any{"name": "other"}}})
		c.put(path("web", "builder"), map[string]any{"imagePullSecrets": []any{map[string]any{"name": "cgr-pull"}}})
		c.put(path("shop", "default"), map[string]any{})
		r, _ := newRefresher(c, "web", "shop")
		r.ServiceAccounts = []string{"default", "builder"}
		got := mustRefresh(t, r)
		if want := []string{"shop failed", "web created"}; !slices.Equal(actions(got), want) || got[0].Err.Error() != "there is no service account builder" {
			t.Errorf("got %+v, want %q", got, want)
		}
		if !slices.Equal(got[0].ServiceAccounts, []string{"default"}) || !slices.Equal(got[1].ServiceAccounts, []string{"default"}) {
			t.Errorf("got %+v, want the account default changed in both", got)
		}
		account := c.objects[path("web", "default")]
		want := []any{map[string]any{"name": "other"}, map[string]any{"name": "cgr-pull"}}
		if !reflect.DeepEqual(account["imagePullSecrets"], want) || account["metadata"].(map[string]any)["annotations"].(map[string]any)["a"] != "b" {
			t.Errorf("got %v, want the secret added", account)
		}
		// Once it is there, it costs one request an account.
		c.put(path("shop", "builder"), map[string]any{"imagePullSecrets": []any{map[string]any{"name": "cgr-pull"}}})
		c.requests = nil
		if got := actions(mustRefresh(t, r)); !slices.Equal(got, []string{"shop unchanged", "web unchanged"}) || len(c.requests) != 6 {
			t.Errorf("got %q with %q, want six requests", got, c.requests)
		}
	})
}

// The budget of issue 14: one exchange, at most two requests a namespace.
func TestRefreshManyNamespaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.delay = 10 * time.Millisecond
		for i := range 500 {
			c.namespaces = append(c.namespaces, fmt.Sprintf("ns-%03d", i))
		}
		c.namespaces = append(c.namespaces, "gone terminating")
		r, source := newRefresher(c)
		r.Selector = "pull=cgr"
		results := mustRefresh(t, r)
		lists := len(slices.DeleteFunc(slices.Clone(c.requests), func(r string) bool { return r != "GET /api/v1/namespaces" }))
		if len(results) != 500 || source.exchanges != 1 || lists != 6 || len(c.requests)-lists != 1000 {
			t.Errorf("got %d results with %d exchanges, %d lists and %d other requests, want 500 with 1, 6 and 1000", len(results), source.exchanges, lists, len(c.requests)-lists)
		}
		if c.mostAtOnce != workers {
			t.Errorf("got %d requests at once, want %d", c.mostAtOnce, workers)
		}
		for i, result := range results {
			if result.Action != Created || result.Namespace != fmt.Sprintf("ns-%03d", i) {
				t.Fatalf("got %+v, want it created, in order", result)
			}
		}
		c.requests = nil
		mustRefresh(t, r)
		if len(c.requests) != lists+500 {
			t.Errorf("got %d requests for what is fresh, want one a namespace", len(c.requests)-lists)
		}
		t.Logf("500 namespaces: %d exchange, 1000 requests, at most %d at once; again: 500 requests", source.exchanges, c.mostAtOnce)
	})
}

func TestRefreshPages(t *testing.T) {
	expired := func(times int) func(w http.ResponseWriter, method, path string, n int) bool {
		return func(w http.ResponseWriter, _, path string, n int) bool {
			if path != "/api/v1/namespaces" || n%2 != 0 || n > 2*times {
				return false
			}
			status(w, 410, "Expired", "The provided continue parameter is too old to display a consistent list result.", nil)
			return true
		}
	}
	for times, want := range []string{"", "", "cannot list the namespaces: 10.96.0.1:443 answered 410 Gone: The provided continue parameter is too old"} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t)
			for i := range 150 {
				c.namespaces = append(c.namespaces, fmt.Sprintf("ns-%03d", i))
			}
			c.before = expired(times)
			r, source := newRefresher(c)
			r.Selector = "pull=cgr"
			results, err := r.Refresh(t.Context())
			switch {
			case want == "" && (err != nil || len(results) != 150):
				t.Errorf("%d times expired: got %d results, %v, want 150", times, len(results), err)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want) || source.exchanges != 0):
				t.Errorf("%d times expired: got %v after %d exchanges, want %q after none", times, err, source.exchanges, want)
			}
		})
	}
	t.Run("no namespace", func(t *testing.T) {
		c := newCluster(t)
		r, source := newRefresher(c)
		r.Selector = "pull=cgr"
		if results := mustRefresh(t, r); len(results) != 0 || source.exchanges != 0 {
			t.Errorf("got %v after %d exchanges, want nothing done", results, source.exchanges)
		}
	})
	t.Run("no right to list", func(t *testing.T) {
		c := newCluster(t)
		c.before = func(w http.ResponseWriter, _, _ string, _ int) bool {
			status(w, 403, "Forbidden", `namespaces is forbidden: User "system:serviceaccount:a:b" cannot list resource "namespaces" in API group "" at the cluster scope`, nil)
			return true
		}
		r, _ := newRefresher(c)
		r.Selector = "pull=cgr"
		_, err := r.Refresh(t.Context())
		if want := "cannot list the namespaces: missing RBAC permission: list namespaces, for system:serviceaccount:a:b"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %q", err, want)
		}
	})
}

// The API server restarts, or asks for a pause.
func TestRefreshRestarts(t *testing.T) {
	answer := func(code int, after string, times int) func(c *cluster, started time.Time) {
		return func(c *cluster, _ time.Time) {
			c.before = func(w http.ResponseWriter, _, _ string, n int) bool {
				if n > times {
					return false
				}
				w.Header().Set("Retry-After", after)
				status(w, code, "", "again later", nil)
				return true
			}
		}
	}
	down := func(d time.Duration) func(*cluster, time.Time) {
		return func(c *cluster, started time.Time) { c.refused = func() bool { return time.Since(started) < d } }
	}
	for _, test := range []struct {
		name    string
		fault   func(c *cluster, started time.Time)
		fails   string
		atLeast time.Duration
		most    time.Duration
	}{
		{"connections refused for 20 s", down(20 * time.Second), "", 20 * time.Second, 40 * time.Second},
		{"connections refused for long", down(time.Hour), "cannot reach 10.96.0.1:443: dial tcp 10.96.0.1:443: connect: connection refused", 30 * time.Second, 40 * time.Second},
		{"503", answer(503, "", 2), "", 3 * time.Second, 10 * time.Second},
		{"503 for long", answer(503, "", 100), "10.96.0.1:443 answered 503 Service Unavailable: again later", 30 * time.Second, time.Minute},
		{"429 with Retry-After", answer(429, "7", 1), "", 14 * time.Second, 16 * time.Second}, // GET and PATCH
		{"500", answer(500, "", 1), "", 2 * time.Second, 5 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				started := time.Now()
				test.fault(c, started)
				var namespaces []string
				for i := range 100 {
					namespaces = append(namespaces, fmt.Sprintf("ns-%02d", i))
				}
				r, _ := newRefresher(c, namespaces...)
				for _, result := range mustRefresh(t, r) {
					if (result.Err == nil) != (test.fails == "") || result.Err != nil && result.Err.Error() != test.fails {
						t.Fatalf("got %v, want %q", result.Err, test.fails)
					}
				}
				took := time.Since(started)
				if test.name == "429 with Retry-After" || test.name == "503" || test.name == "500" { // each of the 100 waits
					took /= 13
				}
				if took < test.atLeast || took > test.most {
					t.Errorf("it took %s, want %s to %s", took, test.atLeast, test.most)
				}
				if test.fails != "" && len(c.requests) > workers*10 {
					t.Errorf("got %d requests, want none for those that are left when the server is down", len(c.requests))
				}
			})
		})
	}
}

// The kubelet replaces the file of the API token while the program runs.
func TestRefreshRotatedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.before = func(_ http.ResponseWriter, _, _ string, _ int) bool {
			c.writeToken("api-token-2")
			return false
		}
		r, _ := newRefresher(c, "web")
		mustRefresh(t, r)
		if want := []string{"api-token-1", "api-token-2"}; !slices.Equal(c.bearers, want) {
			t.Errorf("got the tokens %q, want %q", c.bearers, want)
		}
	})
}

func TestRefreshWithoutToken(t *testing.T) {
	c := newCluster(t)
	r, source := newRefresher(c, "web")
	source.down = func() bool { return true }
	if _, err := r.Refresh(t.Context()); err == nil || err.Error() != "cannot get a token for cgr.dev: no identity found" || len(c.requests) != 0 {
		t.Errorf("got %v after %q, want the error and no request", err, c.requests)
	}
	r, source = newRefresher(c, "web")
	source.life = -time.Minute
	if _, err := r.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "has expired already") || len(hint.Of(err)) != 1 {
		t.Errorf("got %v, want an error about the clock", err)
	}
}

// A stop signal ends a round without an error for each namespace that is left.
func TestRefreshStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.refused = func() bool { return true }
		r, _ := newRefresher(c, "web", "shop")
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := errors.New("stopped")
		time.AfterFunc(2*time.Second, func() { cancel(stopped) })
		results, err := r.Refresh(ctx)
		if err != nil || !errors.Is(results[0].Err, stopped) {
			t.Errorf("got %v, %v, want that it was stopped", results, err)
		}
	})
}
