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

// parts splits values that are over the store's limit, and joins them again.
//
// A split value is a head under the name asked for and its parts under names
// below it. The parts alternate between two slots, the head names the slot in use
// and is written last: whoever reads meanwhile, or after a write broke off, finds
// the former value whole. Every part carries the value's generation, so that
// parts of two values are never joined.
type parts struct{ store }

func newParts(s store) store {
	if s.limit() == 0 {
		return s
	}
	return parts{s}
}

// headPrefix opens a head. A value that is not split must not start with it.
const headPrefix = "parts/1 "

// maxParts bounds what a head may claim.
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

// parseHead reads a head. Its errors are for tests; a broken head counts as absent.
func parseHead(value string) (head, error) {
	rest, ok := strings.CutPrefix(value, headPrefix)
	fields := strings.Split(rest, " ")
	if !ok || len(fields) != 4 {
		return head{}, errors.New("no head of a split value")
	}
	h := head{slot: fields[0], generation: fields[1], sum: fields[3]}
	count, err := strconv.Atoi(fields[2])
	if err != nil || count < 1 || count > maxParts || h.slot != "a" && h.slot != "b" || h.generation == "" {
		return head{}, errors.New("broken head of a split value")
	}
	h.count = count
	if h.String() != value {
		return head{}, errors.New("head in another spelling")
	}
	return h, nil
}

func partName(name, slot string, i int) string {
	return fmt.Sprintf("%s part %s%d", name, slot, i)
}

func sum(value string) string {
	s := sha256.Sum256([]byte(value))
	return hex.EncodeToString(s[:])
}

func (p parts) get(name string) (string, error) {
	value, err := p.store.get(name)
	for err == nil && strings.HasPrefix(value, headPrefix) {
		whole, joinErr := p.join(name, value)
		if !errors.Is(joinErr, ErrNotFound) {
			return whole, joinErr
		}
		// Damaged, or replaced while we read: then there is another head.
		former := value
		if value, err = p.store.get(name); value == former {
			return "", ErrNotFound
		}
	}
	return value, err
}

// join puts together the value that a head describes. A missing part, or one of
// another value, makes it ErrNotFound.
func (p parts) join(name, headText string) (string, error) {
	h, err := parseHead(headText)
	if err != nil {
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

func (p parts) set(name, value string, until time.Time) error {
	former, err := p.store.get(name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	old, oldErr := parseHead(former)

	if len(value) <= p.store.limit() {
		if err := p.store.set(name, value, until); err != nil {
			return err
		}
	} else {
		h := head{slot: "a", generation: rand.Text(), sum: sum(value)}
		if oldErr == nil && old.slot == "a" {
			h.slot = "b"
		}
		room := p.store.limit() - len(h.generation) - 1
		h.count = (len(value) + room - 1) / room
		if h.count > maxParts {
			return fmt.Errorf("%d bytes are more than it holds", len(value))
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
	if oldErr == nil {
		return p.deleteParts(name, old.slot)
	}
	return nil
}

// delete removes the parts in both slots, also where no head names them: a write
// or a removal that was killed may have left some.
func (p parts) delete(name string) error {
	err := p.store.delete(name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return errors.Join(err, p.deleteParts(name, "a"), p.deleteParts(name, "b"))
}

// deleteParts removes a slot's parts, the last one first, so that what is left
// when it breaks off still begins with part 0, where the next removal looks.
func (p parts) deleteParts(name, slot string) error {
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
