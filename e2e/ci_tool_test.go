package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// ciTool is a fake for the programs of a CI system's machine. Its first argument is the name of the
// program. Its settings are variables.
func ciTool() {
	if err := runTool(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func runTool(tool string, args []string) error {
	switch tool {
	case "docker", "crane":
		if len(args) != 2 || args[0] != map[string]string{"docker": "pull", "crane": "digest"}[tool] {
			return fmt.Errorf("usage: docker pull IMAGE, crane digest IMAGE; got %q", args)
		}
		return pull(args[1])
	case "curl", "wget":
		return download(args)
	case "circleci":
		var claims struct {
			Aud string `json:"aud"`
		}
		if len(args) != 5 || !slices.Equal(args[:4], []string{"run", "oidc", "get", "--claims"}) {
			return fmt.Errorf("usage: circleci run oidc get --claims JSON; got %q", args)
		}
		if err := json.Unmarshal([]byte(args[4]), &claims); err != nil {
			return err
		}
		return printIDToken(claims.Aud)
	case "buildkite-agent":
		if len(args) != 4 || !slices.Equal(args[:3], []string{"oidc", "request-token", "--audience"}) {
			return fmt.Errorf("usage: buildkite-agent oidc request-token --audience AUDIENCE; got %q", args)
		}
		return printIDToken(args[3])
	}
	return errors.New("no such program")
}

// pull pulls an image with a credential from the helper in Docker's configuration, and prints the
// image's digest.
func pull(image string) error {
	ref, err := name.ParseReference(image, name.StrictValidation)
	if err != nil {
		return err
	}
	what, err := remote.Get(ref, remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return err
	}
	pulled, err := what.Image()
	if err != nil {
		return err
	}
	layers, err := pulled.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		blob, err := layer.Compressed() // checks its digest as it is read
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, blob)
		if err := errors.Join(err, blob.Close()); err != nil {
			return err
		}
	}
	fmt.Println(what.Digest)
	return nil
}

// download requests a URL and prints the body or writes it to a file. It knows the options of curl
// and wget that the pages use.
func download(args []string) error {
	var address, file, header string
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-fsS", "-fsSL", "-qO-":
		case "-o":
			i++
			file = args[i]
		case "--retry", "--proto":
			i++
		case "-H":
			i++
			header = args[i]
		default:
			address = args[i]
		}
	}
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if name, value, ok := strings.Cut(header, ": "); ok {
		req.Header.Set(name, value)
	}
	body, err := fetch(req)
	if err != nil || file == "" {
		fmt.Print(string(body))
		return err
	}
	return os.WriteFile(file, body, 0o600)
}

// idTokenURL is the variable with the token service's URL for the fake programs. Like the real
// variables, it is not set with sudo.
const idTokenURL = "ID_TOKEN_URL"

// printIDToken prints a new ID token for an audience.
func printIDToken(audience string) error {
	address := os.Getenv(idTokenURL)
	if address == "" {
		return errors.New("not run by a job")
	}
	req, err := http.NewRequest(http.MethodGet, address+"&audience="+url.QueryEscape(audience), nil)
	if err != nil {
		return err
	}
	token, err := fetch(req)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", token)
	return nil
}

func fetch(req *http.Request) ([]byte, error) {
	client := &http.Client{Timeout: 30 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", req.URL.Host, resp.Status)
	}
	return io.ReadAll(resp.Body)
}
