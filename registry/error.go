package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

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

// Cause says why the registry answered so, in words for a person, and what to do.
// Empty where that is not known. The registry's own table of errors is behind it.
func (e *Error) Cause() string {
	organization, _, _ := strings.Cut(e.Repository, "/")
	switch {
	case e.RetryAfter > 0:
		return fmt.Sprintf("it wants to be left alone for %s; try again then", e.RetryAfter)
	case e.Status >= 300 && e.Status < 400, e.Status == http.StatusTooManyRequests, e.Status >= 500:
		return ""
	case e.Code == "":
		return "this is no answer of a registry: a proxy may have answered"
	case e.Step == StepToken:
		return e.tokenCause(organization)
	case e.Step == StepManifest, e.Step == StepHistory, e.Step == StepTags:
		return e.imageCause()
	}
	return ""
}

func (e *Error) tokenCause(organization string) string {
	switch {
	case e.Status == http.StatusUnauthorized && e.Anonymous:
		return "the image is not public and no credential was given; run: docker-credential-cgr login"
	case e.Status == http.StatusForbidden && e.Anonymous:
		return "nobody may pull it without a credential; run: docker-credential-cgr login"
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		return "the credential is not good (ended, revoked, or of another registry), or it may not pull from this repository, or there is none of this name; check the name, then run: docker-credential-cgr status"
	case e.Status == http.StatusBadRequest:
		return fmt.Sprintf("there is no organization %q; check the name", organization)
	}
	return ""
}

// imageCause is the cause where the registry gave a token for the repository.
func (e *Error) imageCause() string {
	switch {
	case e.Status == http.StatusForbidden && len(e.Near) > 0:
		return "without a credential " + noTag(e.Reference, e.Near)
	case e.Status == http.StatusUnauthorized:
		return "the registry does not take the token that it gave for this repository; check this machine's clock"
	case e.Status == http.StatusForbidden && e.Anonymous:
		return "without a credential only the tags latest and latest-dev of public images can be had; run: docker-credential-cgr login"
	case e.Status == http.StatusForbidden:
		return "the credential is good, but may not pull this image; ask an owner of the organization for the role registry.pull"
	case e.Status == http.StatusNotFound && e.Code == "NAME_UNKNOWN":
		return fmt.Sprintf("there is no repository %s; check the name", e.Repository)
	case e.Status == http.StatusNotFound && e.Unrecorded:
		return unrecorded(e.Reference)
	case e.Status == http.StatusNotFound && len(e.Near) > 0:
		return noTag(e.Reference, e.Near)
	case e.Status == http.StatusNotFound && strings.Contains(e.Reference, ":"):
		return fmt.Sprintf("there is no %s in it, or there is none any more", e.Reference)
	case e.Status == http.StatusNotFound && e.Reference != "":
		return fmt.Sprintf("there is no %s in it; check the tag", e.Reference)
	}
	return ""
}

// noTag says that a repository has not a tag, and which it has.
func noTag(tag string, near []string) string {
	text := fmt.Sprintf("there is no tag %q in it", tag)
	if len(near) == 0 {
		return text + "; check the tag"
	}
	return text + "; near ones: " + strings.Join(near, ", ")
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
