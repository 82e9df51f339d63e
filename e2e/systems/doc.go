// Package systems tests the program as it is shipped on systems other than a developer's: an empty root folder, other
// processors under QEMU, and Windows under Wine. Only the platform is fake.
//
// The tests have the build tag e2e and run on Debian as root, for chroot:
//
//	make e2e-systems
package systems
