package keychain

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// splitStore splits values that exceed the limit of a store, and joins them again.
//
// A split value is a head under the given name and parts under names made of it. There
// are two slots for the parts, used in turn. The head names the slot in use and is
// written last: a reader always finds the former value or the new one whole, also after
// a write was interrupted. Every part has the generation of its value, so that parts of
// different values are never joined.
type splitStore struct {
	store
	limit int // in bytes
}

// split returns s for values of any length. A limit of 0 means that s has none.
func split(s store, limit int) store {
	if limit == 0 {
		return s
	}
	return splitStore{s, limit}
}

// headPrefix begins a head. A value that is not split must not begin with it.
const headPrefix = "parts/1 "

// maxParts is the largest number of parts in a head.
const maxParts = 64

// head describes a split value.
type head struct {
	slot       string // "a" or "b"
	generation string // random, in each part too
	count      int
	sum        string // SHA-256 of the whole, in hex
}

func (h head) String() string {
	return fmt.Sprintf("%s%s %s %d %s", headPrefix, h.slot, h.generation, h.count, h.sum)
}

// parseHead parses a head. ok is false for any other value.
func parseHead(value string) (h head, ok bool) {
	fields := strings.Split(strings.TrimPrefix(value, headPrefix), " ")
	if len(fields) != 4 {
		return head{}, false
	}
	count, _ := strconv.Atoi(fields[2])
	h = head{slot: fields[0], generation: fields[1], count: count, sum: fields[3]}
	ok = h.String() == value && count >= 1 && count <= maxParts && (h.slot == "a" || h.slot == "b") && h.generation != ""
	return h, ok
}

func partName(name, slot string, i int) string {
	return fmt.Sprintf("%s part %s%d", name, slot, i)
}

func sum(value string) string {
	s := sha256.Sum256([]byte(value))
	return hex.EncodeToString(s[:])
}

func (p splitStore) get(name string) (string, error) {
	value, err := p.store.get(name)
	for err == nil && strings.HasPrefix(value, headPrefix) {
		whole, joinErr := p.join(name, value)
		if !errors.Is(joinErr, ErrNotFound) {
			return whole, joinErr
		}
		// It is damaged, or was replaced in the meantime and has another head.
		former := value
		if value, err = p.store.get(name); value == former {
			return "", ErrNotFound
		}
	}
	return value, err
}

// join returns the value that a head describes. If a part is missing or belongs to another
// value, the error is ErrNotFound.
func (p splitStore) join(name, headText string) (string, error) {
	h, ok := parseHead(headText)
	if !ok {
		return "", ErrNotFound
	}
	var whole strings.Builder
	for i := range h.count {
		part, err := p.store.get(partName(name, h.slot, i))
		if err != nil {
			return "", err
		}
		text, ok := strings.CutPrefix(part, h.generation+" ")
		if !ok {
			return "", ErrNotFound
		}
		whole.WriteString(text)
	}
	if sum(whole.String()) != h.sum {
		return "", ErrNotFound
	}
	return whole.String(), nil
}

func (p splitStore) set(name, value string, until time.Time) error {
	former, err := p.store.get(name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	old, wasSplit := parseHead(former)

	if len(value) <= p.limit {
		if err := p.store.set(name, value, until); err != nil {
			return err
		}
	} else {
		h := head{slot: "a", generation: rand.Text(), sum: sum(value)}
		if wasSplit && old.slot == "a" {
			h.slot = "b"
		}
		room := p.limit - len(h.generation) - 1
		h.count = (len(value) + room - 1) / room
		if h.count > maxParts {
			return fmt.Errorf("%d bytes are too many", len(value))
		}
		for i := range h.count {
			piece := value[i*room : min((i+1)*room, len(value))]
			if err := p.store.set(partName(name, h.slot, i), h.generation+" "+piece, until); err != nil {
				return err
			}
		}
		if err := p.store.set(name, h.String(), until); err != nil {
			return err
		}
	}
	if wasSplit {
		return p.deleteParts(name, old.slot)
	}
	return nil
}

// delete removes the parts in both slots, also without a head: a process that was killed
// may have left some.
func (p splitStore) delete(name string) error {
	err := p.store.delete(name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return errors.Join(err, p.deleteParts(name, "a"), p.deleteParts(name, "b"))
}

// deleteParts removes the parts in a slot, the last one first: if it is interrupted, the
// rest still begins with part 0, where the next call looks.
func (p splitStore) deleteParts(name, slot string) error {
	count := 0
	for ; count < maxParts; count++ {
		_, err := p.store.get(partName(name, slot, count))
		if errors.Is(err, ErrNotFound) {
			break
		}
		if err != nil {
			return err
		}
	}
	for i := count - 1; i >= 0; i-- {
		if err := p.store.delete(partName(name, slot, i)); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}
