// Package fakebrowser is a fake browser for tests. It opens an address, fills in the sign-in page and
// follows redirects.
package fakebrowser

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"time"
)

// Main is the main function of a program for $BROWSER. The variable VISIT selects what it does:
// "sign-in" (the default), "deny", "leave" or "fail". It signs in with EMAIL and PASSWORD, and
// appends a line with the address to the file WINDOWS.
func Main() {
	if err := run(os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, "visit:", err)
		os.Exit(1)
	}
}

func run(address string) error {
	if path := os.Getenv("WINDOWS"); path != "" {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(f, address); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	person := Person{Email: os.Getenv("EMAIL"), Password: os.Getenv("PASSWORD")}
	switch os.Getenv("VISIT") {
	case "", "sign-in":
		_, _, err := person.Visit(address)
		return err
	case "deny":
		person.Denies = true
		_, _, err := person.Visit(address)
		return err
	case "leave":
		return nil
	default:
		return errors.New("the browser cannot be started")
	}
}

// Person is a person at the sign-in page.
type Person struct {
	Email, Password string // by default Ada's
	Denies          bool
	Jar             http.CookieJar // of the browser; nil for an empty one
}

var hidden = regexp.MustCompile(`name="signin_id" value="([^"]*)"`)

// Visit opens an address and returns the last URL and its page.
func (p Person) Visit(address string) (end *url.URL, page string, err error) {
	if p.Jar == nil {
		if p.Jar, err = cookiejar.New(nil); err != nil {
			return nil, "", err
		}
	}
	client := &http.Client{Jar: p.Jar, Timeout: 30 * time.Second}
	end, page, err = read(client.Get(address))
	if err != nil {
		return nil, "", err
	}
	id := hidden.FindStringSubmatch(page)
	if id == nil { // the browser was redirected without a form
		return end, page, nil
	}
	if p.Email == "" {
		p.Email, p.Password = "ada@example.com", "lovelace"
	}
	form := url.Values{"signin_id": {id[1]}, "email": {p.Email}, "password": {p.Password}, "action": {"signin"}}
	if p.Denies {
		form.Set("action", "deny")
	}
	return read(client.PostForm(end.ResolveReference(&url.URL{Path: "/oauth/signin"}).String(), form))
}

func read(resp *http.Response, err error) (*url.URL, string, error) {
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	return resp.Request.URL, string(page), err
}
