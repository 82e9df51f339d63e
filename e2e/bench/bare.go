//go:build ignore

// Bare looks up a secret with go-keyring and prints it. It does the least that a Go
// program can do with the Secret Service. It is built in the product's module, with
// the product's version of go-keyring.
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
