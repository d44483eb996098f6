// Command schemas makes strict JSON schemas of Kubernetes' objects, for
// kubeconform, from the API description that the module k8s.io/kubernetes ships:
//
//	schemas $(go env GOMODCACHE)/k8s.io/kubernetes@v1.37.2/api/openapi-spec/swagger.json DIRECTORY
//
// Invariant: what the API server would drop or refuse for its shape (an unknown
// field, a wrong type) does not pass. A null does not either: the server drops
// it, but in a chart it is a template gone wrong.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const shared = "definitions.json"

type node = map[string]any

type object struct {
	group, version, kind string
}

// file is the name that kubeconform looks for with the location
// {{.ResourceKind}}{{.KindSuffix}}.json
func (o object) file() string {
	group, _, _ := strings.Cut(o.group, ".")
	if group != "" {
		group += "-"
	}
	return strings.ToLower(o.kind) + "-" + group + o.version + ".json"
}

func (o object) apiVersion() string {
	if o.group == "" {
		return o.version
	}
	return o.group + "/" + o.version
}

// strict gives the JSON schema of an OpenAPI 2 schema.
func strict(in node) node {
	if ref, ok := in["$ref"].(string); ok {
		return node{"$ref": shared + ref}
	}
	if in["format"] == "int-or-string" {
		return node{"type": []string{"integer", "string"}}
	}
	out := node{}
	for _, key := range []string{"type", "enum", "required"} {
		if value, ok := in[key]; ok {
			out[key] = value
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if value, ok := in[key].(node); ok {
			out[key] = strict(value)
		}
	}
	if properties, ok := in["properties"].(node); ok {
		each := node{}
		for name, property := range properties {
			each[name] = strict(property.(node))
		}
		out["properties"] = each
		if _, open := out["additionalProperties"]; !open && in["x-kubernetes-preserve-unknown-fields"] != true {
			out["additionalProperties"] = false
		}
	}
	return out
}

// objects are the kinds that a definition is the whole of.
func objects(definition node) []object {
	var list []object
	kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
	for _, kind := range kinds {
		k := kind.(node)
		list = append(list, object{k["group"].(string), k["version"].(string), k["kind"].(string)})
	}
	return list
}

func run(swagger, directory string) error {
	text, err := os.ReadFile(swagger)
	if err != nil {
		return err
	}
	var api struct {
		Definitions map[string]node `json:"definitions"`
	}
	if err := json.Unmarshal(text, &api); err != nil {
		return fmt.Errorf("parse %s: %w", swagger, err)
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	write := func(name string, schema node) error {
		text, err := json.Marshal(schema)
		if err != nil {
			return fmt.Errorf("encode %s: %w", name, err)
		}
		return os.WriteFile(filepath.Join(directory, name), text, 0o644)
	}

	definitions, written := node{}, 0
	for name, definition := range api.Definitions {
		schema := strict(definition)
		if strings.HasSuffix(name, ".Quantity") {
			schema = node{"type": []string{"number", "string"}}
		}
		definitions[name] = schema
		kinds := objects(definition)
		if len(kinds) != 1 { // DeleteOptions and the like, of every group
			continue
		}
		properties, _ := schema["properties"].(node)
		if properties == nil {
			continue
		}
		top := node{}
		for key, value := range schema {
			top[key] = value
		}
		whole := node{}
		for key, value := range properties {
			whole[key] = value
		}
		whole["apiVersion"] = node{"const": kinds[0].apiVersion()}
		whole["kind"] = node{"const": kinds[0].kind}
		top["properties"], top["required"] = whole, []string{"apiVersion", "kind", "metadata"}
		if err := write(kinds[0].file(), top); err != nil {
			return err
		}
		written++
	}
	if written == 0 {
		return fmt.Errorf("%s describes no object", swagger)
	}
	return write(shared, node{"definitions": definitions})
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: schemas SWAGGER.json DIRECTORY")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}
