// Package workload knows CI systems and clouds: how to detect one, where a job's ID token
// comes from, which identity accepts that token, and what to write into the job.
// Everything that varies by system is in the system's own file; Systems lists them.
//
// A new system is a new file, an entry in Systems, and a page in docs/ci.
//
// An ID token proves to the issuer which job, pod or virtual machine presents it.
package workload

import (
	"net/http"
	"os"
	"os/exec"
	"strings"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/workload/idtoken"
)

// System is a CI system or a cloud. Every field but Name is optional.
type System struct {
	Name string // as its vendor writes it

	// Variable is an environment variable that is set wherever the system runs a job.
	Variable string
	// Find returns the source of the ID tokens that the system gives this machine, and
	// whether it gives any. The tokens have the audience if the system lets a job choose
	// one. It may look at variables, PATH and files. It must not make a request or start
	// a program: the source does that.
	Find func(h Host, audience string) (idtoken.Source, bool)
	// Hint is what to do if Variable is set and Find finds nothing.
	Hint string
	// Secrets are the names of the environment variables that hold credentials.
	Secrets []string
	// Mask is what a job prints in front of a secret so that the system hides the secret
	// in its logs.
	Mask string

	// Issuer is the issuer of the ID tokens, or what all issuers begin with if it ends
	// in "/".
	Issuer string
	// SubjectPrefix is what subjects begin with that no other system has.
	SubjectPrefix string
	// NamesOwner reports whether OWNER/REPOSITORY follows SubjectPrefix.
	NamesOwner bool
	// Templates are the kinds of identities that can be created for the system's jobs.
	Templates []Template
	// Review returns what is probably wrong with the subjects that an identity accepts.
	Review func(m iam.ClaimMatch, subject pattern) Review
	// Job returns what to write into the definition of a job. Without it, jobs find the
	// ID token by themselves if there is Find, and must be given it otherwise.
	Job func(Job) string
}

// Systems are all known systems. What belongs to a job comes before what belongs to its
// machine: a runner may be a pod, and the node of that pod a virtual machine.
var Systems = []System{gitHub, gitLab, circleCI, bitbucket, buildkite, jenkins, kubernetes, azure, google, aws}

// Template describes a command that creates an identity, as data.
type Template struct {
	Name    string // of the command; "aws role" is a command role below aws
	Short   string // help
	Long    string
	Example string // arguments of the command
	Flags   []Flag // all of them take a string
	// Fill sets which ID tokens identity accepts from the values of the flags. It returns
	// a note for the user, or "".
	Fill func(identity *iam.Identity, flags map[string]string) (note string, err error)
}

// Flag is a flag of a template's command. Usage names its value in backquotes.
type Flag struct{ Name, Default, Usage string }

// Host is the machine that the program runs on.
type Host struct {
	Getenv   func(string) string
	LookPath func(string) (string, error) // returns an absolute path
	// Transport carries requests to GitHub's token service. It must not follow redirects.
	Transport http.RoundTripper
	Root      string // of the file system
}

// ThisHost returns the machine that the program runs on.
func ThisHost() Host {
	return Host{Getenv: os.Getenv, LookPath: exec.LookPath, Transport: platform.NewTransport(), Root: "/"}
}

// Ambient returns the source of the ID tokens that the first of Systems gives this
// machine, and whether one does.
func (h Host) Ambient(audience string) (idtoken.Source, bool) {
	for _, system := range Systems {
		if system.Find == nil {
			continue
		}
		if source, ok := system.Find(h, audience); ok {
			return source, true
		}
	}
	return idtoken.Source{}, false
}

// values returns the values of variables.
func (h Host) values(variables []string) []string {
	values := make([]string, len(variables))
	for i, variable := range variables {
		values[i] = h.Getenv(variable)
	}
	return values
}

// system returns the system that runs this job, or the zero System.
func (h Host) system() System {
	for _, system := range Systems {
		if system.Variable != "" && h.Getenv(system.Variable) != "" {
			return system
		}
	}
	return System{}
}

// Hint returns what to do if Ambient finds nothing although the system that runs the job is
// known, else "".
func (h Host) Hint() string { return h.system().Hint }

// Mask returns what to print in front of a secret so that the log of this job does not
// show it, or "" if the system has no such command.
func (h Host) Mask() string { return h.system().Mask }

// IsSecret reports whether an environment variable holds a credential of a system. The
// case of its name does not matter, as on Windows.
func IsSecret(variable string) bool {
	for _, system := range Systems {
		for _, secret := range system.Secrets {
			if strings.EqualFold(variable, secret) {
				return true
			}
		}
	}
	return false
}

// systemOf returns the system whose ID tokens an identity accepts, or the zero System if
// neither the issuer nor the subject is one of a known system.
func systemOf(i iam.Identity) System {
	var issuer, subject string
	switch {
	case i.AWSIdentity != nil:
		return aws // the platform has a type of identity for it
	case i.ClaimMatch != nil:
		issuer, subject = i.ClaimMatch.Issuer, i.ClaimMatch.Subject+strings.TrimPrefix(i.ClaimMatch.SubjectPattern, "^")
	case i.Static != nil:
		subject = i.Static.Subject
	}
	for _, system := range Systems {
		isPrefix := strings.HasSuffix(system.Issuer, "/") && strings.HasPrefix(issuer, system.Issuer)
		if system.Issuer != "" && (issuer == system.Issuer || isPrefix) {
			return system
		}
	}
	for _, system := range Systems {
		if system.SubjectPrefix != "" && strings.HasPrefix(subject, system.SubjectPrefix) {
			return system
		}
	}
	return System{}
}
