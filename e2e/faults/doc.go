// Package faults tests the program under faults: many concurrent processes, forged responses to a
// sign-in, killed or stopped holders of the lock, locked, unresponsive or missing keychains, full
// disks, files of other users, and broken networks. Except for the fake platform, the faults are real.
//
// Many tests have the ID of a row of the threat model in their name, such as TestC2_Expired. They
// have the build tag e2e and run on Linux as root; each test runs the program as its own ordinary
// user. They need what e2e/install.sh installs:
//
//	sh e2e/install.sh && cd e2e && go test -race -tags e2e ./faults/
//
// FAULT_ROUNDS is how often the tests of many processes are repeated; the default is 1:
//
//	FAULT_ROUNDS=200 go test -race -tags e2e -timeout 6h -run 'TestC' ./faults/
package faults
