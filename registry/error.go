package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// Step is the kind of a request to a registry.
type Step string

// The steps of a pull, and the other requests about an image.
const (
	StepPing     Step = "ping"
	StepToken    Step = "token"
	StepManifest Step = "manifest"
	StepHistory  Step = "history"
	StepCatalog  Step = "catalog"
)

// Error is a response of the registry other than success. All of it is printable.
type Error struct {
	Host       string
	Step       Step
	Status     int    // HTTP status
	Code       string // the registry's, such as NAME_UNKNOWN; "" if the body is not a registry's
	Message    string // the registry's text; may be empty
	Repository string // of the request; "" for a ping or the catalog
	Reference  string // tag or digest of the request, for a manifest or a history
	Anonymous  bool   // the request had no credential
	// RetryAfter is how long a busy registry asks clients to wait; zero if it does not say.
	RetryAfter time.Duration
	// Near has the tags of the repository that are similar to Reference, which does not
	// exist.
	Near []string
	// Unrecorded reports whether the tag exists and has no history.
	Unrecorded bool
}

// HTTPStatus returns the status of the response.
func (e *Error) HTTPStatus() int { return e.Status }

// RetryDelay returns how long to wait before the next try, or 0 if the registry does not
// say.
func (e *Error) RetryDelay() time.Duration { return e.RetryAfter }

func (e *Error) Error() string {
	text := fmt.Sprintf("%s answered %d %s", e.Host, e.Status, http.StatusText(e.Status))
	if e.Repository != "" {
		text += " for " + e.Repository
	}
	if details := strings.TrimPrefix(e.Code+": "+e.Message, ": "); details != "" {
		text += " (" + strings.TrimSuffix(details, ": ") + ")"
	}
	if cause, _ := e.explain(); cause != "" {
		text += ": " + cause
	}
	return text
}

// Hints returns what to do about the error.
func (e *Error) Hints() []hint.Hint {
	_, hints := e.explain()
	return hints
}

// explain returns why the registry answered so, by its own table of errors, and what to do.
// Either may be empty.
func (e *Error) explain() (cause string, hints []hint.Hint) {
	switch {
	case e.RetryAfter > 0:
		return "", text("try again in %s", e.RetryAfter)
	case e.Status >= 300 && e.Status < 400, e.Status == http.StatusTooManyRequests, e.Status >= 500:
		return "", nil
	case e.Code == "":
		return "not the answer of a registry: a proxy may have answered", nil
	case e.Step == StepToken:
		return e.explainToken()
	case e.Step == StepManifest, e.Step == StepHistory:
		return e.explainImage()
	case e.Step == StepCatalog && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden):
		return "the credential expired, was revoked, or may not list repositories", []hint.Hint{hint.Do(hint.ShowStatus)}
	}
	return "", nil
}

func text(format string, args ...any) []hint.Hint { return []hint.Hint{hint.Text(format, args...)} }

var signIn = []hint.Hint{hint.Do(hint.SignIn)}

func (e *Error) explainToken() (cause string, hints []hint.Hint) {
	organization, _, _ := strings.Cut(e.Repository, "/")
	denied := e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
	switch {
	case denied && e.Anonymous:
		return "the image is not public, and no credential was given", signIn
	case denied:
		return "the credential expired, was revoked, belongs to another registry or may not pull this repository, or the repository does not exist",
			[]hint.Hint{hint.Text("check the name of the image"), hint.Do(hint.ShowStatus)}
	case e.Status == http.StatusBadRequest:
		return fmt.Sprintf("there is no organization %q", organization), text("check the name of the organization")
	}
	return "", nil
}

// explainImage explains an error after the registry gave a token for the repository.
func (e *Error) explainImage() (cause string, hints []hint.Hint) {
	switch {
	case e.Status == http.StatusForbidden && len(e.Near) > 0:
		return "without a credential, " + noTag(e.Reference, e.Near), nil
	case e.Status == http.StatusUnauthorized:
		return "the registry rejected the token that it issued for this repository", text("check this machine's clock")
	case e.Status == http.StatusForbidden && e.Anonymous:
		return "without a credential, only the tags latest and latest-dev of public images are available", signIn
	case e.Status == http.StatusForbidden:
		return "the credential is valid but may not pull this image", text("ask an owner of the organization for the role registry.pull")
	case e.Status == http.StatusNotFound && e.Code == "NAME_UNKNOWN":
		return fmt.Sprintf("there is no repository %s", e.Repository), text("check the name of the image")
	case e.Status == http.StatusNotFound && e.Unrecorded:
		return unrecorded(e.Reference), nil
	case e.Status == http.StatusNotFound && (len(e.Near) > 0 || e.Reference != "" && !strings.Contains(e.Reference, ":")):
		return noTag(e.Reference, e.Near), nil
	case e.Status == http.StatusNotFound && e.Reference != "":
		return fmt.Sprintf("it has no image %s, or no longer", e.Reference), nil
	}
	return "", nil
}

// noTag returns the error text for a tag that a repository does not have, with similar
// tags that it has.
func noTag(tag string, near []string) string {
	text := fmt.Sprintf("there is no tag %q in it", tag)
	if len(near) > 0 {
		text += "; similar tags: " + strings.Join(near, ", ")
	}
	return text
}

// parseErrors returns the first error in a registry's response (OCI distribution
// specification, section "Error Codes").
func parseErrors(body []byte, secrets []string) (code, message string) {
	var answer struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Errors) == 0 {
		return "", ""
	}
	first := answer.Errors[0]
	return platform.Printable(first.Code, secrets...), platform.Printable(first.Message, secrets...)
}
