//go:build e2e && linux

package clients

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"docker-credential-cgr/e2e/fakeplatform"
)

// TestOneSignIn has one person sign in once. Docker, pip, npm, Go, an MCP client and a client of Bazel's protocol then get
// what they need, each for its own host, and no file but those of the file store has a secret.
func TestOneSignIn(t *testing.T) {
	n := newTrueNetwork(t)
	etc, authority := n.etc(t)
	d := n.startDaemon(t, etc)
	t.Run("tools", func(t *testing.T) {
		n.enter(t)
		p := newFixture(t, n.registry(), func(b *fakeplatform.Behavior) { b.MCPServer = newMCPServer() })
		programs := p.path("programs") // a folder of the user's own, in PATH
		if err := os.Mkdir(programs, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(bin, "docker-credential-cgr"), filepath.Join(programs, "keyring")); err != nil {
			t.Fatal(err)
		}
		p.set("APPEND_TO_ETC="+etc, "DOCKER_CONFIG=", "PATH="+programs+":"+p.environ["PATH"],
			"SSL_CERT_FILE="+authority, "NODE_EXTRA_CA_CERTS="+authority, "PIP_CERT="+authority, "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_KEYRING_PROVIDER=subprocess", "PIP_BREAK_SYSTEM_PACKAGES=1",
			"GOFLAGS=-modcacherw", "GONOSUMDB=*", "GOTOOLCHAIN=local", "GOPROXY=https://"+librariesName+"/go")
		p.useDaemon(d)

		p.must("docker-credential-cgr", "configure-docker", "--no-login")
		p.must("docker-credential-cgr", "login")
		p.wantCounts("the sign-in", map[string]int{"windows": 1, "signin": 1})

		docker.pulls(p, privateImage)
		p.must("/usr/bin/python3", "-m", "pip", "install", "--target", p.path("packages"),
			"--index-url", "https://_token@"+librariesName+"/python/simple", "hello-cgr")
		p.must("docker-credential-cgr", "configure", "go")
		if r := p.must("go", "mod", "download", "-json", fakeplatform.GoModule+"@v1.0.0"); !strings.Contains(r.stdout, "v1.0.0.zip") {
			t.Errorf("go did not download the module: %s", r)
		}
		if _, err := exec.LookPath("npm"); err == nil { // TestExecPackages is skipped if it is missing
			p.must("docker-credential-cgr", "exec", "npm", "install", "--prefix", p.path("packages"), "--no-audit", "--no-fund",
				"--registry", "https://"+librariesName+"/javascript/", "hello-cgr")
		}
		for range 2 {
			if r := p.must("mcp-client", "https://"+trueName+"/mcp"); r.stdout != "Hello from a tool\n" {
				t.Errorf("the MCP client: %s", r)
			}
		}
		r := p.asks(`{"uri":"https://`+trueName+`/v2/example.com/python/manifests/latest"}`, "docker-credential-cgr", "get")
		if !strings.HasPrefix(r.stdout, `{"headers":{"Authorization":["Bearer eyJ`) {
			t.Errorf("Bazel's protocol: %d bytes, %s", len(r.stdout), r.stderr)
		}
		// One refresh for each of the audiences that the sign-in's own token is not for: the libraries and the MCP server.
		p.wantCounts("the tools", map[string]int{"windows": 0, "signin": 0, "sts.refresh": 2})
	})
}

// newMCPServer returns an MCP server with one tool.
func newMCPServer() http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "greet"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "Hello from a tool"}}}, nil, nil
	})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
}

// mcpClient calls the tool of an MCP server at the address in its argument. It runs the program for headers, as MCP clients
// with such a setting do.
func mcpClient() {
	if err := callTool(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "mcp-client:", err)
		os.Exit(1)
	}
}

func callTool(ctx context.Context, address string) error {
	helper := exec.CommandContext(ctx, "docker-credential-cgr", "headers")
	helper.Env = append(os.Environ(), "CLAUDE_CODE_MCP_SERVER_URL="+address)
	helper.Stderr = os.Stderr
	out, err := helper.Output()
	if err != nil {
		return err
	}
	var headers map[string]string
	if err := json.Unmarshal(out, &headers); err != nil {
		return err
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: address, HTTPClient: &http.Client{Transport: withHeaders(headers)}, DisableStandaloneSSE: true,
	}, nil)
	if err != nil {
		return err
	}
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "greet"})
	if err != nil {
		return errors.Join(err, session.Close())
	}
	for _, content := range result.Content {
		if text, ok := content.(*mcp.TextContent); ok {
			fmt.Println(text.Text)
		}
	}
	return session.Close()
}

// withHeaders is a transport that adds headers to each request.
type withHeaders map[string]string

func (h withHeaders) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range maps.All(h) {
		r.Header.Set(name, value)
	}
	return http.DefaultTransport.RoundTrip(r)
}
