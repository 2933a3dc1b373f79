package apiserver

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

func TestDocuments(t *testing.T) {
	subnet := &v1.Subnet{}
	subnet.Name, subnet.Generation = "net1", 3
	subnet.Spec = v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.0.0.0/24", ExcludeIps: []string{"10.0.0.1"}}

	t.Run("the form is that of the API's own codec", func(t *testing.T) {
		var got bytes.Buffer
		if err := (documents{}).Encode(subnet.DeepCopy(), &got); err != nil {
			t.Fatal(err)
		}
		want, err := runtime.Encode(Codecs.LegacyCodec(v1.SchemeGroupVersion), subnet.DeepCopy())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("what is decoded is what the API's own codec decodes, defaults included", func(t *testing.T) {
		raw := []byte(`{"kind":"Subnet","apiVersion":"kubeovn.io/v1","metadata":{"name":"net1"},"spec":{"cidrBlock":"10.0.0.0/24"}}`)
		got, _, err := documents{}.Decode(raw, nil, &v1.Subnet{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := runtime.Decode(Codecs.LegacyCodec(v1.SchemeGroupVersion), raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	for name, raw := range map[string]string{
		"another kind":    `{"kind":"Vpc","apiVersion":"kubeovn.io/v1"}`,
		"another version": `{"kind":"Subnet","apiVersion":"kubeovn.io/v2"}`,
		"no kind":         `{}`,
		"no JSON":         `{`,
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			if obj, _, err := (documents{}).Decode([]byte(raw), nil, &v1.Subnet{}); err == nil {
				t.Errorf("decoded %v", obj)
			}
		})
	}
}

func BenchmarkDecodeDocument(b *testing.B) {
	raw := []byte(`{"kind":"IP","apiVersion":"kubeovn.io/v1","metadata":{"name":"busybox.default","uid":"7f1b","generation":1,"creationTimestamp":"2026-01-01T00:00:00Z","labels":{"a":"b"},"managedFields":[{"manager":"agent","operation":"Update","apiVersion":"kubeovn.io/v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:subnet":{},"f:podName":{}}}}]},"spec":{"podName":"busybox","namespace":"default","subnet":"ovn-default","ipAddress":"10.16.0.2","v4IpAddress":"10.16.0.2","macAddress":"00:00:00:01:02:03"}}`)
	for name, codec := range map[string]runtime.Codec{"documents": documents{}, "api": Codecs.LegacyCodec(v1.SchemeGroupVersion)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := codec.Decode(raw, nil, &v1.IP{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
