package cli

import (
	"context"
	"docker-credential-cgr/config"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
	"github.com/spf13/cobra"
)

func (a *app) newDoctor() *cobra.Command { return &cobra.Command{Use: "doctor"} }

type stubProvider struct{}

func (stubProvider) SignIn(context.Context, []string) (*token.Grant, error) { return nil, nil }
func (p Program) provider(config.Config, *platform.STS) stubProvider        { return stubProvider{} }
