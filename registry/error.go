package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"docker-credential-cgr/platform"
)

// Step is a request that a pull is made of.
type Step string

// The steps of a pull that a Client takes.
const (
	StepPing     Step = "ping"     // is it there, and where are tokens had
	StepToken    Step = "token"    // a token for the repository
	StepManifest Step = "manifest" // what the tag points to
)

// Error is an answer of the registry that is no success. All of it is printable.
type Error struct {
	Host       string
	Step       Step
	Status     int    // HTTP status
	Code       string // the registry's, such as NAME_UNKNOWN; empty where the body was none of a registry
	Message    string // the registry's words; may be empty
	Repository string // that was asked about; empty for a ping
	Reference  string // tag or digest that was asked about, of a manifest
	Anonymous  bool   // no credential was given
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
	case e.Status >= 300 && e.Status < 400, e.Status == http.StatusTooManyRequests, e.Status >= 500:
		return ""
	case e.Code == "":
		return "this is no answer of a registry: a proxy may have answered"
	case e.Step == StepToken:
		return e.tokenCause(organization)
	case e.Step == StepManifest:
		return e.manifestCause()
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
		return fmt.Sprintf("there is no organisation %q; check the name", organization)
	}
	return ""
}

func (e *Error) manifestCause() string {
	switch {
	case e.Status == http.StatusUnauthorized:
		return "the registry does not take the token that it gave for this repository; check this machine's clock"
	case e.Status == http.StatusForbidden && e.Anonymous:
		return "without a credential only the tags latest and latest-dev of public images can be had; run: docker-credential-cgr login"
	case e.Status == http.StatusForbidden:
		return "the credential is good, but may not pull this image; ask an owner of the organisation for the role registry.pull"
	case e.Status == http.StatusNotFound && e.Code == "NAME_UNKNOWN":
		return fmt.Sprintf("there is no repository %s; check the name", e.Repository)
	case e.Status == http.StatusNotFound:
		return fmt.Sprintf("there is no %s in it; check the tag", e.Reference)
	}
	return ""
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
