package kubernetes

// The parts of a manifest. Names in braces are replaced.
const (
	commentYAML = `# Keeps image pull secrets fresh. Create the identity of its service account once:
#
#   {create}
#
# ISSUER_URL is the cluster's: kubectl get --raw /.well-known/openid-configuration
# If the platform cannot reach it, add: --issuer-keys="$(kubectl get --raw /openid/v1/jwks)"
`

	namespaceYAML = `apiVersion: v1
kind: Namespace
metadata:
  name: {namespace}
  labels:
    pod-security.kubernetes.io/enforce: restricted
`

	accountYAML = `apiVersion: v1
kind: ServiceAccount
metadata:
  name: {name}
  namespace: {namespace}
automountServiceAccountToken: false
`

	roleYAML = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {name}
  namespace: {target}
rules:
{rules}---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {name}
  namespace: {target}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {name}
subjects:
  - kind: ServiceAccount
    name: {name}
    namespace: {namespace}
`

	clusterRoleYAML = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {cluster-role}
rules:
  - apiGroups: [""]
    resources: ["namespaces"]
    verbs: ["list"]
{rules}---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {cluster-role}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {cluster-role}
subjects:
  - kind: ServiceAccount
    name: {name}
    namespace: {namespace}
`

	// The limits of a run: a job that hangs ends before the next is due, and a clock that was
	// wrong for long does not stop the schedule.
	cronJobYAML = `apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
  namespace: {namespace}
spec:
  schedule: {schedule}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 600
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 2
      activeDeadlineSeconds: 900
      template:
{pod}
          restartPolicy: Never
`

	deploymentYAML = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {namespace}
spec:
  replicas: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  template:
{pod}
`

	podYAML = `metadata:
  labels:
    app.kubernetes.io/name: {name}
spec:
  serviceAccountName: {name}
  automountServiceAccountToken: true
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: refresh
      image: {image}
      command: ["docker-credential-cgr"]
      args: [{args}]
      env: {env}
      resources:
        requests:
          cpu: 10m
          memory: 32Mi
        limits:
          memory: 64Mi
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: ["ALL"]
      volumeMounts:
        - name: id-token
          mountPath: /var/run/chainguard/oidc
          readOnly: true
  volumes:
    - name: id-token
      projected:
        sources:
          - serviceAccountToken:
              path: oidc-token
              audience: {audience}
              expirationSeconds: 600
`
)
