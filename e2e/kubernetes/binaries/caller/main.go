// Command caller asks credential providers for an image as a kubelet does, with the kubelet's own code. It reads the
// token of a service account from standard input, and prints the credentials as JSON. What the kubelet would log is
// on standard error.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/credentialprovider/plugin"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "caller:", err)
		os.Exit(1)
	}
}

func run() error {
	var config, bin, image, annotation string
	times := 1
	flag.StringVar(&config, "config", "", "as --image-credential-provider-config")
	flag.StringVar(&bin, "bin-dir", "", "as --image-credential-provider-bin-dir")
	flag.StringVar(&image, "image", "", "image to pull")
	flag.StringVar(&annotation, "annotation", "", "KEY=VALUE of the service account")
	flag.IntVar(&times, "times", 1, "how often to ask")
	flag.Parse()

	token, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	annotations := map[string]string{}
	if key, value, ok := strings.Cut(annotation, "="); ok {
		annotations[key] = value
	}
	err = plugin.RegisterCredentialProviderPlugins(config, bin,
		func(_, _ string, r *authenticationv1.TokenRequest) (*authenticationv1.TokenRequest, error) {
			r.Status.Token = string(token)
			return r, nil
		},
		func(namespace, name string) (*corev1.ServiceAccount, error) {
			return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: "uid", Annotations: annotations}}, nil
		})
	if err != nil {
		return err
	}
	account := "app"
	if len(token) == 0 { // a static pod
		account = ""
	}
	type credential struct{ Username, Password string }
	found := []credential{}
	for range times {
		found = found[:0]
		configs, _ := plugin.NewExternalCredentialProviderDockerKeyring("web", "pod", "pod-uid", account).Lookup(image)
		for _, c := range configs {
			found = append(found, credential{c.Username, c.Password})
		}
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}
