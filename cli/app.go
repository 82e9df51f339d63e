package cli

import "docker-credential-cgr/cli/command"

// app adds the commands to what they share.
type app struct{ *command.App }
