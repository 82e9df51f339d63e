// Package clients tests the program with the programs that people use it with:
// Docker with a daemon of its own, Podman, Skopeo, Crane, GNOME's keyring,
// Chromium, SSH and a terminal. Only the platform is a fake platform.
//
// The tests have the build tag e2e, run on Linux as root, and need what
// e2e/install.sh installs:
//
//	sh e2e/install.sh && cd e2e && go test -tags e2e ./clients/
//
// Screenshots of the sign-in go to the folder $E2E_ARTIFACTS, else to
// e2e/artifacts.
package clients
