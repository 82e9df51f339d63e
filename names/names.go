// Package names remembers the names and IDs that the platform API returned last, so that a
// shell can complete them without a request.
package names

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/state"
)

// Item is the name and the ID of an organization or an identity. It is not secret.
type Item struct {
	ID   string    `json:"id"`
	Name string    `json:"name"`
	Type string    `json:"type,omitempty"` // of an identity: its iam.Identity.Type
	At   time.Time `json:"at"`             // when the platform returned it
}

// IsOrganization reports whether the item is an organization: only their IDs have one part.
func (i Item) IsOrganization() bool { return !strings.Contains(i.ID, "/") }

// Cache stores the items of one account in a note.
type Cache struct {
	Dir  *state.Dir
	Note string // its name
	Now  func() time.Time
}

const (
	maxAge   = 24 * time.Hour
	maxItems = 1000 // with names of 300 bytes, below state.MaxFile
)

// Items returns the stored items, without those that are older than a day.
func (c Cache) Items() []Item {
	text, err := c.Dir.ReadNote(c.Note)
	if err != nil {
		return nil
	}
	var items []Item
	_ = json.Unmarshal(text, &items) // from a damaged file, what can be read
	now := c.Now()
	return slices.DeleteFunc(items, func(i Item) bool { return i.At.After(now) || now.Sub(i.At) > maxAge })
}

// PutOrganizations replaces the organizations.
func (c Cache) PutOrganizations(items []Item) error { return c.put(items, Item.IsOrganization) }

// PutIdentities replaces the identities at or below an ID, or all if that is empty.
func (c Cache) PutIdentities(below string, items []Item) error {
	return c.put(items, func(i Item) bool {
		return !i.IsOrganization() && (below == "" || i.ID == below || strings.HasPrefix(i.ID, below+"/"))
	})
}

// put replaces stored items. Two processes that do so at the same time may lose the items of
// one: then these are not completed.
func (c Cache) put(items []Item, isReplaced func(Item) bool) error {
	items = slices.Clone(items)
	for i := range items {
		items[i].At = c.Now().UTC().Truncate(time.Second)
	}
	items = append(items, slices.DeleteFunc(c.Items(), isReplaced)...)
	text, err := json.Marshal(items[:min(len(items), maxItems)])
	if err != nil {
		return err
	}
	return c.Dir.WriteNote(c.Note, text)
}

// Clear removes all items.
func (c Cache) Clear() error { return c.Dir.RemoveNote(c.Note) }

// Complete returns the words that a shell offers for a word that begins with typed, in the
// form of cobra: a word, a tab and its description. It offers the name of an item, or the ID
// if several have the name or a shell could read it as something else than one word: others
// choose names. It also offers IDs once the user has typed the start of one. It does not
// offer items that given names.
func Complete(items []Item, typed string, given []string) []string {
	count := map[string]int{}
	for _, item := range items {
		count[item.Name]++
	}
	var words []string
	for _, item := range items {
		if slices.Contains(given, item.ID) || count[item.Name] == 1 && slices.Contains(given, item.Name) {
			continue
		}
		isWord := count[item.Name] == 1 && isPlain(item.Name)
		if isWord && strings.HasPrefix(item.Name, typed) {
			words = append(words, item.Name+"\t"+item.ID)
		}
		if (!isWord || typed != "") && isPlain(item.ID) && strings.HasPrefix(item.ID, typed) {
			words = append(words, item.ID+"\t"+platform.Printable(item.Name))
		}
	}
	slices.Sort(words)
	return words
}

// isPlain reports whether every shell reads text as one word that is no flag.
func isPlain(text string) bool {
	return !strings.HasPrefix(text, "-") && text == hint.POSIX.Quote(text) && text == hint.PowerShell.Quote(text)
}
