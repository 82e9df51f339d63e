package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/pulltoken"
)

// maxBody is the maximum size of a request, in bytes.
const maxBody = 16 << 10

// listing is what the page shows.
type listing struct {
	Account       string      `json:"account"`
	Registry      string      `json:"registry"`
	Organizations []iam.Group `json:"organizations"`
	Saved         string      `json:"saved"`              // id of the pull token that is saved on this machine
	Tokens        []Token     `json:"tokens"`             // null if they could not be listed
	Problems      []string    `json:"problems,omitempty"` // why something is missing
}

// list answers with the pull tokens. Creating pull tokens does not require the right to
// list them, so the page also works without a list.
func (s *server) list(w http.ResponseWriter, r *http.Request) {
	l := listing{Account: s.Account, Registry: s.Registry, Organizations: s.Organizations}
	tokens, err := s.PullTokens.List(r.Context())
	isPartial := iam.IsPartial(err)
	switch {
	case isPartial:
		l.Problems = append(l.Problems, "This list may be incomplete: "+err.Error())
	case err != nil:
		l.Problems = append(l.Problems, err.Error())
	}
	if err == nil || isPartial {
		l.Tokens = append([]Token{}, tokens...)
		if l.Saved, err = s.PullTokens.Saved(); err != nil {
			l.Problems = append(l.Problems, err.Error())
		}
	}
	writeJSON(w, http.StatusOK, l)
}

// createRequest is the pull token that the page requests.
type createRequest struct {
	Organization string                 `json:"organization"` // its id
	Name         string                 `json:"name"`
	Description  string                 `json:"description"`
	Seconds      int64                  `json:"seconds"` // its lifetime
	Repositories []pulltoken.Repository `json:"repositories"`
}

// request returns the organization and the pull token of v, if they are allowed.
func (s *server) request(v createRequest) (iam.Group, pulltoken.Request, error) {
	i := slices.IndexFunc(s.Organizations, func(g iam.Group) bool { return g.ID == v.Organization })
	if i < 0 {
		return iam.Group{}, pulltoken.Request{}, errors.New("choose an organization")
	}
	// More would overflow time.Duration. The request's own check returns the error.
	seconds := min(max(v.Seconds, 0), int64(2*pulltoken.MaxTTL/time.Second))
	request := pulltoken.Request{
		Name: v.Name, Description: v.Description, TTL: time.Duration(seconds) * time.Second, Repositories: v.Repositories,
	}
	return s.Organizations[i], request, request.Check()
}

// created is a new pull token. It is in this one response and nowhere else.
type created struct {
	ID       string    `json:"id"` // the username, too
	Password string    `json:"password"`
	Name     string    `json:"name"`
	Expires  time.Time `json:"expires"`
	Snippets []Snippet `json:"snippets"`
}

func (s *server) create(w http.ResponseWriter, r *http.Request) {
	var v createRequest
	if !readJSON(w, r, &v) {
		return
	}
	organization, request, err := s.request(v)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	made, snippets, err := s.PullTokens.Create(r.Context(), organization, request)
	switch {
	case err != nil:
		writeError(w, http.StatusBadGateway, err.Error())
	case r.Context().Err() != nil:
		s.takeBack(made.Identity.ID)
	default:
		writeJSON(w, http.StatusOK, created{
			ID: made.Identity.ID, Password: made.Token, Name: request.Name, Expires: made.Expires, Snippets: snippets,
		})
	}
}

// takeBackTimeout is how long takeBack may take.
const takeBackTimeout = 10 * time.Second

// takeBack revokes a pull token that was not received: the page was closed before the
// response. If that fails, the list shows it.
func (s *server) takeBack(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), takeBackTimeout)
	defer cancel()
	_ = s.PullTokens.Revoke(ctx, id)
}

func (s *server) revoke(w http.ResponseWriter, r *http.Request) {
	var which struct {
		ID string `json:"id"`
	}
	if !readJSON(w, r, &which) {
		return
	}
	if !iam.ValidID(which.ID) {
		writeError(w, http.StatusBadRequest, "this is not the id of a pull token")
		return
	}
	if err := s.PullTokens.Revoke(r.Context(), which.ID); err != nil {
		writeError(w, http.StatusBadGateway, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, struct{}{})
}

// readJSON decodes a request's body into v, and responds if it cannot. A form of another
// site could send any type but JSON.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		writeError(w, http.StatusUnsupportedMediaType, "the request is not JSON")
		return false
	}
	err := decode(http.MaxBytesReader(w, r.Body, maxBody), v)
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		writeError(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request is longer than %d bytes", maxBody))
	case err != nil:
		writeError(w, http.StatusBadRequest, "the request is not what the page sends")
	}
	return err == nil
}

// decode reads one JSON value, with no field that v does not have, and nothing after it.
func decode(text io.Reader, v any) error {
	decoder := json.NewDecoder(text)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.Join(err, errors.New("something follows the value"))
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the page may have been closed
}

func writeError(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, struct {
		Error string `json:"error"`
	}{text})
}
