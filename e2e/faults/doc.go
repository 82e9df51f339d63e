// Package faults tests the program where others fail their users: many processes
// at once, strangers' answers to a sign-in, holders of the lock that are killed or stopped, keychains that are
// locked, silent or gone, full disks, foreign files, and networks that lie. The
// faults are made for real; only the platform is a fake platform.
//
// Tests are named after what they hold, many with the row of the threat model before
// it, such as TestC2_Expired. They have the build tag e2e, run on Linux as root (each test
// has an ordinary user of its own, and the processes run as that user), and need
// what e2e/install.sh installs:
//
//	sh e2e/install.sh && cd e2e && go test -race -tags e2e ./faults/
//
// FAULT_ROUNDS says how often the tests of many processes are repeated; the
// default is 1:
//
//	FAULT_ROUNDS=200 go test -race -tags e2e -timeout 6h -run 'TestC' ./faults/
package faults
