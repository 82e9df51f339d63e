//go:build e2e && linux

package clients

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestConfigureBesideDocker has docker login and logout write the file while
// configure-docker does (C16): every read finds it whole, what neither is about
// stays, and in the end the entries of both are there.
func TestConfigureBesideDocker(t *testing.T) {
	p := newMachine(t)
	p.useDocker()
	// With a login in the file, Docker looks for no store of its own.
	p.writeConfig(`{"auths": {"registry.example": {"auth": "eDp5"}}}`)
	// The registry by another name, so that Docker keeps the pair in the file itself.
	other := strings.Replace(p.host, "127.0.0.1", "localhost", 1)
	user, token := p.platform.PullToken(time.Hour)
	p.set("ENDED=" + p.path("docker-ended"))
	whole := watchFile(t, p.configFile(), func(text string) error {
		var config dockerConfig
		if err := json.Unmarshal([]byte(text), &config); err != nil {
			return err
		}
		if config.Auths["registry.example"].Auth != "eDp5" {
			return errors.New("a login of before is gone")
		}
		return nil
	})
	const rounds = 30
	// The password comes from standard input, and is in no argument of anybody's.
	docker := p.start(token, "sh", "-ec", fmt.Sprintf(`
		read -r token || true
		user=$0 registry=$1 file=$2
		trap 'touch "$ENDED"' EXIT
		login() { printf %%s "$token" | docker login --username "$user" --password-stdin "$registry"; }
		for i in $(seq %d); do
			login
			grep -q "\"$registry\": {" "$file" || { echo "the login is gone in round $i"; exit 1; }
			docker logout "$registry"
		done
		login`, rounds), user, other, p.configFile())
	configures := p.start("", "sh", "-ec", fmt.Sprintf(`
		for i in $(seq %d); do
			docker-credential-cgr configure-docker --no-login
			docker-credential-cgr configure-docker --remove
			[ ! -e "$ENDED" ] || [ "$i" -lt %d ] || break
		done`, 100*rounds, rounds))
	for _, loop := range []*running{docker, configures} {
		if r := loop.wait(); r.code != 0 {
			t.Errorf("failed: %s", r)
		}
	}
	// Docker takes no lock and writes what it read before it asked the registry: an
	// entry of ours may have been lost in between, and is put back.
	p.must("docker-credential-cgr", "configure-docker", "--no-login")
	whole()

	text, err := os.ReadFile(p.configFile())
	if err != nil {
		t.Fatal(err)
	}
	var config dockerConfig
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	if config.Auths[other].Auth == "" {
		t.Error("docker login's entry is gone")
	}
	if config.CredHelpers[p.host] != "cgr" {
		t.Errorf("the helper's entry is gone: %v", config.CredHelpers)
	}
	p.wantConfigAlone()
	p.must("docker", "logout", other) // which takes its secret out of the file
}

// dockerConfig is what matters here of Docker's configuration.
type dockerConfig struct {
	Auths       map[string]struct{ Auth string }
	CredHelpers map[string]string
}

// watchFile reads a file again and again until stop is called, and has check say
// what is wrong with what it holds.
func watchFile(t *testing.T, path string, check func(text string) error) (stop func()) {
	t.Helper()
	end, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for reads := 0; ; reads++ {
			text, err := os.ReadFile(path)
			if err == nil {
				err = check(string(text))
			}
			if err != nil {
				ended <- fmt.Errorf("at read %d: %w", reads, err)
				return
			}
			select {
			case <-end:
				ended <- nil
				return
			case <-time.After(100 * time.Microsecond):
			}
		}
	}()
	return func() {
		t.Helper()
		close(end)
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
