{ lib, stdenvNoCC, fetchurl, installShellFiles }:

let
  sources = {
    x86_64-linux = {
      url = "{{url "linux" "amd64"}}";
      sha256 = "{{sha256 "linux" "amd64"}}";
    };
    aarch64-linux = {
      url = "{{url "linux" "arm64"}}";
      sha256 = "{{sha256 "linux" "arm64"}}";
    };
    x86_64-darwin = {
      url = "{{url "darwin" "amd64"}}";
      sha256 = "{{sha256 "darwin" "amd64"}}";
    };
    aarch64-darwin = {
      url = "{{url "darwin" "arm64"}}";
      sha256 = "{{sha256 "darwin" "arm64"}}";
    };
  };
in
stdenvNoCC.mkDerivation {
  pname = "{{.Program}}";
  version = "{{.Version}}";
  src = fetchurl sources.${stdenvNoCC.hostPlatform.system};
  sourceRoot = ".";
  nativeBuildInputs = [ installShellFiles ];
  installPhase = ''
    install -Dm755 {{.Program}} -t $out/bin
    mkdir -p $out/libexec/docker/cli-plugins
    ln -s $out/bin/{{.Program}} $out/libexec/docker/cli-plugins/docker-cgr
    installManPage man/*.1
    installShellCompletion completions/{{.Program}}.{bash,fish,zsh}
  '';
  meta = {
    description = "{{.Summary}}";
    homepage = "{{.Homepage}}";
    license = lib.licenses.asl20;
    mainProgram = "{{.Program}}";
    platforms = builtins.attrNames sources;
  };
}
