package references

// What is found in YAML of any kind, and so in workflows too.
var yamlImages = []marked{
	// Compose.
	{"Compose", `name: shop
services:
  web:
    image: ⟦cgr.dev/chainguard/nginx:latest⟧
    ports: ["8080:8080"]
  db:
    image:   "⟦cgr.dev/org/postgres:17⟧"   # keep at 17
    environment:
      image: ⟦cgr.dev/org/seed⟧
  cache:
    image: docker.io/library/redis:7
  app:
    build: {context: ., args: {BASE: cgr.dev/org/python:3.13}}
`},
	{"Compose with extension fields", "x-base: &base\n  image: ⟦cgr.dev/org/python:3.13⟧\n  restart: always\nservices:\n  a:\n    <<: *base\n  b:\n    <<: [*base]\n    image: '⟦cgr.dev/org/node:22⟧'\n"},
	{"Compose, pinned already", "services:\n  a:\n    image: ⟦cgr.dev/org/python:3.13@" + oldDigest + "⟧\n  b:\n    image: ⟦cgr.dev/org/python@" + oldDigest + "⟧\n"},
	{"Compose, a build with a name and a cache", "services:\n  a:\n    image: ⟦cgr.dev/org/app⟧\n    build:\n      cache_from: [cgr.dev/org/app:cache]\n"},
	// Kubernetes.
	{"a Pod", `apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations:
    note: from cgr.dev/org/python:3.13
spec:
  initContainers:
    - name: wait
      image: ⟦cgr.dev/org/busybox:latest⟧
  containers:
    - image: ⟦cgr.dev/org/python:3.13⟧
      imagePullPolicy: Always
      name: web
      args: [--base-image=cgr.dev/org/python]
    - {name: side, image: ⟦cgr.dev/org/envoy:v1.30⟧}
  ephemeralContainers: [{name: dbg, image: "⟦cgr.dev/org/busybox⟧"}]
`},
	{"a Deployment", "apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n      - name: a\n        image: ⟦cgr.dev/org/a/b/c:v1.2.3-r0⟧\n      volumes:\n      - name: v\n        image:\n          reference: quay.io/x/y\n      - image: {reference: ⟦cgr.dev/org/data:1⟧, pullPolicy: Always}\n"},
	{"a kustomization that pins", "images:\n- name: cgr.dev/org/python\n  newTag: '3.13'\n  digest: " + oldDigest + "\n- name: python\n  newName: cgr.dev/org/python\n- name: cgr.dev/org/node\n  newName: mirror.example/node\n  newTag: '22'\n- cgr.dev/org/x\n"},
	{"a digest beside", "image: cgr.dev/org/python\ndigest: " + oldDigest + "\nx: {image: cgr.dev/org/python, tag: '3.13', imageDigest: " + oldDigest + "}\ny: {image: ⟦cgr.dev/org/python⟧, digest: sha256:x}\n"},
	{"a list of images", "matrix:\n  image: [docker.io/a/b, ⟦cgr.dev/a/b⟧, '⟦cgr.dev/c/d:1⟧', &x ⟦cgr.dev/g/h⟧, *x]\nx:\n  image:\n    - \"⟦cgr.dev/e/f⟧\"\n"},
	{"parts of a chart with a digest", "image: {registry: cgr.dev, repository: org/python, tag: '3.13', digest: " + oldDigest + "}\nx: {image: {repository: cgr.dev/org/python, digest: '" + oldDigest + "'}}\n"},
	{"services that are no list of images", "services: {a: {image: ⟦cgr.dev/a/b⟧}}\n---\nservices: [3, [cgr.dev/a/b], {x: cgr.dev/a/b}]\n---\nservices: cgr.dev/a/b\n"},
	{"a CronJob", "kind: CronJob\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          containers:\n            - image: ⟦cgr.dev/org/curl:8⟧\n              command: ['sh', '-c', 'crane digest cgr.dev/org/curl:8']\n"},
	{"a List", "kind: List\nitems:\n- kind: Pod\n  spec: {containers: [{image: ⟦cgr.dev/a/b⟧}]}\n- kind: Pod\n  spec: {containers: [{image: ⟦cgr.dev/c/d⟧}]}\n"},
	{"a custom resource", "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nspec:\n  image: ⟦cgr.dev/org/prometheus:v3⟧\n  thanos:\n    image: ⟦cgr.dev/org/thanos⟧\n  baseImage: cgr.dev/org/prometheus\n"},
	{"a custom resource's definition", "kind: CustomResourceDefinition\nspec:\n  properties:\n    image:\n      type: string\n      description: such as cgr.dev/org/python\n      default: cgr.dev/org/python\n"},
	{"a ConfigMap with files inside", "kind: ConfigMap\ndata:\n  Dockerfile: |\n    FROM cgr.dev/org/python:3.13\n  pod.yaml: |\n    image: cgr.dev/org/python:3.13\n  s: \"image: cgr.dev/org/python\"\n"},
	// CI.
	{"GitLab", `default:
  image: ⟦cgr.dev/org/python:3.13⟧
build:
  image:
    name: ⟦cgr.dev/org/kaniko:latest⟧
    entrypoint: [""]
  services:
    - name: ⟦cgr.dev/org/postgres⟧
      alias: db
    - ⟦cgr.dev/org/redis⟧
    - docker:dind
  script: ["docker pull cgr.dev/org/x", 'image: cgr.dev/org/y']
lint: {image: {name: '⟦cgr.dev/org/golangci:2⟧', pull_policy: always}}
`},
	{"GitLab, references of its own", ".a: {image: ⟦cgr.dev/org/a⟧}\nb:\n  image: !reference [.a, image]\n  script: !reference [.a, script]\n"},
	{"CircleCI", "version: 2.1\nexecutors:\n  x:\n    docker:\n      - image: ⟦cgr.dev/org/go:1.24⟧\n        auth: {username: $U, password: $P}\n      - image: cimg/postgres:17\n"},
	{"Tekton", "kind: Task\nspec:\n  stepTemplate:\n    image: ⟦cgr.dev/org/git⟧\n  steps:\n    - name: a\n      image: ⟦cgr.dev/org/git:2⟧\n      script: |\n        #!/bin/sh\n        image: cgr.dev/org/no\n  sidecars:\n    - image: ⟦cgr.dev/org/dind⟧\n"},
	{"values of a chart", "image: ⟦cgr.dev/org/app:1⟧\ninitImage: cgr.dev/org/init:1\nsidecar:\n  image: ⟦cgr.dev/org/side:1⟧\nimages: [cgr.dev/org/x]\nimageRegistry: cgr.dev\nImage: cgr.dev/org/y\n"},
	{"values of a chart for other registries", "# cgr.dev has it too\nimage:\n  registry: docker.io\n  repository: org/python\n  tag: '3.13'\n"},
	// Hosts.
	{"hosts that only look like it", "a: {image: cgr.dev.evil.example/a/b}\nb: {image: notcgr.dev/a/b}\nc: {image: evil.example/cgr.dev/a}\nd: {image: cgr.dev@evil.example/a/b}\ne: {image: cgr.dev:8443/a/b}\nf: {image: cgr.dev}\ng: {image: 'https://cgr.dev/a/b'}\nh: {image: x-cgr.dev/a/b}\ni: {image: sub.cgr.dev/a/b}\n"},
	{"variables before hosts that only look like it", "a: {image: 'cgr.dev.evil.example/a:$T'}\nb: {image: 'notcgr.dev/a/b:$T'}\nc: {image: '${MIRROR}/cgr.dev/a/b'}\nd: {image: 'cgr.dev:8443/a/b:$T'}\ne: {image: 'not-cgr.dev/a/b:$T'}\nf: {image: '$NOT-cgr.dev/a/b'}\n"},
	{"hosts in capitals and with the port", "a: {image: ⟦CGR.DEV/a/b⟧}\nb: {image: ⟦cgr.dev:443/a/b:c⟧}\n"},
	{"an organisation like a host", "image: ⟦cgr.dev/example.com/python:3.13⟧\n"},
	// Keys.
	{"keys in quotes", "\"image\": ⟦cgr.dev/a/b⟧\nx: {'image': ⟦cgr.dev/c/d⟧, \"\\x69mage\": ⟦cgr.dev/e/f⟧}\n"},
	{"a key given with a question mark", "? image\n: ⟦cgr.dev/a/b⟧\n? x\n: ? image\n  : '⟦cgr.dev/c/d⟧'\n"},
	{"a key with a tag and an anchor", "!!str &k image: ⟦cgr.dev/a/b⟧\nx: {*k : ⟦cgr.dev/c/d⟧}\n"},
	{"keys that are mappings and lists", "? {image: cgr.dev/a/b}\n: {image: ⟦cgr.dev/c/d⟧}\n? [image, cgr.dev/a/b]\n: x\n{image: cgr.dev/a/b}: y\n"},
	{"references as keys", "&k cgr.dev/org/go: 0\ncgr.dev/org/python:3.13: 1\n'cgr.dev/org/node': 2\nimage: {cgr.dev/org/x: y}\n"},
	{"keys that only look like it", "Image: cgr.dev/a/b\nimages: cgr.dev/a/b\nimage_name: cgr.dev/a/b\nimage.name: cgr.dev/a/b\n' image': cgr.dev/a/b\n1: cgr.dev/a/b\n!x image: cgr.dev/a/b\n"},
	{"the same key twice", "image: ⟦cgr.dev/a/b⟧\nimage: ⟦cgr.dev/c/d⟧\n"},
	// Scalars.
	{"quotes", "a: {image: '⟦cgr.dev/a/b⟧'}\nb: {image: \"⟦cgr.dev/a/b⟧\"}\nc: {image: ⟦cgr.dev/a/b⟧}\n"},
	{"quotes that do not matter to what is found", "a: \"it's\"\nimage: '⟦cgr.dev/a/b⟧'\nb: 'a \"quote\" and ''two'''\n"},
	{"a value on its own line", "image:\n  ⟦cgr.dev/a/b⟧\nb:\n  image:\n\n    # here\n    '⟦cgr.dev/c/d⟧'\n"},
	{"comments behind", "image: ⟦cgr.dev/a/b⟧ # image: cgr.dev/c/d\n# image: cgr.dev/e/f\nx: # cgr.dev/g/h\n  image: \"⟦cgr.dev/i/j⟧\"# right behind the quote\n"},
	{"spaces and tabs behind the colon", "image:\t⟦cgr.dev/a/b⟧\t \nx: {image:  \t ⟦cgr.dev/c/d⟧\t}\n"},
	{"a tag for strings", "image: !!str ⟦cgr.dev/a/b⟧\nx: {image: !!str '⟦cgr.dev/c/d⟧'}\ny: {image: ! \"⟦cgr.dev/e/f⟧\"}\nz:\n  image: !<tag:yaml.org,2002:str> ⟦cgr.dev/g/h⟧\n"},
	{"an anchor and a tag, in both orders and over lines", "a: {image: &a !!str ⟦cgr.dev/a/b⟧}\nb: {image: !!str   &b  '⟦cgr.dev/c/d⟧'}\nc:\n  image: &c # where\n    # it is\n    ⟦cgr.dev/e/f⟧\nd:\n  image: !!str\n    &d\n    \"⟦cgr.dev/g/h⟧\"\n"},
	{"characters of several bytes before it", "é: {ключ: \"日本 😀\", image: ⟦cgr.dev/a/b⟧} # é\nimage: \"⟦cgr.dev/c/d⟧\" # ñ\n"},
	{"line breaks that only YAML knows", "a: \"x\u2028y\"\nimage: ⟦cgr.dev/a/b⟧\nb: {c: \"\u0085\", image: ⟦cgr.dev/c/d⟧}\n"},
	{"empty and other values", "a: {image: }\nb: {image: null}\nc: {image: 3}\nd: {image: ~}\ne: {image: ''}\nf: {image: []}\ng: {image: {}}\nimage: ⟦cgr.dev/a/b⟧\n"},
	{"block scalars around", "a: |\n  image: cgr.dev/a/b\nb: >-\n  image: cgr.dev/a/b\n\n  cgr.dev/a/b\nimage: ⟦cgr.dev/c/d⟧\nc: |2+\n   image: cgr.dev/a/b\n\nd: |\n  FROM cgr.dev/a/b\n"},
	{"strings over lines around", "a: \"image:\n  cgr.dev/a/b\"\nb: 'x\n\n  image: cgr.dev/a/b'\nc: plain\n  over cgr.dev/a/b\nimage: ⟦cgr.dev/c/d⟧\n"},
	// Flow style and JSON.
	{"flow style", "[{image: ⟦cgr.dev/a/b⟧}, {a: [{image: ⟦cgr.dev/c/d:1⟧}, image: ⟦cgr.dev/e/f⟧]}, {image: cgr.example/x/y}]\n"},
	{"flow style over lines", "x: {\n  image: ⟦cgr.dev/a/b⟧,\n  # image: cgr.dev/no/no\n  y: {image:\n    '⟦cgr.dev/c/d⟧'\n  },\n}\n"},
	{"JSON", "{\"kind\": \"Pod\",\n\t\"spec\": {\"containers\": [{\"image\":\"⟦cgr.dev/a/b:c⟧\",\"name\":\"image\"}]}}"},
	{"JSON in a line", `{"image":"⟦cgr.dev/a/b⟧","x":[{"image":"⟦cgr.dev/a/b⟧"},{"image":"⟦cgr.dev/a/b⟧"}]}`},
	// Lines and documents.
	{"CRLF", "a: b\r\nimage: ⟦cgr.dev/a/b⟧\r\nx:\r\n  image: \"⟦cgr.dev/c/d⟧\"\r\n  y: |\r\n    image: cgr.dev/no/no\r\n---\r\nimage: &x\r\n  ⟦cgr.dev/e/f⟧\r\n"},
	{"a byte order mark", "\ufeffimage: ⟦cgr.dev/a/b⟧\nx: {image: ⟦cgr.dev/c/d⟧}\n"},
	{"a byte order mark and CRLF", "\ufeff# é\r\nimage: '⟦cgr.dev/a/b⟧'\r\n"},
	{"no newline at the end", "image: ⟦cgr.dev/a/b⟧"},
	{"no newline at the end, in quotes", "x:\n- image: '⟦cgr.dev/a/b⟧'"},
	{"several documents", "# first\n---\nimage: ⟦cgr.dev/a/b⟧\n---\n---\nimage: ⟦cgr.dev/c/d⟧\n...\n# between: cgr.dev/x/y\n---\n- image: ⟦cgr.dev/e/f⟧\n...\n"},
	{"a document in the line of its marker", "--- {image: ⟦cgr.dev/a/b⟧}\n--- # x\nimage: ⟦cgr.dev/c/d⟧\n"},
	{"directives", "%YAML 1.2\n%TAG !e! tag:example.com,2000:\n---\nimage: ⟦cgr.dev/a/b⟧\nx: !e!y {image: ⟦cgr.dev/c/d⟧}\n...\n%YAML 1.1\n---\nimage: ⟦cgr.dev/e/f⟧\n"},
	{"a document that is a scalar", "cgr.dev/org/python:3.13\n--- 'image: cgr.dev/org/python:3.13'\n"},
	{"only comments", "# image: cgr.dev/org/python\n"},
	{"many empty lines and comments", "\n\n# a\n\n  # b\n\nimage: ⟦cgr.dev/a/b⟧\n\n\n# c\n\nx:\n  # d\n\n  # e\n  - image: ⟦cgr.dev/c/d⟧ # f\n\n    # g\n"},
	// Anchors and merge keys.
	{"an anchor at an image", "a: {image: &img ⟦cgr.dev/a/b⟧}\nb: {image: *img}\nc: {image: *img}\n"},
	{"an anchor at another key", "x-image: &img ⟦cgr.dev/a/b⟧\na: {image: *img}\nb: {image: *img}\n"},
	{"an anchor at another key, which no image names", "x-image: &img cgr.dev/a/b\na: {name: *img}\n"},
	{"an anchor in a list", "x: [&a '⟦cgr.dev/a/b⟧', &b \"⟦cgr.dev/c/d⟧\", &c cgr.dev/e/f]\ny: {image: *b}\nz: {image: *a}\n"},
	{"an anchor with another value later", "x: &a ⟦cgr.dev/a/b⟧\ny: {image: *a}\nz: &a ⟦cgr.dev/c/d⟧\nw: {image: *a}\n"},
	{"anchors on mappings", "x: &m {image: ⟦cgr.dev/a/b⟧}\ny: *m\nz: {<<: *m}\nimage: *m\n"},
	{"a mapping with a name, by its anchor", ".x: &m {name: ⟦cgr.dev/a/b⟧, entrypoint: ['']}\ny: {image: *m}\nz: {image: *m}\n"},
	{"a mapping with a name merged in", ".x: &m {name: ⟦cgr.dev/a/b⟧}\ny: {image: {<<: *m, entrypoint: ['']}}\nz: {image: {<<: [*m, *m], name: '⟦cgr.dev/c/d⟧'}}\n---\n.x: &m {name: ⟦cgr.dev/e/f⟧}\nimage: {<<: [*m]}\n"},
	{"a mapping merged from one in place", "image: {<<: {name: ⟦cgr.dev/a/b⟧}}\n"},
	{"an alias that goes round", "a: &a\n  image: *a\n  b: [*a, {image: ⟦cgr.dev/a/b⟧}]\n  <<: *a\n"},
	{"an image merged from itself", "image: &a {<<: *a, name: ⟦cgr.dev/a/b⟧}\n"},
}

// What is found in workflows and actions of GitHub.
var workflowImages = []marked{
	{"jobs in containers", `on: push
jobs:
  a:
    runs-on: ubuntu-latest
    container: ⟦cgr.dev/org/python:3.13⟧
  b:
    container:
      image: ⟦cgr.dev/org/node:22⟧
      options: --pull=always cgr.dev/org/x
    services:
      db:
        image: "⟦cgr.dev/org/postgres:17⟧"
        ports: [5432]
    steps:
      - uses: actions/checkout@v5
      - uses: docker://⟦cgr.dev/org/crane:latest⟧
        with: {args: digest cgr.dev/org/python}
      - uses: 'docker://⟦cgr.dev/org/crane⟧' # docker://cgr.dev/a/b
      - uses: docker://docker.io/library/alpine
      - run: docker run cgr.dev/org/python
`},
	{"an action of its own image", "name: x\nruns:\n  using: docker\n  image: docker://⟦cgr.dev/org/tool:v1⟧\n"},
	{"an action of its own Dockerfile", "# FROM cgr.dev/org/x\nruns:\n  using: docker\n  image: Dockerfile\n"},
	{"a composite action", "runs:\n  using: composite\n  steps:\n    - uses: \"docker://⟦cgr.dev/org/tool@" + oldDigest + "⟧\"\n"},
	{"docker:// before a container", "jobs:\n  a: {container: 'docker://⟦cgr.dev/a/b⟧'}\n  b: {container: {image: docker://⟦cgr.dev/c/d⟧}}\n"},
	{"a container in capitals and with its port", "jobs:\n  a: {container: ⟦CGR.dev:443/a/b⟧}\n"},
	{"uses without docker://", "steps:\n  - uses: cgr.dev/org/python\n  - uses: ./cgr.dev/org\n  - uses: org/repo@cgr.dev/a/b\n"},
	{"docker:// elsewhere", "env:\n  X: docker://cgr.dev/a/b\nsteps:\n  - run: docker://cgr.dev/a/b\n"},
	{"a matrix that lists whole jobs", "strategy:\n  matrix:\n    include:\n      - {os: x, container: ⟦cgr.dev/a/b⟧}\n      - {os: y, image: ⟦cgr.dev/c/d⟧}\ncontainer: ${{ matrix.container }}\n"},
	{"anchors", "x: &c docker://⟦cgr.dev/a/b⟧\njobs: {a: {steps: [uses: *c, uses: *c]}, b: {container: *c}}\n"},
	{"containers that are no strings", "# cgr.dev\njobs: {a: {container: }, b: {container: 3}, c: {container: [cgr.dev/a/b]}, d: {uses: }, e: {uses: [docker://cgr.dev/a/b]}}\n"},
	{"hosts that only look like it", "steps:\n  - uses: docker://cgr.dev.evil.example/a/b\n  - uses: docker://notcgr.dev/a/b\n  - uses: docker://docker://cgr.dev/a/b\ncontainer: evil.example/cgr.dev/a\n"},
}

// What is left, and why.
var yamlLeft = []struct {
	marked
	workflow bool
	why      string
}{
	{marked{"a variable of Compose", "services: {a: {image: '⟨cgr.dev/org/python:${TAG:-3.13}⟩'}}\nx:\n  image: ⟨cgr.dev/org/python:$TAG⟩\n"}, false, "variable"},
	{marked{"a variable before", "a: {image: '⟨${REGISTRY:-cgr.dev}/org/python⟩'}\nb: {image: '⟨${IMAGE-cgr.dev/org/python}⟩'}\nc: {image: \"⟨${IMAGE:?cgr.dev/org/python}⟩\"}\nd: {image: '⟨$X:cgr.dev/org/python⟩'}\ne: {image: '⟨${R:-cgr.dev:443}/org/python⟩'}\nf: {image: '⟨$X:cgr.dev:⟩'}\ng: {image: '⟨${H:-cgr.dev:}⟩'}\n"}, false, "variable"},
	{marked{"a template's value in a string", "image: \"⟨cgr.dev/org/python:{{ .Values.tag }}⟩\"\nx: {image: '⟨{{ .R | default \"cgr.dev\" }}/org/python⟩'}\n"}, false, "variable"},
	{marked{"Jinja in a string", "image: \"⟨cgr.dev/org/python{% if x %}:1{% endif %}⟩\"\n"}, false, "variable"},
	{marked{"an expression of GitHub", "jobs: {a: {container: \"⟨cgr.dev/org/python:${{ matrix.tag }}⟩\"}}\nb:\n  container: ⟨cgr.dev/org/python:${{ matrix.tag }}⟩\n"}, true, "variable"},
	{marked{"an expression of GitHub behind docker://", "steps: [uses: '⟨docker://cgr.dev/org/python:${{ x }}⟩']\n"}, true, "variable"},
	{marked{"a parameter of CircleCI", "docker: [{image: 'cimg/x:<< parameters.tag >>'}, {image: '⟨cgr.dev/org/python:<< parameters.tag >>⟩'}]\n"}, false, "variable"},
	{marked{"a parameter of Tekton", "steps: [{image: ⟨cgr.dev/org/$(params.image)⟩}]\n"}, false, "variable"},
	{marked{"parts of a chart", "image:\n  registry: ⟨cgr.dev⟩\n  repository: org/python\n  tag: \"3.13\"\n"}, false, "in parts"},
	{marked{"two parts of a chart", "x:\n  image:\n    tag: 3.13\n    repository: '⟨cgr.dev/org/python⟩'\n"}, false, "in parts"},
	{marked{"one part of a chart", "image: {repository: ⟨cgr.dev/org/python⟩, pullPolicy: Always}\n"}, false, "in parts"},
	{marked{"parts with an organisation beside the host", "image: {registry: ⟨CGR.dev:443/org⟩, name: python}\n"}, false, "in parts"},
	{marked{"parts with a name", "image: {name: ⟨cgr.dev/org/python⟩, tag: '3.13'}\n"}, false, "in parts"},
	{marked{"parts with a digest", "image: {name: ⟨cgr.dev/org/python⟩, digest: ''}\n"}, false, "in parts"},
	{marked{"parts with a variable", "image: {registry: '⟨${R:-cgr.dev}⟩', repository: org/python}\n"}, false, "in parts"},
	{marked{"parts, merged", "x: &d {repository: ⟨cgr.dev/org/python⟩}\nimage: {<<: *d, tag: '3.13'}\ny: {image: {<<: *d, tag: '3.12'}}\n"}, false, "in parts"},
	{marked{"parts, a name merged", "x: &d {name: ⟨cgr.dev/org/python⟩}\nimage: {<<: *d, tag: '3.13'}\n"}, false, "in parts"},
	{marked{"parts, a tag merged", "x: &d {tag: '3.13'}\nimage: {<<: [*d], name: ⟨cgr.dev/org/python⟩}\n"}, false, "in parts"},
	{marked{"parts that name the host twice", "image: {registry: ⟨cgr.dev⟩, repository: cgr.dev/org/python, tag: x}\n"}, false, "in parts"},
	{marked{"parts, by an alias", "x: &d {repository: ⟨cgr.dev/org/python⟩, tag: 3}\ny: {image: *d}\nz: {image: *d}\n"}, false, "in parts"},
	{marked{"parts by aliases", "x: &r ⟨cgr.dev⟩\ny: {image: {registry: *r, repository: a/b}}\nz: {image: {registry: *r, repository: c/d}}\n"}, false, "in parts"},
	{marked{"a tag beside", "image: ⟨cgr.dev/org/python⟩\ntag: '3.13'\nx: {imageTag: 3.13, image: '⟨cgr.dev/org/python⟩'}\ny: {image: ⟦cgr.dev/org/python:3.13⟧, tag: x}\nz: {image: ⟦cgr.dev/org/python@" + oldDigest + "⟧, tag: x}\n"}, false, "in parts"},
	{marked{"a tag beside one of its aliases", "x: {image: &a ⟨cgr.dev/org/python⟩}\ny: {image: *a, tag: '3.13'}\n"}, false, "in parts"},
	{marked{"names that are none", "a: {image: ⟨cgr.dev/python⟩}\nb: {image: ⟨cgr.dev/org/Python⟩}\nc: {image: '⟨cgr.dev/org/python:⟩'}\nd: {image: ⟨cgr.dev/org/python@sha256:abc⟩}\ne: {image: ⟨cgr.dev//⟩}\nf: {image: ⟨cgr.dev/org/python 3⟩}\ng: {image: ⟨cgr.dev/⟩}\n"}, false, "is no image of cgr.dev"},
	{marked{"tags", "a:\n  image: !reference ⟨cgr.dev/org/python⟩\nb: {image: !vault '⟨cgr.dev/org/python⟩'}\nc: {image: !!binary ⟨cgr.dev/org/python⟩}\n"}, false, "has the tag !"},
	{marked{"a kustomization with a tag", "images:\n- name: ⟨cgr.dev/org/python⟩\n  newTag: '3.13'\n- name: python\n  newName: ⟨cgr.dev/org/node⟩\n  newTag: '22'\n  digest: ''\n"}, false, "newTag"},
	{marked{"a service with a variable", "services: ['⟨cgr.dev/org/redis:$TAG⟩', {name: '⟨cgr.dev/org/pg:$TAG⟩'}]\n"}, false, "variable"},
	{marked{"docker:// elsewhere than in workflows", "image: ⟨docker://cgr.dev/a/b⟩\n"}, false, "only in workflows"},
	{marked{"an alias of a mapping's key", "&k ⟨cgr.dev/a/b⟩: 1\nimage: *k\n"}, false, "mapping's key"},
	{marked{"an alias of what is in a mapping's key", "? [&k ⟨cgr.dev/a/b⟩]\n: 1\nimage: *k\n"}, false, "mapping's key"},
	{marked{"an alias that is a mapping's key", "image: &k ⟨cgr.dev/a/b⟩\nx: {*k : 1}\n"}, false, "mapping's key"},
	{marked{"a tag with what is no text", "image: !x%0ay ⟨cgr.dev/a/b⟩\n"}, false, "has the tag !x y"},
	{marked{"with what is found", "image: ⟦cgr.dev/a/b⟧\nx: {image: ⟨cgr.dev/a/b:$T⟩}\ny: {image: ⟦cgr.dev/c/d⟧}\n"}, false, "variable"},
}
