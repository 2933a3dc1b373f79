// Command models-schema prints the OpenAPI v2 definitions of all types of the API group, which applyconfiguration-gen
// needs. It is a step of hack/update-codegen.sh.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/util"
	"k8s.io/kube-openapi/pkg/validation/spec"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/generated/openapi"
)

func main() {
	if err := json.NewEncoder(os.Stdout).Encode(swagger()); err != nil {
		fmt.Fprintln(os.Stderr, "models-schema:", err)
		os.Exit(1)
	}
}

func swagger() *spec.Swagger {
	definitions := spec.Definitions{}
	for name, definition := range openapi.GetOpenAPIDefinitions(reference) {
		schema := definition.Schema
		// Types with different forms in OpenAPI v2 and v3 (IntOrString) carry the v2 form as an extension.
		if v2, ok := schema.Extensions[common.ExtensionV2Schema].(spec.Schema); ok {
			schema = v2
		}
		definitions[goName(name)] = schema
	}
	return &spec.Swagger{SwaggerProps: spec.SwaggerProps{
		Swagger:     "2.0",
		Info:        &spec.Info{InfoProps: spec.InfoProps{Title: "kubeovn.io", Version: "v1"}},
		Definitions: definitions,
	}}
}

func reference(name string) spec.Ref { return spec.MustCreateRef("#/definitions/" + goName(name)) }

// goName is the name of a model by the Go package of its type. The generator knows types by these names only, whatever
// names +k8s:openapi-model-package gives them.
func goName(name string) string {
	kind, ours := strings.CutPrefix(name, modelPackage)
	if !ours {
		return name
	}
	return util.ToRESTFriendlyName(goPackage + "." + kind)
}

var (
	modelPackage = strings.TrimSuffix(v1.Vpc{}.OpenAPIModelName(), "Vpc")
	goPackage    = reflect.TypeFor[v1.Vpc]().PkgPath()
)
