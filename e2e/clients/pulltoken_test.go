//go:build e2e && linux

package clients

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	iamv1 "chainguard.dev/sdk/proto/platform/iam/v1"
	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/protobuf/encoding/protojson"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/leaks"
)

// newOwner makes the machine of somebody who is signed in, and may make pull tokens.
func newOwner(t *testing.T) *fixture {
	t.Helper()
	p := newMachine(t)
	p.signsInAlone()
	p.must("docker-credential-cgr", "login")
	p.set("CHAINGUARD_AUTH_AUTO_LOGIN=")
	p.wantCounts("login", map[string]int{"windows": 1, "signin": 1})
	return p
}

// elsewhere gives another machine for the same platform: a home where nothing is
// set up and nobody is signed in.
func (p *fixture) elsewhere() *fixture {
	p.t.Helper()
	q := *p
	dir, err := os.MkdirTemp(p.dir, "elsewhere-")
	if err != nil {
		p.t.Fatal(err)
	}
	q.home, q.results, q.environ = filepath.Join(dir, "home"), nil, maps.Clone(p.environ)
	q.set("HOME="+q.home, "XDG_RUNTIME_DIR="+filepath.Join(dir, "run"), "TMPDIR="+filepath.Join(dir, "tmp"))
	for _, name := range []string{"HOME", "XDG_RUNTIME_DIR", "TMPDIR"} {
		if err := os.Mkdir(q.environ[name], 0o700); err != nil {
			p.t.Fatal(err)
		}
	}
	p.t.Cleanup(func() { p.results = append(p.results, q.results...) })
	return &q
}

// pullToken is one that the program made. The platform never sees the secret before
// it is used, so that the search at a test's end does not know it.
type pullToken struct{ id, secret string }

// makesPullToken makes a pull token.
func (p *fixture) makesPullToken(flags ...string) pullToken {
	p.t.Helper()
	r := p.asks("", append([]string{"docker-credential-cgr", "pull-token", "create", "-o", "json"}, flags...)...)
	var made struct {
		ID     string `json:"identity_id"`
		Secret string `json:"token"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &made); r.code != 0 || err != nil || made.ID == "" || made.Secret == "" {
		p.t.Fatalf("no pull token (%v): exit code %d, it said %q", err, r.code, r.stderr)
	}
	return pullToken{made.ID, made.Secret}
}

// wantSecretOnlyIn looks for a pull token in all that was written in this place, and
// in what the place's programs said.
func (p *fixture) wantSecretOnlyIn(token pullToken, files ...string) {
	p.t.Helper()
	// Its signature: what goes before is much like that of other tokens.
	needles := leaks.Of([]string{token.secret[strings.LastIndex(token.secret, ".")+1:]})
	found, err := needles.InFiles(p.dir, func(string) bool { return false })
	if err != nil || !slices.Equal(found, files) {
		p.t.Errorf("the secret is in the files %q (%v), want %q", found, err, files)
	}
	for _, r := range p.results {
		if needles.In([]byte(r.stderr)) || !r.answers && needles.In([]byte(r.stdout)) {
			p.t.Errorf("the secret is in the output of %s", r.command)
		}
	}
}

// wasGiven leaves a secret out of the environments that were seen so far, because the
// test gave it to the processes there.
func (w *watch) wasGiven(secret string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[process]bool{}
	for p := range w.seen {
		p.environ = strings.ReplaceAll(p.environ, secret, "")
		seen[p] = true
	}
	w.seen = seen
}

// dockerLoginLine is the line that pull-token create prints for another machine.
var dockerLoginLine = regexp.MustCompile(`(?m)^ +(docker login "\S+" --username "(\S+)" --password "(\S+)")$`)

// TestPullToken makes a pull token and logs in on another machine with the line that
// is printed, as it stands there. Docker pulls with it until it is revoked.
func TestPullToken(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(q *fixture)
		holds   bool // Docker's config holds the secret
	}{
		{name: "with the helper", prepare: func(q *fixture) {
			q.set("CHAINGUARD_KEYCHAIN=") // the desktop's own
			q.startKeyring(q.startBus())
			q.must("docker-credential-cgr", "configure-docker", "--no-login")
		}},
		{name: "without the helper", holds: true, prepare: func(q *fixture) {
			// With a login in the file, Docker looks for no store of its own.
			q.writeConfig(`{"auths": {"registry.example": {"auth": "eDp5"}}}`)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newOwner(t)
			p.useDocker()
			r := p.asks("", "docker-credential-cgr", "pull-token", "create", "--name", "mirror", "--description", "for a test")
			match := dockerLoginLine.FindStringSubmatch(r.stdout)
			if match == nil {
				t.Fatalf("no docker login is printed: exit code %d, it said %q", r.code, r.stderr)
			}
			line, token := match[1], pullToken{match[2], match[3]}

			q := p.elsewhere()
			test.prepare(q)
			// Who takes the line as it is has the secret there.
			p.watch.skip([]string{"docker", "login", p.host, "--username", token.id, "--password", token.secret})
			login := q.start(line+"\n", "sh").wait()
			if login.code != 0 || !strings.Contains(login.stdout, "Login Succeeded") {
				t.Fatalf("the printed line failed: exit code %d\n%s%s", login.code, login.stdout, login.stderr)
			}
			p.platform.ResetCounts()
			docker.pulls(q, privateImage)
			q.wantCounts("pull", map[string]int{"windows": 0, "issuer": 0})
			if test.holds {
				q.wantSecretOnlyIn(token, q.configFile())
			} else {
				q.configHoldsNoSecret(token.id)
				q.wantSecretOnlyIn(token)
			}

			today := time.Now().UTC().Format(time.DateOnly)
			list := p.must("docker-credential-cgr", "pull-token", "list", "-o", "csv")
			if !regexp.MustCompile(`(?m)^mirror,for a test,.*` + today + `.*` + token.id).MatchString(list.stdout) {
				t.Errorf("it is not listed as used on %s: %s", today, list)
			}
			if r := p.must("docker-credential-cgr", "pull-token", "revoke", "-y", "mirror"); !strings.Contains(r.stdout, "Revoked mirror ("+token.id+")") {
				t.Errorf("it did not say what it revoked: %s", r)
			}
			if r, _ := docker.tryPull(q, privateImage); r.code == 0 || !strings.Contains(r.stderr, "Forbidden") {
				t.Errorf("the pull after it was revoked: %s", r)
			}
			if list := p.must("docker-credential-cgr", "pull-token", "list", "-o", "id"); list.stdout != "" {
				t.Errorf("it is still listed: %s", list)
			}
			q.must("docker", "logout", p.host)
			q.wantSecretOnlyIn(token)
			p.wantSecretOnlyIn(token)
		})
	}
}

// TestPullTokenEnvironment is a job that gets a pull token in variables, as `eval`
// sets them, and pulls in a home where nobody is signed in.
func TestPullTokenEnvironment(t *testing.T) {
	eachOf(t, allClients, func(t *testing.T, c client) {
		p := newOwner(t)
		p.prepareFor(c)
		q := p.elsewhere()
		q.must("docker-credential-cgr", "configure-docker", "--no-login")
		image, to := p.host+"/"+privateImage, q.path("tmp/image")
		if r := q.run(c.pull(q, image, to)...); r.code == 0 {
			t.Fatalf("it can be pulled by anybody: %s", r)
		}
		p.platform.ResetCounts()
		r := p.asks("", append([]string{"sh", "-ec", `
			eval "$(docker-credential-cgr pull-token create -o env)"
			printf %s "$CHAINGUARD_TOKEN"
			export HOME="$0" CI=true
			exec "$@" >&2`, q.home}, c.pull(q, image, to)...)...)
		if r.code != 0 {
			t.Fatalf("the pull failed: exit code %d, it said %q", r.code, r.stderr)
		}
		p.watch.wasGiven(r.stdout)
		c.arrived(q, privateImage, to)
		p.wantCounts("pull", map[string]int{
			"windows": 0, "signin": 0, "sts.exchange": 0, "api.identities.create": 1,
		})
		p.wantSecretOnlyIn(pullToken{secret: r.stdout})
	})
}

// TestPullTokenSignature reads what the platform keeps of a pull token in the vendor's
// own types, and has a library verify the token that no part of this project uses.
func TestPullTokenSignature(t *testing.T) {
	p := newOwner(t)
	since := time.Now()
	made := []pullToken{p.makesPullToken("--name", "one", "--ttl", "30d"), p.makesPullToken("--name", "two")}
	var keys []*rsa.PublicKey
	for i, name := range []string{"one", "two"} {
		identity := p.keptIdentity(made[i].id)
		if identity.GetName() != name {
			t.Errorf("its identity has the name %q, want %q", identity.GetName(), name)
		}
		static := identity.GetStatic()
		if static.GetIssuer() != fakeplatform.PullTokenIssuer {
			t.Errorf("its issuer is %q, want %q", static.GetIssuer(), fakeplatform.PullTokenIssuer)
		}
		expires := static.GetExpiration().AsTime()
		if life := expires.Sub(since); life < 719*time.Hour || life > 721*time.Hour {
			t.Errorf("it lives for %s, want 720h", life)
		}
		kid, key := onlyKey(t, static.GetIssuerKeys())
		keys = append(keys, key)

		claims, err := p.verifies(made[i].secret, static, func(t *jwt.Token) (any, error) {
			if t.Header["kid"] != kid {
				return nil, fmt.Errorf("it names the key %v, kept is %q", t.Header["kid"], kid)
			}
			return key, nil
		})
		if err != nil {
			t.Fatalf("%s does not verify: %v", name, err)
		}
		if !claims.ExpiresAt.Equal(expires) {
			t.Errorf("it ends at %s, its identity at %s", claims.ExpiresAt, expires)
		}
		if !slices.Equal(claims.Audience, []string{p.platform.Issuer}) {
			t.Errorf("it is for %q, want %q alone", claims.Audience, p.platform.Issuer)
		}
	}
	// Each was signed with a key of its own.
	_, err := p.verifies(made[0].secret, p.keptIdentity(made[0].id).GetStatic(), func(*jwt.Token) (any, error) { return keys[1], nil })
	if !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
		t.Errorf("with the other's key: %v, want %v", err, jwt.ErrTokenSignatureInvalid)
	}
}

// verifies verifies a pull token against what its identity keeps.
func (p *fixture) verifies(secret string, static *iamv1.Identity_StaticKeys, key jwt.Keyfunc) (claims jwt.RegisteredClaims, err error) {
	_, err = jwt.ParseWithClaims(secret, &claims, key,
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithStrictDecoding(),
		jwt.WithIssuer(static.GetIssuer()), jwt.WithSubject(static.GetSubject()), jwt.WithAudience(p.platform.Issuer),
		jwt.WithIssuedAt(), jwt.WithExpirationRequired())
	return claims, err
}

// keptIdentity gives an identity as the platform keeps it, by the API that an owner
// may ask.
func (p *fixture) keptIdentity(id string) *iamv1.Identity {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.platform.API+"/iam/v1/identities?id="+url.QueryEscape(id), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+p.platform.AccessToken(fakeplatform.Ada, p.platform.API))
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("no list of identities: %s (%v)", resp.Status, err)
	}
	var list iamv1.IdentityList
	if err := protojson.Unmarshal(text, &list); err != nil || len(list.GetItems()) != 1 {
		p.t.Fatalf("the list of identities has %d items (%v), want 1", len(list.GetItems()), err)
	}
	return list.GetItems()[0]
}

// onlyKey reads a JWKS (RFC 7517, section 5) that holds one public RSA key and
// nothing else.
func onlyKey(t *testing.T, text string) (kid string, key *rsa.PublicKey) {
	t.Helper()
	var set struct {
		Keys []struct{ Kty, Use, Alg, Kid, N, E string }
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields() // such as d, the private exponent
	if err := decoder.Decode(&set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("the identity keeps %d keys (%v), want 1", len(set.Keys), err)
	}
	kept := set.Keys[0]
	if kept.Kty != "RSA" || kept.Use != "sig" || kept.Alg != "RS256" || kept.Kid == "" {
		t.Errorf("the key is %s for %s with %s, id %q; want RSA for sig with RS256, and an id", kept.Kty, kept.Use, kept.Alg, kept.Kid)
	}
	number := func(text string) *big.Int {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatalf("the key: %v", err)
		}
		return new(big.Int).SetBytes(raw)
	}
	key = &rsa.PublicKey{N: number(kept.N), E: int(number(kept.E).Int64())}
	if key.N.BitLen() != 4096 {
		t.Errorf("the key has %d bits, want 4096", key.N.BitLen())
	}
	return kept.Kid, key
}
