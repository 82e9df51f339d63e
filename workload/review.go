package workload

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
)

// Review lists what is probably a mistake in an identity, a line each.
type Review struct {
	Accepts []string // ID tokens of strangers
	Rejects []string // ID tokens that the identity is probably meant for
}

func (r *Review) accept(format string, args ...any) {
	r.Accepts = append(r.Accepts, fmt.Sprintf(format, args...))
}

func (r *Review) reject(format string, args ...any) {
	r.Rejects = append(r.Rejects, fmt.Sprintf(format, args...))
}

// ReviewClaims looks for patterns that match too much or too little: it checks that they
// are anchored, and tries values that strangers could have. The service probably matches
// a pattern against the whole value, but does not document it, so a pattern without ^ and
// $ counts as matching a part.
func ReviewClaims(m iam.ClaimMatch) (r Review) {
	r.issuer(m)
	if subject, ok := subjectPattern(m); ok {
		r.subject(m, subject)
	}
	if p, ok := parsePattern("audience", m.AudiencePattern); ok {
		if p.matchesAll() {
			r.accept("%s matches every audience: tokens made for any other service are accepted", p.name)
		} else {
			r.anchors(p)
		}
	}
	for _, claim := range slices.Sorted(maps.Keys(m.ClaimPatterns)) {
		if p, ok := parsePattern("claim "+quote(claim), m.ClaimPatterns[claim]); ok {
			r.anchors(p)
		}
	}
	return r
}

func (r *Review) issuer(m iam.ClaimMatch) {
	p, ok := parsePattern("issuer", m.IssuerPattern)
	if !ok {
		return
	}
	if p.matchesAll() {
		r.accept("%s matches every issuer: anyone can run one and choose what its tokens claim", p.name)
		return
	}
	r.anchors(p)
	const stranger = "evil.example"
	for text := range p.samples(stranger+"/", stranger, "."+stranger) {
		if u, err := url.Parse(text); err == nil && strings.HasSuffix(u.Hostname(), stranger) {
			r.accept("%s matches issuers on other people's hosts, such as %s: write the host in full, or [^/]+ in front of a dot of yours",
				p.name, quote(text))
			break
		}
	}
	if regexp.MustCompile(`(^|[^\\\[])\.($|[^*+?{])`).MatchString(p.text) {
		r.accept(`%s has a . that matches any character: for a dot, write \.`, p.name)
	}
}

func (r *Review) subject(m iam.ClaimMatch, subject pattern) {
	isPattern := m.SubjectPattern != ""
	if isPattern && subject.matchesAll() {
		r.accept("%s matches every subject: all tokens of the issuer are accepted", subject.name)
		return
	}
	if isPattern {
		r.anchors(subject)
		// Who writes x* probably means the * of file names.
		meant := subject
		if star := regexp.MustCompile(`((?:^|[^\\])[\w/:-])\*`); star.MatchString(subject.text) {
			r.reject("%s has a * that repeats the character in front of it: for anything, write .*", subject.name)
			meant, _ = parsePattern("subject", star.ReplaceAllString(subject.text, "$1.*"))
		}
		if text := meant.findStranger(); text != "" {
			r.accept("%s matches names of other people, such as %s: write names in full, with the / or : that follows them",
				subject.name, quote(text))
		}
	}
	for _, system := range Systems {
		if system.Review != nil {
			found := system.Review(m, subject)
			r.Accepts = append(r.Accepts, found.Accepts...)
			r.Rejects = append(r.Rejects, found.Rejects...)
		}
	}
}

// anchors warns of a pattern that does not say where the value begins and ends.
func (r *Review) anchors(p pattern) {
	var missing []string
	if !isAnchored(p.tree, syntax.OpBeginText) {
		missing = append(missing, "^ in front")
	}
	if !isAnchored(p.tree, syntax.OpEndText) {
		missing = append(missing, "$ behind")
	}
	if missing != nil {
		r.accept("%s has no %s: any value that contains a match may be accepted; write %s",
			p.name, strings.Join(missing, " and "), quote("^(?:"+p.text+")$"))
	}
}

// pattern is a pattern for a claim, and what to call it in a warning.
type pattern struct {
	name string
	text string
	re   *regexp.Regexp
	tree *syntax.Regexp
}

// maxPattern is how long a pattern is reviewed, in bytes. Longer ones cannot be created.
const maxPattern = 2100

// parsePattern reports false if there is no pattern, or one that ClaimMatch.Check refuses.
func parsePattern(claim, text string) (pattern, bool) {
	re, err := regexp.Compile(text)
	if err != nil || text == "" || len(text) > maxPattern {
		return pattern{}, false
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	return pattern{"the " + claim + " pattern " + quote(text), text, re, tree}, err == nil
}

// subjectPattern returns the pattern for the subject, or one that matches the subject
// alone.
func subjectPattern(m iam.ClaimMatch) (pattern, bool) {
	if m.SubjectPattern != "" || m.Subject == "" {
		return parsePattern("subject", m.SubjectPattern)
	}
	p, ok := parsePattern("subject", "^"+regexp.QuoteMeta(m.Subject)+"$")
	p.name = "the subject " + quote(m.Subject)
	return p, ok
}

// matchesAll reports whether p matches texts that have nothing in common.
func (p pattern) matchesAll() bool {
	for _, text := range []string{"0", "https://stranger.example", "repo:a/b:ref:refs/heads/c"} {
		if !p.re.MatchString(text) {
			return false
		}
	}
	return true
}

// maxAlternatives is how many alternatives of a pattern are tried.
const maxAlternatives = 10

// samples returns texts that p matches, with each of fills where p leaves several
// characters open.
func (p pattern) samples(fills ...string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, fill := range fills {
			last := ""
			for alternative := range maxAlternatives {
				text := sample(p.tree, fill, alternative)
				if alternative > 0 && text == last {
					break // there are no more
				}
				last = text
				if p.re.MatchString(text) && !yield(text) {
					return
				}
			}
		}
	}
}

// find returns a sample of p that wanted matches too, or "".
func (p pattern) find(wanted *regexp.Regexp, fills ...string) string {
	for text := range p.samples(fills...) {
		if wanted.MatchString(text) {
			return text
		}
	}
	return ""
}

// findStranger returns a subject that p matches and that has the name of a stranger, or
// one of yours made longer; "" if there is none.
func (p pattern) findStranger() string {
	if p.re == nil || strings.Contains(p.text, "evil") {
		return ""
	}
	longerName := regexp.MustCompile(`\w-evil`)
	ownerOrRepository := regexp.MustCompile(`^([^/]*\w-)?evil|^[^/]+/[^/]*\w-evil$`)
	for text := range p.samples("-evil/x", "-evil", "evil/x", "evil") {
		names, strange := text, longerName
		for _, system := range Systems {
			if rest, ok := strings.CutPrefix(text, system.SubjectPrefix); ok && system.NamesOwner {
				names, _, _ = strings.Cut(rest, ":")
				strange = ownerOrRepository
			}
		}
		if strange.MatchString(names) {
			return text
		}
	}
	return ""
}

// sample returns a text that re probably matches: with fill where several characters are
// open, without what is optional, and with one of the alternatives, or the last.
func sample(re *syntax.Regexp, fill string, alternative int) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		if len(re.Rune) > 0 {
			return string(re.Rune[0])
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "x"
	case syntax.OpCapture, syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			b.WriteString(sample(sub, fill, alternative))
		}
		return b.String()
	case syntax.OpAlternate:
		return sample(re.Sub[min(alternative, len(re.Sub)-1)], fill, alternative)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		if whole, err := regexp.Compile("^(?:" + re.String() + ")$"); err == nil && whole.MatchString(fill) {
			return fill
		}
		if re.Op == syntax.OpPlus {
			return sample(re.Sub[0], fill, alternative)
		}
		if re.Op == syntax.OpRepeat {
			return strings.Repeat(sample(re.Sub[0], fill, alternative), re.Min)
		}
	}
	return "" // an anchor, or optional
}

// isAnchored reports whether each match of re begins, or ends, where its text does: op is
// syntax.OpBeginText or syntax.OpEndText.
func isAnchored(re *syntax.Regexp, op syntax.Op) bool {
	switch re.Op {
	case op:
		return true
	case syntax.OpCapture:
		return isAnchored(re.Sub[0], op)
	case syntax.OpConcat:
		if op == syntax.OpBeginText {
			return isAnchored(re.Sub[0], op)
		}
		return isAnchored(re.Sub[len(re.Sub)-1], op)
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !isAnchored(sub, op) })
	}
	return false
}

// quote quotes a text for a message, with what could control a terminal escaped.
func quote(text string) string { return `"` + platform.Printable(text) + `"` }

// containsOnly reports whether text consists of ASCII letters, digits and others.
func containsOnly(text, others string) bool {
	const common = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return strings.Trim(text, common+others) == ""
}
