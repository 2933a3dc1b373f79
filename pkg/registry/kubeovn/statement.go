package kubeovn

import (
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// lastApplied is the annotation in which "kubectl apply" keeps the manifest that it applied.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// Statements are the fields of spec that users state in manifests: those that a manager applies at the server, and those of the
// manifest that "kubectl apply" sends with the write. What a manifest states is the user's, also where it equals what the server
// would derive. Other writes, a PUT or a patch, do not tell a user's values from those that were read from the server.
type Statements struct {
	applied  []*fieldpath.Set // below spec, of managers that apply at the server
	manifest map[string]any   // the spec that kubectl applies with this write; nil when it does not
	before   *Statements      // of the version that the write replaces
}

// StatementsOf returns what is stated in the write of obj in place of old.
func StatementsOf(obj, old metav1.Object) Statements {
	s := Statements{applied: appliedBelowSpec(obj), before: &Statements{applied: appliedBelowSpec(old), manifest: manifestOf(old)}}
	if now := obj.GetAnnotations()[lastApplied]; now != old.GetAnnotations()[lastApplied] {
		s.manifest = manifestOf(obj)
	}
	return s
}

// Applied reports whether a manager that applies at the server states a field of spec.
func (s Statements) Applied(field string) bool {
	return slices.ContainsFunc(s.applied, func(set *fieldpath.Set) bool {
		name := fieldpath.PathElement{FieldName: &field}
		return set.Members.Has(name) || !set.WithPrefix(name).Empty()
	})
}

// AppliedMember reports whether a manager that applies at the server states a member of a set of texts in spec.
func (s Statements) AppliedMember(field, member string) bool {
	text := value.NewValueInterface(member)
	path := fieldpath.Path{{FieldName: &field}, {Value: &text}}
	return slices.ContainsFunc(s.applied, func(set *fieldpath.Set) bool { return set.Has(path) })
}

// InManifest reports whether the manifest that kubectl applies with this write states a field of spec.
func (s Statements) InManifest(field string) bool { return s.manifest[field] != nil }

// MemberInManifest reports whether that manifest states a member of a set of texts.
func (s Statements) MemberInManifest(field, member string) bool {
	list, _ := s.manifest[field].([]any)
	return slices.Contains(list, any(member))
}

// Withdrawn reports whether the version before stated a field of spec and this write takes the statement back: its default is
// wanted then, and not the value that was.
func (s Statements) Withdrawn(field string) bool {
	switch {
	case s.before.Applied(field) && !s.Applied(field):
		return true
	case s.manifest != nil:
		return s.before.InManifest(field) && !s.InManifest(field)
	}
	return false
}

func appliedBelowSpec(obj metav1.Object) []*fieldpath.Set {
	var sets []*fieldpath.Set
	spec := "spec"
	for _, entry := range obj.GetManagedFields() {
		if entry.Operation != metav1.ManagedFieldsOperationApply || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		var set fieldpath.Set
		if err := set.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			continue // the API machinery has written it; an entry that is damaged states nothing
		}
		sets = append(sets, set.WithPrefix(fieldpath.PathElement{FieldName: &spec}))
	}
	return sets
}

// manifestOf returns the spec of the manifest in the annotation of kubectl, nil when there is none.
func manifestOf(obj metav1.Object) map[string]any {
	var manifest struct {
		Spec map[string]any `json:"spec"`
	}
	text := obj.GetAnnotations()[lastApplied]
	if text == "" || json.Unmarshal([]byte(text), &manifest) != nil {
		return nil // a user may have written anything there
	}
	if manifest.Spec == nil {
		return map[string]any{}
	}
	return manifest.Spec
}
