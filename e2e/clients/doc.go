// Package clients tests the program with real clients: Docker with its own daemon, Podman, Skopeo,
// Crane, GNOME's keyring, Chromium, SSH and a terminal. Only the platform is fake.
//
// The tests have the build tag e2e and run on Linux as root. They need what e2e/install.sh installs:
//
//	sh e2e/install.sh && cd e2e && go test -tags e2e ./clients/
//
// Screenshots of the sign-in go to the folder $E2E_ARTIFACTS, by default e2e/artifacts.
package clients
