//go:build ignore

// Bare looks a secret up with go-keyring and prints it: the least that a Go
// program in the Secret Service's way can do. It is built in the product's
// module, and so with the product's version of go-keyring.
package main

import (
	"fmt"
	"os"

	"github.com/zalando/go-keyring"
)

func main() {
	secret, err := keyring.Get(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(secret)
}
