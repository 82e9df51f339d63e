//go:build e2e && linux

package clients

import (
	"os/exec"
)

// matrixClient is a row of the table in docs/clients.md.
type matrixClient struct {
	client
	version []string // the command that prints it
	// login gives the command that logs in with a password from standard input; nil
	// if the client has none of its own.
	login func(p *fixture, user string) []string
	// logout gives the command that removes what login stored.
	logout func(p *fixture) []string
	// later means that e2e/install.sh does not install it, but make clients.
	later bool
}

// matrixClients are the rows, in the table's order.
func matrixClients() []matrixClient {
	docker, python := debian("docker"), debian("python3")
	return []matrixClient{
		dockerPull("docker pull", docker),
		dockerPull("docker pull (new)", "docker-29"),
		{
			client:  client{name: "docker build", pull: buildWith(docker, "DOCKER_BUILDKIT=1")},
			version: []string{docker, "--version"},
		},
		{
			client:  client{name: "docker build (old)", pull: buildWith(docker, "DOCKER_BUILDKIT=0")},
			version: []string{docker, "--version"},
		},
		{
			client: client{name: "docker-compose", pull: func(p *fixture, ref, _ string) []string {
				file := p.path("compose.yaml")
				p.writes(file, "services: {it: {image: \"${IMAGE}\"}}\n")
				return []string{"env", "IMAGE=" + ref, "docker-compose", "-f", file, "pull"}
			}},
			version: []string{"docker-compose", "--version"},
		},
		{
			client: client{name: "docker-py", pull: func(_ *fixture, ref, _ string) []string {
				return []string{python, "-c", "import docker, sys; docker.from_env().images.pull(sys.argv[1])", ref}
			}},
			version: []string{python, "-c", "import docker; print(docker.__version__)"},
		},
		{
			client: client{name: "Ansible", pull: func(_ *fixture, ref, _ string) []string {
				return []string{
					"ansible", "localhost", "-m", "community.docker.docker_image",
					"-a", "source=pull force_source=true name=" + ref,
				}
			}},
			version: []string{"ansible", "--version"},
			later:   true,
		},
		{
			client:  client{name: "podman", pull: func(p *fixture, ref, _ string) []string { return podmanCommand(p, "pull", ref) }},
			version: []string{"podman", "--version"},
			login:   loginWith(func(p *fixture) []string { return podmanCommand(p) }),
			logout:  logoutWith(func(p *fixture) []string { return podmanCommand(p) }),
		},
		{
			client: client{name: "buildah", pull: func(p *fixture, ref, _ string) []string {
				return loginCommands["buildah"](p, "pull", "--policy", "always", ref)
			}},
			version: []string{"buildah", "--version"},
			login:   loginWith(func(p *fixture) []string { return loginCommands["buildah"](p) }),
			logout:  logoutWith(func(p *fixture) []string { return loginCommands["buildah"](p) }),
		},
		{
			client: client{name: "skopeo", pull: func(_ *fixture, ref, to string) []string {
				return []string{"skopeo", "copy", "docker://" + ref, "dir:" + to}
			}},
			version: []string{"skopeo", "--version"},
			login:   loginWith(words("skopeo")),
			logout:  logoutWith(words("skopeo")),
		},
		{
			client:  crane,
			version: []string{"crane", "version"},
			login:   loginWith(words("crane", "auth")),
			logout:  logoutWith(words("crane", "auth")),
		},
		{
			client: client{name: "oras", pull: func(_ *fixture, ref, to string) []string {
				return []string{"oras", "copy", "--to-oci-layout", ref, to + ":latest"}
			}},
			version: []string{"oras", "version"},
			login:   loginWith(words("oras")),
			logout:  logoutWith(words("oras")),
			later:   true,
		},
		{
			client: client{name: "regctl", pull: func(_ *fixture, ref, to string) []string {
				return []string{"regctl", "image", "copy", ref, "ocidir://" + to}
			}},
			version: []string{"regctl", "version"},
			login: func(p *fixture, user string) []string {
				return []string{"regctl", "registry", "login", "--user", user, "--pass-stdin", p.host}
			},
			logout: logoutWith(words("regctl", "registry")),
			later:  true,
		},
		{
			client: client{name: "buildx", pull: func(p *fixture, ref, _ string) []string {
				return append([]string{"buildx"}, buildFrom(p, ref)...)
			}},
			version: []string{"buildx", "version"},
			later:   true,
		},
		{
			client: client{name: "testcontainers", pull: func(_ *fixture, ref, _ string) []string {
				const script = `const {getContainerRuntimeClient, ImageName} = require("testcontainers")
					getContainerRuntimeClient().then(c => c.image.pull(ImageName.fromString(process.argv[1]), {force: true}))`
				return []string{"node", "-e", script, ref}
			}},
			version: []string{"node", "-p", `require("testcontainers/package.json").version`},
			later:   true,
		},
	}
}

// debian gives the path of Debian's program, if there is one beside another one.
func debian(program string) string {
	if path, err := exec.LookPath("/usr/bin/" + program); err == nil {
		return path
	}
	return program
}

// dockerPull is a row for a docker CLI.
func dockerPull(name, docker string) matrixClient {
	return matrixClient{
		client:  client{name: name, pull: func(_ *fixture, ref, _ string) []string { return []string{docker, "pull", ref} }},
		version: []string{docker, "--version"},
		login:   loginWith(words(docker)),
		logout:  logoutWith(words(docker)),
		later:   docker == "docker-29",
	}
}

// buildWith gives the command that builds from an image, with a setting in the environment.
func buildWith(docker, setting string) func(p *fixture, ref, to string) []string {
	return func(p *fixture, ref, _ string) []string {
		return append([]string{"env", setting, docker}, buildFrom(p, ref)...)
	}
}

func buildFrom(p *fixture, ref string) []string {
	folder := p.path("context")
	p.writes(folder+"/Dockerfile", "ARG IMAGE\nFROM $IMAGE\nCOPY Dockerfile /\n")
	return []string{"build", "--pull", "--no-cache", "--build-arg", "IMAGE=" + ref, folder}
}

// words gives the beginning of a command.
func words(command ...string) func(*fixture) []string {
	return func(*fixture) []string { return command }
}

func loginWith(command func(*fixture) []string) func(p *fixture, user string) []string {
	return func(p *fixture, user string) []string {
		return append(command(p), "login", "--username", user, "--password-stdin", p.host)
	}
}

func logoutWith(command func(*fixture) []string) func(p *fixture) []string {
	return func(p *fixture) []string { return append(command(p), "logout", p.host) }
}
