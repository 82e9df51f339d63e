package config

import "io/fs"

// checkOwner returns nil: below %AppData% the access control list, which modes do not
// show, keeps other users out.
func checkOwner(string, fs.FileInfo) error { return nil }
