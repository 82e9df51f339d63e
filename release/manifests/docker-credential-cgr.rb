class DockerCredentialCgr < Formula
  desc "{{.Summary}}"
  homepage "{{.Homepage}}"
  version "{{.Version}}"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "{{url "darwin" "arm64"}}"
      sha256 "{{sha256 "darwin" "arm64"}}"
    end
    on_intel do
      url "{{url "darwin" "amd64"}}"
      sha256 "{{sha256 "darwin" "amd64"}}"
    end
  end

  on_linux do
    on_arm do
      url "{{url "linux" "arm64"}}"
      sha256 "{{sha256 "linux" "arm64"}}"
    end
    on_intel do
      url "{{url "linux" "amd64"}}"
      sha256 "{{sha256 "linux" "amd64"}}"
    end
  end

  def install
    bin.install "{{.Program}}"
    (lib/"docker/cli-plugins").install_symlink bin/"{{.Program}}" => "docker-cgr"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/{{.Program}}.bash" => "{{.Program}}"
    fish_completion.install "completions/{{.Program}}.fish"
    zsh_completion.install "completions/{{.Program}}.zsh" => "_{{.Program}}"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/{{.Program}} version")
  end
end
