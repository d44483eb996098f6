// Command schemas makes strict JSON schemas of Kubernetes' objects, for
// kubeconform, from the API description that the module k8s.io/kubernetes ships,
// and from custom resource definitions:
//
//	schemas DIRECTORY $(go env GOMODCACHE)/k8s.io/kubernetes@v1.37.2/api/openapi-spec/swagger.json CRD.yaml...
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

	"sigs.k8s.io/yaml"
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
	if in["format"] == "int-or-string" || in["x-kubernetes-int-or-string"] == true {
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

// whole makes of an object's schema one that stands by itself.
func whole(schema, properties node, kind object) node {
	top := node{}
	for key, value := range schema {
		top[key] = value
	}
	each := node{}
	for key, value := range properties {
		each[key] = value
	}
	each["apiVersion"] = node{"const": kind.apiVersion()}
	each["kind"] = node{"const": kind.kind}
	top["properties"], top["required"] = each, []string{"apiVersion", "kind", "metadata"}
	return top
}

func write(directory, name string, schema node) error {
	text, err := json.Marshal(schema)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(directory, name), text, 0o644)
}

// custom writes the schemas of a custom resource definition's versions.
func custom(file, directory string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var definition struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema node }
			}
		}
	}
	if err := yaml.Unmarshal(text, &definition); err != nil {
		return fmt.Errorf("parse %s: %w", file, err)
	}
	for _, version := range definition.Spec.Versions {
		kind := object{definition.Spec.Group, version.Name, definition.Spec.Names.Kind}
		schema := strict(version.Schema.OpenAPIV3Schema)
		properties, _ := schema["properties"].(node)
		if properties == nil {
			return fmt.Errorf("%s does not say what a %s has", file, kind.kind)
		}
		// The server knows these by itself; the definition has them as plain objects.
		properties["metadata"] = node{"$ref": shared + "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
		if err := write(directory, kind.file(), whole(schema, properties, kind)); err != nil {
			return err
		}
	}
	if len(definition.Spec.Versions) == 0 {
		return fmt.Errorf("%s defines nothing", file)
	}
	return nil
}

func run(directory, swagger string, crds []string) error {
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
		if err := write(directory, kinds[0].file(), whole(schema, properties, kinds[0])); err != nil {
			return err
		}
		written++
	}
	if written == 0 {
		return fmt.Errorf("%s describes no object", swagger)
	}
	for _, file := range crds {
		if err := custom(file, directory); err != nil {
			return err
		}
	}
	return write(directory, shared, node{"definitions": definitions})
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: schemas DIRECTORY SWAGGER.json [CRD.yaml...]")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}
