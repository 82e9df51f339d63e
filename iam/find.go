package iam

import (
	"fmt"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/spelling"
)

// AmbiguousError reports that several things have a name.
type AmbiguousError struct {
	What string   // such as "pull token"
	Name string   // that all of them have
	IDs  []string // at least two
}

func (e *AmbiguousError) Error() string {
	ids := firstOf(namesOf(e.IDs, func(id string) string { return platform.Printable(id) }))
	return fmt.Sprintf("%d have the name %s: give the id of the %s: %s", len(e.IDs), quote(e.Name), e.What, ids)
}

// Find returns the one item of list that has an id or a name. A name that several have is
// an *AmbiguousError, one that none has a *NotFoundError.
func Find[T any](what string, list []T, idOrName string, key func(T) (id, name string)) (T, error) {
	var fit []T
	var ids, names []string
	for _, item := range list {
		id, name := key(item)
		if id == idOrName {
			return item, nil
		}
		if name == idOrName {
			fit, ids = append(fit, item), append(ids, id)
		}
		names = append(names, name)
	}
	var none T
	switch len(fit) {
	case 0:
		return none, &NotFoundError{What: what, Name: idOrName, Near: spelling.Near(idOrName, names)}
	case 1:
		return fit[0], nil
	}
	return none, &AmbiguousError{What: what, Name: idOrName, IDs: ids}
}

// MatchIdentity returns the one identity of list that has an id or a name, as Find does.
func MatchIdentity(list []Identity, idOrName string) (Identity, error) {
	return Find("identity", list, idOrName, func(i Identity) (id, name string) { return i.ID, i.Name })
}
