package workload

import "docker-credential-cgr/workload/idtoken"

// azure: the webhook of Azure Workload Identity sets the path of a service account's
// token (azure-workload-identity, "Mutating Admission Webhook"). The issuer is the
// cluster.
var azure = System{
	Name: "Azure",
	Find: func(h Host, _ string) (idtoken.Source, bool) {
		path := h.Getenv("AZURE_FEDERATED_TOKEN_FILE")
		if path == "" {
			return idtoken.Source{}, false
		}
		return idtoken.FileOf("Azure Workload Identity", path), true
	},
}
