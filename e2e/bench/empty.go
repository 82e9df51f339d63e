//go:build ignore

// Empty does nothing: what the system and Go's runtime cost for any program.
package main

func main() {}
