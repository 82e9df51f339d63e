package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/dockerconfig"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// maxReads is how often an object is read that others change at the same time.
const maxReads = 4

// round is one refresh of all namespaces.
type round struct {
	*Refresher
	api    *API
	claims platform.Claims // of the token
}

// namespace refreshes the secret in a namespace, and puts it into its service accounts.
func (r round) namespace(ctx context.Context, namespace string) Result {
	result := Result{Namespace: namespace, Action: Failed}
	var action Action
	err := rereading(func() (stale bool, err error) {
		action, result.Expires, stale, err = r.secret(ctx, namespace)
		return stale, err
	})
	for _, account := range r.ServiceAccounts {
		if err != nil {
			break
		}
		changed := false
		err = rereading(func() (stale bool, err error) {
			changed, stale, err = r.serviceAccount(ctx, namespace, account)
			return stale, err
		})
		if changed {
			result.ServiceAccounts = append(result.ServiceAccounts, account)
		}
	}
	switch {
	case err == nil:
		result.Action = action
	case ctx.Err() != nil: // another namespace found that the server is down
		result.Err = context.Cause(ctx)
	default:
		result.Err = err
	}
	return result
}

// rereading calls change again while it reports that the object was changed by others after
// it was read.
func rereading(change func() (stale bool, err error)) error {
	for read := 1; ; read++ {
		if stale, err := change(); !stale || read == maxReads {
			return err
		}
	}
}

// secret refreshes the secret in a namespace, with at most two requests. stale reports
// whether err is that others changed the secret after it was read.
func (r round) secret(ctx context.Context, namespace string) (action Action, expires time.Time, stale bool, err error) {
	path := objectPath(namespace, "secrets", r.Name)
	var old secretObject
	err = r.api.send(ctx, request{method: http.MethodGet, path: path}, &old)
	exists := !isStatus(err, http.StatusNotFound)
	if err != nil && exists {
		return "", time.Time{}, false, err
	}
	if exists && old.Type != kind {
		return "", time.Time{}, false, fmt.Errorf("the secret %s has the type %s instead of %s; it was not changed", r.Name, platform.Printable(old.Type), kind)
	}
	config, err := dockerconfig.Parse("the secret "+r.Name, old.Data[key])
	if err != nil {
		return "", time.Time{}, false, fmt.Errorf("%w; it was not changed", err)
	}
	if expires, ok := r.fresh(config); ok {
		return Unchanged, expires, false, nil
	}
	if _, err := config.SetLogin(r.Registry, r.Username, r.token.AccessToken); err != nil {
		return "", time.Time{}, false, fmt.Errorf("%w; it was not changed", err)
	}
	annotations := map[string]string{IdentityAnnotation: r.claims.Subject}
	if !r.token.Expiry.IsZero() {
		annotations[ExpiresAnnotation] = r.token.Expiry.UTC().Format(time.RFC3339)
	}
	// The resource version is the precondition that nobody has changed the other registries
	// since they were read. A secret that was created meanwhile has none to compare, so it is
	// never taken over by force.
	query := url.Values{"fieldManager": {fieldManager}}
	if exists && r.Force {
		query.Set("force", "true")
	}
	err = r.api.send(ctx, request{
		method: http.MethodPatch, path: path, query: query, kind: applyPatch,
		body: newSecretObject(metadata{Name: r.Name, Namespace: namespace, ResourceVersion: old.Metadata.ResourceVersion, Annotations: annotations}, config.Text()),
	}, nil)
	var status *StatusError
	switch {
	case err == nil && exists:
		return Updated, r.token.Expiry, false, nil
	case err == nil:
		return Created, r.token.Expiry, false, nil
	case errors.As(err, &status) && len(status.Managers) > 0:
		err = hint.With(fmt.Errorf("in the secret %s, %w; it was not changed", r.Name, err),
			hint.Text("add --force to take the field over; the other registries in it stay"))
		return "", time.Time{}, !exists, err
	}
	return "", time.Time{}, isStatus(err, http.StatusConflict), err
}

// fresh returns when the registry's token in a Docker config expires, and reports whether it
// is as good as the new one: of the same identity, and expiring at most a quarter of the new
// one's life sooner.
func (r round) fresh(config *dockerconfig.File) (expires time.Time, ok bool) {
	if user, _ := config.Login(r.Registry); user != r.Username || r.token.Expiry.IsZero() {
		return time.Time{}, false
	}
	_, password, _ := config.Pair(r.Registry)
	old, err := platform.ParseClaims(password)
	if err != nil || old.Issuer != r.claims.Issuer || old.Subject != r.claims.Subject || !slices.Equal(old.Audiences, r.claims.Audiences) {
		return time.Time{}, false
	}
	// Both times are by the issuer's clock, the result by this machine's.
	sooner := r.claims.Expires.Sub(old.Expires)
	return r.token.Expiry.Add(-sooner), sooner.Abs() <= r.token.Expiry.Sub(r.Now())/4
}

// serviceAccount adds the secret to the imagePullSecrets of a service account, if it is
// missing there. stale is as for secret.
//
// That list is atomic (+listType in k8s.io/api, core/v1): to apply it is to manage all of
// it, and to remove what others add later. So it is changed with a merge patch.
func (r round) serviceAccount(ctx context.Context, namespace, account string) (changed, stale bool, err error) {
	path := objectPath(namespace, "serviceaccounts", account)
	type reference struct {
		Name string `json:"name,omitempty"`
	}
	var object struct {
		Metadata         metadata    `json:"metadata"`
		ImagePullSecrets []reference `json:"imagePullSecrets"`
	}
	err = r.api.send(ctx, request{method: http.MethodGet, path: path}, &object)
	switch {
	case isStatus(err, http.StatusNotFound):
		return false, false, fmt.Errorf("there is no service account %s", account)
	case err != nil || slices.Contains(object.ImagePullSecrets, reference{r.Name}):
		return false, false, err
	}
	object.ImagePullSecrets = append(object.ImagePullSecrets, reference{r.Name})
	object.Metadata = metadata{ResourceVersion: object.Metadata.ResourceVersion} // the precondition
	err = r.api.send(ctx, request{
		method: http.MethodPatch, path: path, query: url.Values{"fieldManager": {fieldManager}}, kind: mergePatch, body: object,
	}, nil)
	return err == nil, isStatus(err, http.StatusConflict), err
}

// objectPath returns the path of an object of the core API.
func objectPath(namespace, resource, name string) string {
	return "/" + strings.Join([]string{"api/v1/namespaces", url.PathEscape(namespace), resource, url.PathEscape(name)}, "/")
}
