package v1_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// ourSamples is how many objects of the group the users' guides contain: a test over fewer proves less than it says.
const ourSamples = 43

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return scheme
}

// samples are the documents of artifacts/samples that are of this group, by file and position.
func samples(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../../../artifacts/samples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]byte{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
		for i := 0; ; i++ {
			document, err := reader.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if bytes.Contains(document, []byte("apiVersion: kubeovn.io/v1")) {
				found[fmt.Sprintf("%s#%d", filepath.Base(file), i)] = document
			}
		}
	}
	if len(found) != ourSamples {
		t.Fatalf("%d objects of the group in the samples, want %d", len(found), ourSamples)
	}
	return found
}

func TestSamplesDecodeStrictlyAndKeepWhatTheySay(t *testing.T) {
	scheme := newScheme(t)
	strict := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	for name, document := range samples(t) {
		t.Run(name, func(t *testing.T) {
			object, _, err := strict.Decode(document, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := yaml.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			again, _, err := strict.Decode(encoded, nil, nil)
			if err != nil {
				t.Fatalf("what was written does not decode: %v", err)
			}
			if diff := cmp.Diff(object, again); diff != "" {
				t.Errorf("changed by writing and reading (-first +second):\n%s", diff)
			}
			var said, kept map[string]any
			if err := yaml.Unmarshal(document, &said); err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal(encoded, &kept); err != nil {
				t.Fatal(err)
			}
			for _, lost := range missing("", said, kept) {
				t.Errorf("lost: %s", lost)
			}
		})
	}
}

// missing lists the paths at which kept does not hold what said does, false and empty values included: a GitOps tool
// that finds its "natOutgoing: false" missing sees a difference for ever.
func missing(path string, said, kept any) []string {
	var lost []string
	switch said := said.(type) {
	case map[string]any:
		kept, _ := kept.(map[string]any)
		for key, value := range said {
			lost = append(lost, missing(path+"."+key, value, kept[key])...)
		}
	case []any:
		kept, _ := kept.([]any)
		if len(kept) != len(said) {
			return []string{fmt.Sprintf("%s: %d entries instead of %d", path, len(kept), len(said))}
		}
		for i := range said {
			lost = append(lost, missing(fmt.Sprintf("%s[%d]", path, i), said[i], kept[i])...)
		}
	default:
		if said != kept {
			lost = append(lost, fmt.Sprintf("%s: %v instead of %v", path, kept, said))
		}
	}
	return lost
}

func TestMissingFindsFalseEmptyAndShortenedValues(t *testing.T) {
	said := map[string]any{"a": false, "b": map[string]any{"c": ""}, "d": []any{"x", "y"}, "e": "same"}
	kept := map[string]any{"b": map[string]any{}, "d": []any{"x"}, "e": "same", "more": 1}
	if got := missing("", said, kept); len(got) != 3 {
		t.Errorf("found %q, want three losses", got)
	}
}

func TestStrictDecodingRefusesMisspelledFields(t *testing.T) {
	strict := serializer.NewCodecFactory(newScheme(t), serializer.EnableStrict).UniversalDeserializer()
	document := []byte("apiVersion: kubeovn.io/v1\nkind: OvnEip\nmetadata: {name: a}\nspec: {v4ip: 10.0.0.1}\n")
	if _, _, err := strict.Decode(document, nil, nil); err == nil || !strings.Contains(err.Error(), `"spec.v4ip"`) {
		t.Errorf("error %v, want an unknown field spec.v4ip", err)
	}
}

func TestDefaultingTwiceChangesNothingMore(t *testing.T) {
	scheme := newScheme(t)
	decoder := serializer.NewCodecFactory(scheme).UniversalDeserializer()
	for name, document := range samples(t) {
		t.Run(name, func(t *testing.T) {
			once, _, err := decoder.Decode(document, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			scheme.Default(once)
			twice := once.DeepCopyObject()
			scheme.Default(twice)
			if diff := cmp.Diff(once, twice); diff != "" {
				t.Errorf("(-once +twice):\n%s", diff)
			}
		})
	}
}
