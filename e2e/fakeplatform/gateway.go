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

// gateway serves the vendor's services as JSON over HTTP/1.1 and as gRPC.
type gateway struct {
	rest *runtime.ServeMux
	grpc *grpc.Server
}

func newGateway() *gateway {
	// The defaults are those of the real platform: empty fields are sent, unknown fields are ignored.
	return &gateway{rest: runtime.NewServeMux(), grpc: grpc.NewServer()}
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		g.grpc.ServeHTTP(w, r)
		return
	}
	g.rest.ServeHTTP(w, r)
}

// bearer returns the bearer token of a call. The gateway passes the Authorization header on as gRPC metadata.
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
