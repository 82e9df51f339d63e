package scan

import "strings"

// BuiltHere is why what is built is left alone.
const BuiltHere = "is the name of what is built here"

// Builders are keys and functions before the name of what is built or pushed.
var Builders = map[string]Class{
	"tags": Pushed, "image_templates": Pushed, "name_template": Pushed, "output": Pushed, "outputs": Pushed, "cache-to": Pushed, "cache_to": Pushed,
	"docker_build": Built, "custom_build": Built,
}

// IsImageKey reports whether a key or a variable of this name holds an image, as tools
// name them: image, baseImage, base_image, BASE_IMAGE.
func IsImageKey(name string) bool {
	lower := strings.ToLower(name)
	if !strings.HasSuffix(lower, "image") {
		return false
	}
	rest := name[:len(name)-len("image")]
	return rest == "" || strings.ContainsAny(rest[len(rest)-1:], "_-") || name[len(rest)] == 'I' && rest != strings.ToUpper(rest)
}
