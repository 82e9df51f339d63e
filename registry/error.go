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

// Step is what a registry was asked for.
type Step string

// The steps of a pull, and what else can be asked about an image.
const (
	StepPing     Step = "ping"     // is it there, and where are tokens had
	StepToken    Step = "token"    // a token for the repository
	StepManifest Step = "manifest" // what the tag points to
	StepHistory  Step = "history"  // what the tag pointed to
	StepTags     Step = "tags"     // which tags there are
)

// Error is an answer of the registry that is no success. All of it is printable.
type Error struct {
	Host       string
	Step       Step
	Status     int    // HTTP status
	Code       string // the registry's, such as NAME_UNKNOWN; empty where the body was none of a registry
	Message    string // the registry's words; may be empty
	Repository string // that was asked about; empty for a ping
	Reference  string // tag or digest that was asked about, of a manifest or a history
	Anonymous  bool   // no credential was given
	// RetryAfter is how long a registry that is busy wants to be left alone, as far as
	// it says; zero where it does not.
	RetryAfter time.Duration
	// Near are tags of the repository that are spelled like one that it has not, which
	// the reference then is.
	Near []string
	// Unrecorded says that the tag whose history was asked for is there.
	Unrecorded bool
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s answered %d %s", e.Host, e.Status, http.StatusText(e.Status))
	if e.Repository != "" {
		text += " for " + e.Repository
	}
	if said := strings.TrimPrefix(e.Code+": "+e.Message, ": "); said != "" {
		text += " (" + strings.TrimSuffix(said, ": ") + ")"
	}
	if cause := e.Cause(); cause != "" {
		text += ": " + cause
	}
	return text
}

// Cause returns why the registry answered so, in words for a person, or "" if that is
// not known. It follows the registry's own table of errors.
func (e *Error) Cause() string {
	cause, _ := e.explain()
	return cause
}

// Hints returns what to do about the error.
func (e *Error) Hints() []hint.Hint {
	_, hints := e.explain()
	return hints
}

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
	case e.Step == StepManifest, e.Step == StepHistory, e.Step == StepTags:
		return e.explainImage()
	}
	return "", nil
}

func text(format string, args ...any) []hint.Hint { return []hint.Hint{hint.Text(format, args...)} }

var signIn = []hint.Hint{hint.Do(hint.SignIn)}

func (e *Error) explainToken() (cause string, hints []hint.Hint) {
	organization, _, _ := strings.Cut(e.Repository, "/")
	switch {
	case e.Status == http.StatusUnauthorized && e.Anonymous:
		return "the image is not public, and no credential was given", signIn
	case e.Status == http.StatusForbidden && e.Anonymous:
		return "pulling this image requires a credential", signIn
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
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

// parseErrors reads the first error of a registry's answer (OCI distribution
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
