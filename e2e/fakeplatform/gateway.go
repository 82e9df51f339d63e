package fakeplatform

import (
	"context"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// gateway serves the vendor's services both ways they are called: as JSON over HTTP/1.1 and as gRPC.
type gateway struct {
	rest *runtime.ServeMux
	grpc *grpc.Server
}

func newGateway() *gateway {
	// The mux's own defaults are the deployed ones: fields are there even when empty, unknown ones are ignored.
	return &gateway{rest: runtime.NewServeMux(), grpc: grpc.NewServer()}
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		g.grpc.ServeHTTP(w, r)
		return
	}
	g.rest.ServeHTTP(w, r)
}

// bearer is the bearer token of a call. The gateway hands the Authorization header on as gRPC clients send it.
func bearer(ctx context.Context) (string, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	for _, value := range md.Get("authorization") {
		scheme, token, found := strings.Cut(value, " ")
		if found && strings.EqualFold(scheme, "Bearer") && token != "" {
			return token, nil
		}
	}
	return "", status.Error(codes.Unauthenticated, "no bearer token")
}
