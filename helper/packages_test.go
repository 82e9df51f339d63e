package helper

import (
	"errors"
	"strings"
	"testing"
)

func TestGoAuth(t *testing.T) {
	f := newFixture(t, nil)
	f.storeToken("libraries.cgr.dev", "go-token")
	f.storeToken("https://console-api.enforce.dev", "api-token")
	const libraries = "https://libraries.cgr.dev\n\nAuthorization: Bearer go-token\n\n"
	for address, want := range map[string]string{
		"": libraries, // as the go command asks first
		"https://libraries.cgr.dev/go/example.com/m/@v/list": libraries,
		"https://console-api.enforce.dev/x":                  "https://console-api.enforce.dev\n\nAuthorization: Bearer api-token\n\n",
		"https://proxy.golang.org/":                          "",
		"https://libraries.cgr.dev@evil.example/":            "", // I5
		"http://libraries.cgr.dev/":                          "",
	} {
		var out strings.Builder
		if err := f.helper.WriteGoAuth(address, &out); err != nil || out.String() != want {
			t.Errorf("%q: got %q, %v, want %q", address, out.String(), err, want)
		}
	}
	var out strings.Builder
	if err := f.helper.WriteGoAuth("https://apk.cgr.dev/", &out); err == nil || out.Len() > 0 {
		t.Errorf("got %q, %v, want an error without a session", out.String(), err)
	}
}

func TestKeyring(t *testing.T) {
	f := newFixture(t, nil)
	f.storeToken("libraries.cgr.dev", "python-token")
	const simple = "https://libraries.cgr.dev/python/simple/"
	for _, test := range []struct {
		request KeyringRequest
		want    string
		err     string
	}{
		{KeyringRequest{Service: simple, Username: "_token"}, "python-token\n", ""},
		{KeyringRequest{Service: "libraries.cgr.dev", Username: "_token"}, "python-token\n", ""},
		{KeyringRequest{Service: simple, WithUsername: true}, "_token\npython-token\n", ""},
		{KeyringRequest{Service: simple, WithUsername: true, JSON: true}, `{"password":"python-token","username":"_token"}` + "\n", ""},
		{KeyringRequest{Service: simple, Username: "_token", JSON: true}, `{"password":"python-token"}` + "\n", ""},
		{KeyringRequest{Service: simple, Username: "me\x1b"}, "", `the credential for libraries.cgr.dev is for the user "_token"`},
		{KeyringRequest{Service: "pypi.org", Username: "_token"}, "", ErrForeignService.Error()},
		{KeyringRequest{Service: "libraries.cgr.dev.evil.example", Username: "_token"}, "", ErrForeignService.Error()},
		{KeyringRequest{Service: "http://libraries.cgr.dev", Username: "_token"}, "", ErrForeignService.Error()},
		{KeyringRequest{Service: "apk.cgr.dev", Username: "_token"}, "", "not signed in"},
	} {
		var out strings.Builder
		err := f.helper.WritePassword(test.request, &out)
		switch {
		case out.String() != test.want:
			t.Errorf("%+v: got %q, want %q", test.request, out.String(), test.want)
		case test.err == "" && err != nil, test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%+v: got %v, want %q", test.request, err, test.err)
		case err != nil && strings.Contains(err.Error(), "\x1b"):
			t.Errorf("P14 %+v: got %q, want it printable", test.request, err)
		}
	}
	if err := f.helper.WritePassword(KeyringRequest{Service: "pypi.org", Username: "x"}, nil); !errors.Is(err, ErrForeignService) {
		t.Errorf("got %v, want ErrForeignService", err)
	}
}
