package keychain

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Without a bus no daemon is started, and the error has a hint.
func TestNoBus(t *testing.T) {
	if _, err := os.Stat("/run/user/" + strconv.Itoa(os.Getuid()) + "/bus"); err == nil {
		t.Skip("this user has a session bus at its usual place")
	}
	for _, address := range []string{"", "autolaunch:"} {
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
		k, err := Open(OS, "docker-credential-cgr-test", 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.Get("n")
		for do, err := range map[string]error{
			"read": err, "write": k.Set("n", "value-of-n", time.Time{}), "delete from": k.Delete("n"),
		} {
			if !errors.Is(err, errNoBus) || errors.Is(err, ErrNotFound) || !strings.Contains(hintText(err), "CHAINGUARD_KEYCHAIN=file") {
				t.Errorf("F5 %s with bus %q: got %v, want errNoBus with a hint", do, address, err)
			}
		}
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/somewhere")
	if err := checkBus(); err != nil {
		t.Errorf("F5 with an address: got %v, want it tried", err)
	}
}
