package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/apitesting"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apiserver/pkg/apis/example"
	examplev1 "k8s.io/apiserver/pkg/apis/example/v1"
	"k8s.io/apiserver/pkg/storage"
)

// documentSize is the length of the stored JSON: that of a Subnet or IP with its managed fields.
const documentSize = 1500

var codec = newCodec()

func newCodec() runtime.Codec {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, metav1.SchemeGroupVersion)
	utilruntime.Must(example.AddToScheme(scheme))
	utilruntime.Must(examplev1.AddToScheme(scheme))
	return apitesting.TestCodec(serializer.NewCodecFactory(scheme), examplev1.SchemeGroupVersion)
}

// backend is a store under measurement.
type backend struct {
	store    storage.Interface
	switches storage.Interface // of what the pods refer to; nil when they refer to nothing
	created  atomic.Int64
}

// padding is the message that fills a pod up to documentSize; a message costs 12 bytes beyond its own length.
var padding = func() string {
	empty, err := runtime.Encode(codec, pod(0, ""))
	utilruntime.Must(err)
	return strings.Repeat("x", documentSize-len(empty)-len(`"message":""`))
}()

func newPod(n int64) *example.Pod { return pod(n, padding) }

func pod(n int64, message string) *example.Pod {
	return &example.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:              fmt.Sprintf("pod-%08d", n),
			UID:               types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", n)),
			CreationTimestamp: metav1.NewTime(time.Unix(1_750_000_000, 0)),
		},
		Status: example.PodStatus{Message: message},
	}
}

// create creates count objects from a number of concurrent writers and returns how long that took.
// An acknowledged create is on disk.
func (k *backend) create(ctx context.Context, writers, count int) (time.Duration, error) {
	var (
		left   atomic.Int64
		wg     sync.WaitGroup
		failed = make(chan error, writers)
		start  = time.Now()
	)
	left.Store(int64(count))
	for range writers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				pod, out := newPod(k.created.Add(1)), &example.Pod{}
				if err := k.store.Create(ctx, "/pods/"+pod.Name, pod, out, 0); err != nil {
					failed <- err
					return
				}
				if out.ResourceVersion == "" {
					failed <- errors.New("a created object came back without a resource version")
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
		return time.Since(start), nil
	}
}

func TestDocumentHasTheStatedSize(t *testing.T) {
	document, err := runtime.Encode(codec, newPod(1))
	if err != nil {
		t.Fatal(err)
	}
	if len(document) != documentSize {
		t.Errorf("the document has %d bytes, want %d", len(document), documentSize)
	}
}
