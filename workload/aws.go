package workload

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"docker-credential-cgr/iam"
)

// aws: what stands for an ID token is a signed request for GetCallerIdentity, which this
// program does not make.
var aws = System{
	Name: "AWS",
	Templates: []Template{
		awsTemplate("role", "lambda-role", matchAWSRole),
		awsTemplate("user", "build-user", matchAWSUser),
	},
	Job: func(j Job) string {
		return j.fill(`The ID token of AWS is a signed request for GetCallerIdentity, which docker-credential-cgr does not make.
Make it with another program and pass it on, with docker-credential-cgr in PATH:

docker-credential-cgr configure-docker --identity {identity} --identity-token PATH
docker pull {image}
`)
	},
}

func awsTemplate(kind, example string, match func(awsPrincipal) (iam.AWSIdentity, error)) Template {
	return Template{
		Name:  "aws " + kind,
		Short: "Create an identity for an AWS " + kind,
		Example: "my-" + kind + ` --aws-account-id 123456789012 \
    --aws-` + kind + "-name " + example + " --role registry.pull",
		Flags: []Flag{
			{"aws-account-id", "", "account `ID`, 12 digits"},
			{"aws-" + kind + "-name", "", "`NAME` of the " + kind},
			{"aws-" + kind + "-id", "", "unique `ID` of the " + kind + " (default: any with this name)"},
			{"aws-partition", "aws", "`PARTITION`: aws, aws-cn or aws-us-gov"},
		},
		Fill: func(identity *iam.Identity, flags map[string]string) (string, error) {
			accepted, err := match(awsPrincipal{
				partition: flags["aws-partition"], account: flags["aws-account-id"],
				name: flags["aws-"+kind+"-name"], id: flags["aws-"+kind+"-id"],
			})
			identity.AWSIdentity = &accepted
			return "", err
		},
	}
}

// awsPrincipal is a role or a user of AWS.
type awsPrincipal struct {
	partition string // aws, aws-cn, aws-us-gov; empty for aws
	account   string // 12 digits
	name      string // a user's includes its path, without a leading /
	id        string // unique; empty for any principal with this name, now or later
}

// matchAWSRole accepts sessions of a role, by the role's answer to GetCallerIdentity
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html).
func matchAWSRole(p awsPrincipal) (iam.AWSIdentity, error) {
	id := regexp.QuoteMeta(p.id)
	if p.id == "" {
		id = "AROA[A-Z0-9]+"
	}
	return iam.AWSIdentity{
		Account:       p.account,
		ARNPattern:    "^" + regexp.QuoteMeta(p.arn("sts")+":assumed-role/"+p.name+"/") + "[^/]+$",
		UserIDPattern: "^" + id + ":.+$",
	}, p.check("role", "AROA", "_+=,.@-")
}

// matchAWSUser accepts a user, by the user's answer to GetCallerIdentity.
func matchAWSUser(p awsPrincipal) (iam.AWSIdentity, error) {
	identity := iam.AWSIdentity{Account: p.account, ARN: p.arn("iam") + ":user/" + p.name, UserID: p.id}
	if p.id == "" {
		identity.UserIDPattern = "^AIDA[A-Z0-9]+$"
	}
	return identity, p.check("user", "AIDA", "_+=,.@-/")
}

func (p awsPrincipal) arn(service string) string {
	return "arn:" + cmp.Or(p.partition, "aws") + ":" + service + "::" + p.account
}

func (p awsPrincipal) check(kind, idPrefix, punctuation string) error {
	switch {
	case len(p.account) != 12 || strings.Trim(p.account, "0123456789") != "":
		return fmt.Errorf("%s is not an AWS account ID, which has 12 digits", quote(p.account))
	case p.name == "" || len(p.name) > 576 || !containsOnly(p.name, punctuation) || strings.HasPrefix(p.name, "/"):
		return fmt.Errorf("%s is not the name of an AWS %s", quote(p.name), kind)
	case p.partition != "" && !regexp.MustCompile("^aws(-[a-z-]+)?$").MatchString(p.partition):
		return fmt.Errorf("%s is not an AWS partition, such as aws, aws-cn or aws-us-gov", quote(p.partition))
	case p.id != "" && (!strings.HasPrefix(p.id, idPrefix) || !containsOnly(p.id, "")):
		return fmt.Errorf("%s is not the ID of an AWS %s, which begins with %s", quote(p.id), kind, idPrefix)
	}
	return nil
}
