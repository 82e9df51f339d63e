package workload

// jenkins: the plugin OpenID Connect Provider makes ID tokens as credentials, which a job
// binds to a variable of any name. The issuer is the server.
var jenkins = System{
	Name:     "Jenkins",
	Variable: "JENKINS_URL",
	Hint:     "Jenkins gives ID tokens as credentials: bind one to a variable and name that: --identity-token-env NAME",
}
