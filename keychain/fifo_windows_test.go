package keychain

import "testing"

func makeFIFO(t *testing.T, _ string) {
	t.Helper()
	t.Skip("no FIFO among files here")
}
