//go:build ignore

// Empty does nothing. It shows what the system and Go's runtime cost.
package main

func main() {}
