package storage_test

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// Two kinds that exist only here show all that the engine knows about a kind. A Box is a logical switch; an Item is a port of
// the switch of its box and has a slot there, which is given or allocated, and which nobody else has. An item may lie on
// another one.

// boxes is what the engine needs to know about Box: its status counts what is in it, its row is a switch, and a
// group of its ports if it is to have one.
var boxes = storage.NewResource("boxes", "Box", func() *Box { return &Box{} }, storage.Kind[*Box]{
	Derive: func(v storage.View, b *Box) {
		b.Status.Items = len(slices.Collect(storage.ReferrersOf[*Item](v, "boxes", b.Name)))
	},
	Rows: func(_ storage.View, b *Box) ([]storage.Row, error) {
		rows := []storage.Row{{Table: "Logical_Switch", Key: "switch", Columns: ovsdb.Row{
			"name":         ovsdb.String(b.Name),
			"other_config": ovsdb.Map(map[string]string{"color": b.Spec.Color}),
		}}}
		if b.Spec.Grouped {
			rows = append(rows, storage.Row{Table: "Port_Group", Key: "group", Columns: ovsdb.Row{"name": ovsdb.String(b.Name)}})
		}
		return rows, nil
	},
})

// items is what the engine needs to know about Item.
var items = storage.NewResource("items", "Item", func() *Item { return &Item{} }, storage.Kind[*Item]{
	References: func(i *Item) []storage.Ref {
		refs := []storage.Ref{{Resource: "boxes", Name: i.Spec.Box, Field: "spec.box", Effect: storage.Immediately}}
		if i.Spec.On != "" {
			refs = append(refs, storage.Ref{Resource: "items", Name: i.Spec.On, Field: "spec.on"})
		}
		return refs
	},
	Index: func(i *Item) []string { return []string{slotKey(i.Spec.Box, i.Spec.Slot)} },
	Plan: func(v storage.View, old, i *Item) error {
		if i == nil || old != nil && old.Spec.Slot == i.Spec.Slot {
			return nil
		}
		return takeSlot(v, i)
	},
	Derive: func(v storage.View, i *Item) {
		if b, ok := storage.Get[*Box](v, "boxes", i.Spec.Box); ok {
			i.Status.Color = b.Spec.Color
		}
	},
	Rows: func(v storage.View, i *Item) ([]storage.Row, error) {
		parents := []storage.Parent{{Table: "Logical_Switch", UUID: v.RowID("boxes", i.Spec.Box, "switch"), Column: "ports"}}
		if b, ok := storage.Get[*Box](v, "boxes", i.Spec.Box); ok && b.Spec.Grouped {
			parents = append(parents, storage.Parent{Table: "Port_Group", UUID: v.RowID("boxes", i.Spec.Box, "group"), Column: "ports"})
		}
		return []storage.Row{{
			Table:   "Logical_Switch_Port",
			Key:     "port",
			Columns: ovsdb.Row{"name": ovsdb.String(i.Name), "addresses": ovsdb.Strings(fmt.Sprintf("02:00:00:00:%02x:%02x", i.Spec.Slot/256, i.Spec.Slot%256))},
			Parents: parents,
		}}, nil
	},
})

// takeSlot gives an item the slot that it asks for, or the lowest free one.
func takeSlot(v storage.View, i *Item) error {
	next := 1
	for key, holder := range v.Scan(slotKey(i.Spec.Box, 0), slotKey(i.Spec.Box, 1<<20)) {
		switch slot := holder.(*Item).Spec.Slot; {
		case i.Spec.Slot == slot:
			return apierrors.NewInvalid(schema.GroupKind{Kind: "Item"}, i.Name, field.ErrorList{
				field.Invalid(field.NewPath("spec", "slot"), slot, fmt.Sprintf("is taken by %s (%s)", holder.GetName(), key))})
		case slot == next:
			next++
		}
	}
	if i.Spec.Slot == 0 {
		i.Spec.Slot = next
	}
	return nil
}

func slotKey(box string, slot int) string { return fmt.Sprintf("slot/%s/%08d", box, slot) }

// toyTables are the tables and columns of the rows above.
var toyTables = map[string][]string{
	"Logical_Switch":      {"name", "other_config", "external_ids"},
	"Logical_Switch_Port": {"name", "addresses", "external_ids"},
	"Port_Group":          {"name", "external_ids"},
}

// toyAttachments are the columns that hold rows which live on without them.
var toyAttachments = map[string]string{"Port_Group": "ports"}

// The rest of the file is what any API type needs: the types, their copies, and a codec.

// Box is a logical switch.
type Box struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              BoxSpec   `json:"spec,omitempty"`
	Status            BoxStatus `json:"status,omitempty"`
}

// BoxSpec is what users want of a Box. Count means nothing: tests count with it.
type BoxSpec struct {
	Color   string `json:"color,omitempty"`
	Count   int    `json:"count,omitempty"`
	Grouped bool   `json:"grouped,omitempty"`
}

// BoxStatus is what follows for a Box.
type BoxStatus struct {
	Items int `json:"items,omitempty"`
}

// Item is a port of a Box's switch.
type Item struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              ItemSpec   `json:"spec,omitempty"`
	Status            ItemStatus `json:"status,omitempty"`
}

// ItemSpec is what users want of an Item.
type ItemSpec struct {
	Box  string `json:"box,omitempty"`
	On   string `json:"on,omitempty"`
	Slot int    `json:"slot,omitempty"`
	Note string `json:"note,omitempty"`
}

// ItemStatus is what follows for an Item.
type ItemStatus struct {
	Color string `json:"color,omitempty"`
}

// BoxList is a list of boxes.
type BoxList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Box `json:"items"`
}

// ItemList is a list of items.
type ItemList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Item `json:"items"`
}

// DeepCopyObject implements runtime.Object.
func (b *Box) DeepCopyObject() runtime.Object {
	out := *b
	b.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	return &out
}

// DeepCopyObject implements runtime.Object.
func (i *Item) DeepCopyObject() runtime.Object {
	out := *i
	i.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	return &out
}

// DeepCopyObject implements runtime.Object.
func (l *BoxList) DeepCopyObject() runtime.Object {
	out := *l
	out.Items = slices.Clone(l.Items)
	return &out
}

// DeepCopyObject implements runtime.Object.
func (l *ItemList) DeepCopyObject() runtime.Object {
	out := *l
	out.Items = slices.Clone(l.Items)
	return &out
}

var toyVersion = schema.GroupVersion{Group: "toys.example.com", Version: "v1"}

// A Go type is registered for its version and for the internal one, as this project's kinds are.
func init() {
	for _, version := range []string{toyVersion.Version, runtime.APIVersionInternal} {
		gv := schema.GroupVersion{Group: toyVersion.Group, Version: version}
		scheme.AddKnownTypes(gv, &Box{}, &BoxList{}, &Item{}, &ItemList{})
	}
}

var toyCodec = codecs.LegacyCodec(toyVersion)

func box(name, color string) *Box {
	return &Box{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: BoxSpec{Color: color}}
}

func item(name, inBox string) *Item {
	return &Item{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: ItemSpec{Box: inBox}}
}
