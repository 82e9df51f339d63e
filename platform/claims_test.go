package platform

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

// payload makes a JWT of any text.
func payload(text string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(text)) + ".c2ln"
}

func TestParseClaims(t *testing.T) {
	end := time.Unix(1791194400, 0)
	tests := []struct {
		name, text string
		want       Claims
	}{
		{"whole", `{"iss":"https://i","sub":"s","email":"e@x","aud":["a","b"],"exp":1791194400,"iat":1791194400,"x":{"y":[]}}`,
			Claims{"https://i", "s", "e@x", []string{"a", "b"}, end}},
		{"I50 aud is a string", `{"aud":"a"}`, Claims{Audiences: []string{"a"}}},
		{"I50 aud is missing", `{}`, Claims{}},
		{"I50 aud is a number", `{"aud":7}`, Claims{}},
		{"I50 aud is an object", `{"aud":{"a":1}}`, Claims{}},
		{"I50 alg none", `{"sub":"s"}`, Claims{Subject: "s"}},
		{"I50 claim twice", `{"sub":"a","sub":"b"}`, Claims{Subject: "b"}},
		{"I43 exp with a fraction", `{"exp":1791194400.9}`, Claims{Expires: end}},
		{"I43 exp with an exponent", `{"exp":1.7911944e9}`, Claims{Expires: end}},
		{"I43 exp is a string", `{"exp":"1791194400"}`, Claims{}},
		{"I43 exp is null", `{"exp":null}`, Claims{}},
		{"I43 exp is negative", `{"exp":-1}`, Claims{}},
		{"I43 exp is 0", `{"exp":0}`, Claims{}},
		{"I43 exp is in the year 9999", `{"exp":253402300799}`, Claims{}},
		{"I43 exp is huge", `{"exp":1e308}`, Claims{}},
		{"I43 exp is a list", `{"exp":[1791194400]}`, Claims{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseClaims(payload(test.text))
			if err != nil || got.Issuer != test.want.Issuer || got.Subject != test.want.Subject || got.Email != test.want.Email ||
				!slices.Equal(got.Audiences, test.want.Audiences) || !got.Expires.Equal(test.want.Expires) {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
}

func TestParseClaimsRefuses(t *testing.T) {
	tests := []struct{ name, token string }{
		{"I49 empty", ""},
		{"I49 opaque", "some-secret-token"},
		{"I50 one dot", "e30.c29tZS1zZWNyZXQ"},
		{"I50 five parts", "e30.e30.e30.e30.e30"},
		{"I50 a million dots", strings.Repeat(".", 1_000_000)},
		{"I50 padded base64", "e30.eyJhIjoxfQ==.c2ln"},
		{"I50 bad base64", "e30.some secret.c2ln"},
		{"I50 no JSON", payload("some-secret")},
		{"I50 cut JSON", payload(`{"sub":"some-secret`)},
		{"I50 JSON of another shape", payload(`["some-secret"]`)},
		{"I50 sub is a number", payload(`{"sub":7}`)},
		{"I50 nested deep", payload(strings.Repeat("[", 40_000))},
		{"I50 10 MB", payload(`{"sub":"` + strings.Repeat("x", 10<<20) + `"}`)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseClaims(test.token)
			if err == nil {
				t.Fatalf("got %+v, want an error", got)
			}
			if strings.Contains(err.Error(), "secret") || len(err.Error()) > 200 {
				t.Errorf("P13 got %q, want nothing of the token", err)
			}
		})
	}
}

func TestRefreshExpiry(t *testing.T) {
	std := base64.StdEncoding.EncodeToString
	tests := []struct {
		name, token string
		want        int64 // 0: none
	}{
		{"exp", std([]byte(`{"exp":1791194400,"x":"y"}`)), 1791194400},
		{"exp and a sign that URLs lack", std([]byte(`{"exp":1791194400,"x":"???>>>"}`)), 1791194400},
		{"I43 no exp", std([]byte(`{}`)), 0},
		{"I43 exp is a string", std([]byte(`{"exp":"1791194400"}`)), 0},
		{"I43 exp is negative", std([]byte(`{"exp":-5}`)), 0},
		{"I43 exp in the year 9999", std([]byte(`{"exp":253402300799}`)), 0},
		{"I49 no JSON", std([]byte("x")), 0},
		{"I49 no base64", "R1", 0},
		{"I49 empty", "", 0},
		{"I49 200 KB", std([]byte(`{"exp":1791194400,"x":"` + strings.Repeat("x", 200<<10) + `"}`)), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := time.Time{}
			if test.want != 0 {
				want = time.Unix(test.want, 0)
			}
			if got := RefreshExpiry(test.token); !got.Equal(want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// sane says whether a claimed time is missing or one that can be.
func sane(when time.Time) bool {
	return when.IsZero() || when.Unix() >= 0 && when.Year() < 2300
}

func TestParseAllClaims(t *testing.T) {
	for text, want := range map[string][]string{
		`{"capabilities":{"d":"e","a":["b","c"]}}`: {"a: b, c", "d: e"},
		`{"capabilities":["repo.list","a"]}`:       {"a", "repo.list"},
		`{"capabilities":"a"}`:                     {"a"},
		`{"capabilities":{"a":7,"b":[1,{}]}}`:      {"a: ", "b: "},
		`{"capabilities":7}`:                       nil,
		`{"sub":"s"}`:                              nil,
		`null`:                                     nil,
	} {
		got, all, err := ParseAllClaims(payload(text))
		if err != nil || !slices.Equal(got.Capabilities, want) {
			t.Errorf("%s: got %q, %v, want %q", text, got.Capabilities, err, want)
		}
		if _, found := all["capabilities"]; found != strings.Contains(text, "capabilities") {
			t.Errorf("%s: got %v", text, all)
		}
	}
	if got, all, err := ParseAllClaims("some-secret"); err == nil || got.Subject != "" || all != nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("P13 got %+v, %v, %v, want an error without the token", got, all, err)
	}
}

// Whatever a token holds, its times are missing or ones that can be, and errors
// quote nothing of it.
func FuzzParseClaims(f *testing.F) {
	accepted := 0
	for _, text := range []string{`{"iss":"i","sub":"s","aud":["a"],"exp":1791194400}`, `{"exp":1e308,"aud":"x"}`, `[]`, `{"exp":-0.5}`, `{"aud":[1]}`, "\xff"} {
		if _, err := ParseClaims(payload(text)); err == nil {
			accepted++
		}
		f.Add(text, payload(text))
	}
	if accepted == 0 {
		f.Fatal("no seed is accepted: the property would be of nothing")
	}
	f.Add("", "..")
	f.Add("", "a.b.c.d")
	f.Fuzz(func(t *testing.T, text, token string) {
		for _, token := range []string{token, payload(text)} {
			c, err := ParseClaims(token)
			if !sane(c.Expires) {
				t.Errorf("ParseClaims(%q): got the time %v, want none or one that can be", token, c.Expires)
			}
			if err != nil && (c.Subject != "" || c.Audiences != nil || !strings.HasPrefix(err.Error(), "not a JWT")) {
				t.Errorf("ParseClaims(%q): got %+v with error %q", token, c, err)
			}
			if err == nil && strings.Count(token, ".") != 2 {
				t.Errorf("ParseClaims(%q): got no error, want three parts", token)
			}
			if _, _, allErr := ParseAllClaims(token); (allErr == nil) != (err == nil) {
				t.Errorf("ParseAllClaims(%q): got %v, want what ParseClaims returns: %v", token, allErr, err)
			}
			shown := DescribeIDToken(token)
			if err != nil && shown != "" || strings.ContainsFunc(shown, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("DescribeIDToken(%q): got %q, want nothing of what is no JWT, and printable text", token, shown)
			}
		}
	})
}

func TestDescribeIDToken(t *testing.T) {
	for name, test := range map[string]struct{ token, want string }{
		"one audience":     {payload(`{"iss":"https://ci.example","sub":"repo:a/b","aud":"x"}`), `the ID token has iss "https://ci.example", sub "repo:a/b", aud "x"`},
		"several":          {payload(`{"iss":"i","sub":"s","aud":["x","y"]}`), `the ID token has iss "i", sub "s", aud "x", "y"`},
		"P14 the terminal": {payload(`{"iss":"\u001b[31m","sub":"a\nb"}`), `the ID token has iss "\x1b[31m", sub "a b", aud none`},
		"nothing in it":    {payload(`{"exp":1}`), ""},
		"no strings":       {payload(`{"iss":{"a":1}}`), ""},
		"opaque":           {"hunter2-hunter2", ""},
		"nothing":          {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := DescribeIDToken(test.token); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func FuzzRefreshExpiry(f *testing.F) {
	accepted := 0
	for _, text := range []string{`{"exp":1791194400}`, `{"exp":1e308}`, `{"exp":"x"}`, `[]`, "", "\xff"} {
		if !RefreshExpiry(base64.StdEncoding.EncodeToString([]byte(text))).IsZero() {
			accepted++
		}
		f.Add([]byte(text), int64(len(text)))
	}
	if accepted == 0 {
		f.Fatal("no seed names an end: the property would be of nothing")
	}
	f.Fuzz(func(t *testing.T, text []byte, exp int64) {
		for _, token := range []string{string(text), base64.StdEncoding.EncodeToString(text)} {
			if end := RefreshExpiry(token); !sane(end) {
				t.Errorf("RefreshExpiry(%q): got %v, want none or one that can be", token, end)
			}
		}
		if exp > 0 && exp < 1<<33 {
			token := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"x":%q,"exp":%d}`, "y", exp))
			if end := RefreshExpiry(token); end.Unix() != exp {
				t.Errorf("RefreshExpiry of exp %d: got %v", exp, end)
			}
		}
	})
}
