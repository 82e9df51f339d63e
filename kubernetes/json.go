package kubernetes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// JSON returns the documents of a manifest in YAML as indented JSON: several as a List.
func JSON(manifest []byte) ([]byte, error) {
	var items []any
	for d := yaml.NewDecoder(bytes.NewReader(manifest)); ; {
		var item any
		if err := d.Decode(&item); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("cannot convert YAML to JSON: %w", err)
		}
		items = append(items, item)
	}
	var document any = map[string]any{"apiVersion": "v1", "kind": "List", "items": items}
	if len(items) == 1 {
		document = items[0]
	}
	text, err := json.MarshalIndent(document, "", "  ")
	return append(text, '\n'), err
}
