package iam

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Warnings returns a line for each way in which m admits or rejects tokens, probably
// by mistake. That the service matches a pattern with the whole value is likely but not
// known, so a pattern is taken here for what it says: without ^ and $ it fits a part.
func (m ClaimMatch) Warnings() []string {
	return slices.Concat(m.LetsIn(), m.keepsOut())
}

// LetsIn returns a line for each way in which m admits too many tokens.
func (m ClaimMatch) LetsIn() []string {
	warnings := slices.Concat(m.issuerWarnings(), m.subjectWarnings())
	if p, ok := readPattern("audience", m.AudiencePattern); ok {
		if p.fitsAll() {
			warnings = append(warnings, p.name+" fits every audience: a token that was made for any other service can be used here")
		} else {
			warnings = append(warnings, p.unanchored()...)
		}
	}
	for _, claim := range slices.Sorted(maps.Keys(m.ClaimPatterns)) {
		if p, ok := readPattern("claim "+quote(claim), m.ClaimPatterns[claim]); ok {
			warnings = append(warnings, p.unanchored()...)
		}
	}
	return warnings
}

// keepsOut returns a line for each way in which m rejects tokens, probably by mistake.
func (m ClaimMatch) keepsOut() []string {
	p, isPattern := m.subjectPattern()
	if p.re == nil || isPattern && p.fitsAll() {
		return nil
	}
	var warnings []string
	if repeated, ok := repeatedLetter(p.tree); ok && isPattern {
		warnings = append(warnings, fmt.Sprintf("%s has a * that repeats the %q in front of it: for anything write .*", p.name, repeated))
	}
	return append(warnings, p.withoutIDs(m.Issuer)...)
}

// subjectPattern returns the pattern for the subject, or one that fits the subject
// alone. It has no re where there is neither.
func (m ClaimMatch) subjectPattern() (p pattern, isPattern bool) {
	if p, ok := readPattern("subject", m.SubjectPattern); ok {
		return p, true
	}
	if m.Subject != "" {
		if p, ok := readPattern("subject", "^"+regexp.QuoteMeta(m.Subject)+"$"); ok {
			p.name = "the subject " + quote(m.Subject)
			return p, false
		}
	}
	return pattern{}, false
}

func (m ClaimMatch) issuerWarnings() []string {
	p, ok := readPattern("issuer", m.IssuerPattern)
	if !ok {
		return nil
	}
	if p.fitsAll() {
		return []string{p.name + " fits every issuer: anybody can run one, whose tokens say what they like"}
	}
	warnings := p.unanchored()
	const stranger = "evil.example"
	text, found := p.letsIn([]string{stranger + "/", stranger, "." + stranger}, func(text string) bool {
		u, err := url.Parse(text)
		return err == nil && strings.HasSuffix(u.Hostname(), stranger)
	})
	if found {
		warnings = append(warnings, fmt.Sprintf("%s fits issuers on other people's hosts, such as %s: write the host in full, or [^/]+ in front of a dot of yours", p.name, quote(text)))
	}
	if anyCharacter(p.tree) {
		warnings = append(warnings, p.name+` has a . that stands for any character: for a dot write \.`)
	}
	return warnings
}

func (m ClaimMatch) subjectWarnings() []string {
	p, isPattern := m.subjectPattern()
	switch {
	case p.re == nil:
		return nil
	case !isPattern:
		return p.pullRequests()
	case p.fitsAll():
		return []string{p.name + " fits every subject: whoever has a token of that issuer gets in"}
	}
	return slices.Concat(p.unanchored(), p.meantAsGlob(), p.strangers(), p.pullRequests(), p.branches())
}

// pattern is a pattern that compiles, and what to call it in a warning.
type pattern struct {
	name string
	text string
	re   *regexp.Regexp
	tree *syntax.Regexp
}

// readPattern gives false where there is none, or none that Check lets pass.
func readPattern(claim, text string) (pattern, bool) {
	if text == "" || len(text) > maxClaim+100 {
		return pattern{}, false
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return pattern{}, false
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	return pattern{"the " + claim + " pattern " + quote(text), text, re, tree}, err == nil
}

// fitsAll says whether p fits texts that have nothing in common.
func (p pattern) fitsAll() bool {
	for _, text := range []string{"0", "https://stranger.example", "repo:a/b:ref:refs/heads/c"} {
		if !p.re.MatchString(text) {
			return false
		}
	}
	return true
}

// letsIn gives a text that p fits and that is told to be a stranger's, where p has one
// of fills in each place that it leaves open.
func (p pattern) letsIn(fills []string, strange func(text string) bool) (string, bool) {
	for _, fill := range fills {
		for _, text := range examples(p.tree, fill) {
			if strange(text) && p.re.MatchString(text) {
				return text, true
			}
		}
	}
	return "", false
}

// unanchored warns of a pattern that does not say where the value begins and ends.
func (p pattern) unanchored() []string {
	begins, ends := anchored(p.tree, syntax.OpBeginText), anchored(p.tree, syntax.OpEndText)
	lacks := map[[2]bool]string{{false, false}: "^ in front and $ behind", {false, true}: "^ in front", {true, false}: "$ behind"}[[2]bool{begins, ends}]
	if lacks == "" {
		return nil
	}
	return []string{fmt.Sprintf("%s has no %s: where it is only looked for, any value that holds such a part fits; write %s", p.name, lacks, quote("^(?:"+p.text+")$"))}
}

// meantAsGlob warns of what a * lets in that was meant as in file names: more than
// what was written.
func (p pattern) meantAsGlob() []string {
	repeated, ok := repeatedLetter(p.tree)
	if !ok || !isAlphanumeric(repeated) {
		return nil
	}
	meant, ok := readPattern("subject", strings.ReplaceAll(p.text, string(repeated)+"*", string(repeated)+".*"))
	if !ok {
		return nil
	}
	return meant.strangers()
}

// strangers warns of names that a pattern leaves open at their end, or altogether.
func (p pattern) strangers() []string {
	const mark = "evil"
	var whose string
	text, found := p.letsIn([]string{"-" + mark + "/x", "-" + mark, mark + "/x", mark}, func(text string) bool {
		if strings.Contains(p.text, mark) {
			return false
		}
		owner, name, _ := subjectNames(text)
		at := strings.Index(text, mark)
		switch {
		case strings.Contains(owner, mark) && !strings.HasPrefix(owner, "-"):
			whose = "organizations of other people"
		case owner == "" && at > 1 && text[at-1] == '-' && isAlphanumeric(rune(text[at-2])):
			whose = "longer names"
		case owner != "" && strings.Contains(name, "-"+mark) && !strings.HasPrefix(name, "-") && !strings.Contains(name, "/"):
			whose = "repositories with longer names"
		default:
			return false
		}
		return true
	})
	if !found {
		return nil
	}
	return []string{fmt.Sprintf("%s fits %s too, such as %s: write names in full, with what follows them, / or :", p.name, whose, quote(text))}
}

// subjectNames gives the owner and the name of the repository or project in a subject
// of GitHub or GitLab, and what follows them; "" for another subject.
func subjectNames(subject string) (owner, name, rest string) {
	for _, prefix := range []string{"repo:", "project_path:"} {
		if names, ok := strings.CutPrefix(subject, prefix); ok {
			names, rest, _ = strings.Cut(names, ":")
			owner, name, _ = strings.Cut(names, "/")
			return owner, name, rest
		}
	}
	return "", "", ""
}

// pullRequests warns of what fits the subject of a pull request on GitHub.
func (p pattern) pullRequests() []string {
	text, found := p.letsIn([]string{"", "x", "pull_request", ":pull_request", "x:pull_request", "x/x:pull_request"}, func(text string) bool {
		owner, name, rest := subjectNames(text)
		return strings.HasPrefix(text, "repo:") && owner != "" && name != "" && rest == "pull_request"
	})
	if !found {
		return nil
	}
	return []string{fmt.Sprintf("%s fits pull requests, as in %s: code that nobody has reviewed then has this identity, from forks too where a repository gives their jobs write tokens", p.name, quote(text))}
}

// branches warns of what fits any branch of a GitLab project.
func (p pattern) branches() []string {
	const branch = ":ref_type:branch:ref:anybody-s"
	text, found := p.letsIn([]string{"anybody-s"}, func(text string) bool {
		return strings.HasPrefix(text, "project_path:") && strings.HasSuffix(text, branch)
	})
	if !found {
		return nil
	}
	return []string{fmt.Sprintf("%s fits every branch, as in %s: also those of merge requests that nobody has reviewed, and before GitLab 18.2.2 those from forks", p.name, quote(text))}
}

// withoutIDs warns of what fits a repository on GitHub by its names alone, and not once
// its subjects carry numeric ids.
func (p pattern) withoutIDs(issuer string) []string {
	if issuer != gitHubIssuer {
		return nil
	}
	with := ""
	for _, text := range examples(p.tree, "x") {
		owner, name, _ := subjectNames(text)
		if name == "" || !p.re.MatchString(text) {
			continue
		}
		if strings.Contains(owner, "@") || strings.Contains(name, "@") {
			return nil
		}
		with = strings.Replace(text, owner+"/"+name, owner+"@123/"+name+"@456", 1)
		if p.re.MatchString(with) {
			return nil
		}
	}
	if with == "" {
		return nil
	}
	return []string{fmt.Sprintf("%s does not fit repositories made since 15 July 2026, nor others that opted in: their subjects carry numeric ids, as in %s; identities create github takes both forms", p.name, quote(with))}
}
